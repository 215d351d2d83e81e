"""Markdown as GitHub shows it, in which what comes from data is shown as it is and never taken for Markdown."""

import re
from collections.abc import Iterable, Sequence

# All but what never means anything within a line. An underscore between letters means nothing either.
MARKUP = re.compile(r"[^\w \-.,()/+%]|(?<![^\W_])_|_(?![^\W_])")


def literal(text: str) -> str:
    """Return text that stands for itself in a line or a table's cell: no markup, no HTML, no end of the cell."""
    return MARKUP.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.split()))


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
