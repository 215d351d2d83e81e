"""Markdown for GitHub, with text from data escaped so that it is never taken for markup.

scripts/notify.py uses this before anything is installed, so it uses the standard library only.
"""

import re
from collections.abc import Iterable, Sequence

# Every character that may be markup within a line; an underscore between letters never is.
MARKUP = re.compile(r"[^\w \-.,()/+%]|(?<![^\W_])_|_(?![^\W_])")


def escape_text(text: str) -> str:
    """Return text escaped for a line or a table's cell: no markup, no HTML, no end of the cell."""
    return MARKUP.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.split()))


def inline_code(text: str) -> str:
    """Return text escaped and as code, in which GitHub does not link mentions of people or issues."""
    return f"<code>{escape_text(text)}</code>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with one text column followed by number columns; the cells are Markdown already."""
    alignment = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, alignment, *rows))


def code_block(language: str, lines: Iterable[str]) -> str:
    """Return lines as a code block; no line may begin with the fence."""
    return "\n".join([f"```{language}", *lines, "```"])
