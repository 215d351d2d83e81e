"""Markdown as GitHub shows it, in which what comes from data is shown as it is and never taken for Markdown."""

from collections.abc import Iterable, Sequence


def literal(text: str) -> str:
    """Return text that stands for itself in a line or a table's cell: no markup, no HTML, no end of the cell."""
    kept = set(" -.,()/+%")
    return "".join(each if each.isalnum() or each in kept else f"&#{ord(each)};" for each in " ".join(text.split()))


def name(text: str) -> str:
    """Return text as a name: as literal, and in code, where GitHub sees no mention of a person or an issue either."""
    return f"<code>{literal(text)}</code>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are figures; the cells are Markdown already."""
    alignment = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, alignment, *rows))


def block(kind: str, lines: Iterable[str]) -> str:
    """Return lines as a block of code; none of them may begin with the fence."""
    return "\n".join([f"```{kind}", *lines, "```"])
