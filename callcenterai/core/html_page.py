"""HTML pages that need no other file: one frame for all, in light and dark and on paper.

A template begins with `{% extends "html_page.html" %}` and fills the blocks `title`, `content` and, with its own rules,
`style`. Every value is escaped, and equal values give equal bytes.
"""

from pathlib import Path
from typing import Any

FRAMES = Path(__file__).parent
DASH = "–"
# In characters: a label or another name can be a whole text.
LONGEST_SHOWN = 80


def render_page(template: Path, **values: Any) -> bytes:
    """Return the page of a template with these values."""
    # Late: the package's commands import this module long before they write a page.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader([template.parent, FRAMES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {"percent": format_share, "count": "{:,}".format, "cut": cut_name}
    return pages.get_template(template.name).render(values).encode()


def format_share(share: float | None) -> str:
    """Return a share in per cent with one digit, or a dash if there is none."""
    return DASH if share is None else f"{share:.1%}"


def cut_name(name: str) -> str:
    """Return a name in one line, without the end of a long one."""
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_SHOWN else f"{line[: LONGEST_SHOWN - 1]}…"
