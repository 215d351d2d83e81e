"""Find the header among the first rows of a table, and the columns that the user named in it."""

import difflib
import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from itertools import chain, pairwise

from callcenterai.formats.problems import FileProblem

MAX_COLUMNS = 16_384
# A title, a date or blank cells may stand above the header.
HEADER_WITHIN = 20
SHOWN = 30
# Longer names are compared as they are: sorting n combining marks takes n * n steps.
LONGEST_NAME = 1_000
NUMBER = re.compile(r"[-+]?[\d.,:/ -]*\d[\d.,:/ %-]*")


def fold_name(name: object) -> str:
    """Return the name of a column as it is compared: without blanks around it, in one case and one Unicode form."""
    text = str(name)
    form = unicodedata.normalize("NFC", text) if len(text) <= LONGEST_NAME else text
    return " ".join(form.replace("\ufeff", "").replace("\0", "").casefold().split())


def find_header(rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> int | None:
    """Return which of the first rows is the header: the first that has all wanted columns.

    Without wanted columns it is the first row that is as wide as most; None when the wanted ones are in no row.
    """
    if wanted:
        names = {fold_name(each) for each in wanted}
        return next((at for at, row in enumerate(rows[:HEADER_WITHIN]) if names <= set(map(fold_name, row))), None)
    width = usual_width(rows)
    at = (at for at, row in enumerate(rows[:HEADER_WITHIN]) if 2 * sum(bool(c.strip()) for c in row) >= width)
    return next(at, 0)


def usual_width(rows: Sequence[Sequence[str]]) -> int:
    """Return the most frequent number of cells in a row, of equally frequent ones the largest."""
    widths = [len(row) for row in rows]
    return max(set(widths), key=lambda width: (widths.count(width), width), default=0)


def find_columns(name: str, header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the position of each wanted column; a FileProblem unless the header has it exactly once."""
    folded = [fold_name(each) for each in header]
    positions = []
    for column in wanted:
        exact = [at for at, each in enumerate(header) if each == column]
        found = exact or [at for at, each in enumerate(folded) if each == fold_name(column)]
        if len(found) != 1:
            there = describe(header)
            if found:
                raise FileProblem(name, "column_twice", column=column, there=there)
            raise FileProblem(name, "no_column", column=column, there=there, near=near_miss(column, header))
        positions += found
    return positions


def find_numbers(name: str, width: int, wanted: Sequence[str], first: Sequence[str]) -> list[int]:
    """Return the positions of columns that are named by number, in a table without a header."""
    for column in wanted:
        if not (column.strip().isdecimal() and 1 <= int(column) <= width):
            there = describe_numbers(first)
            raise FileProblem(name, "not_a_number", column=column, count=width, there=there)
    return [int(column) - 1 for column in wanted]


def near_miss(column: str, header: Sequence[str]) -> str:
    """Return the part of a message that names the column that was probably meant, if there is one."""
    folded = {fold_name(each): each for each in header if each.strip()}
    near = difflib.get_close_matches(fold_name(column), folded, n=1, cutoff=0.7)
    return f" (did you mean {folded[near[0]].strip()!r}?)" if near else ""


def describe(header: Sequence[str]) -> str:
    """Return the names of columns for a message."""
    return ", ".join(repr(shorten(each)) for each in header[:SHOWN] if each.strip()) or "none"


def describe_numbers(first: Sequence[str]) -> str:
    """Return the numbers of columns with the first cell of each, for a message."""
    return ", ".join(f"{at} is {shorten(cell)!r}" for at, cell in enumerate(first[:SHOWN], start=1))


def shorten(cell: str, limit: int = 40) -> str:
    """Return a cell that is short enough for a message."""
    text = " ".join(cell.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def looks_like_data(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row is a ticket and not a header.

    A header has no numbers, no sentences, and none of the values that come again and again in its own column.
    """
    if len(rows) < 2:
        return False
    # Where files were put together, the header comes again as a whole.
    first, rest = rows[0], [row for row in rows[1:] if len(row) == len(rows[0]) and row != rows[0]]
    if any(NUMBER.fullmatch(cell.strip()) for cell in first if cell.strip()):
        return True
    if any(len(cell) > 60 for cell in first):
        return True
    columns = [[row[at].strip() for row in rest] for at in range(len(first))]
    return any(cell.strip() and cell.strip() in column for cell, column in zip(first, columns, strict=True))


def has_row_names(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether each row begins with its number, for which the header has no cell, as R writes tables."""
    if len(rows) < 2 or any(len(row) != len(header) + 1 or not row[0].isdecimal() for row in rows):
        return False
    # Otherwise each row ends with one delimiter too many.
    if not any(row[-1].strip() for row in rows):
        return False
    numbers = [int(row[0]) for row in rows]
    return all(after == before + 1 for before, after in pairwise(numbers))


def check_width(name: str, width: int) -> None:
    """Raise a FileProblem when a table has more columns than are read."""
    if width > MAX_COLUMNS:
        raise FileProblem(name, "columns", limit=MAX_COLUMNS)


class Layout:
    """Which rows stand above the tickets, how the columns are called, and which are wanted."""

    def __init__(
        self, name: str, rows: Sequence[Sequence[str]], wanted: Sequence[str], header: bool, unique: bool = True
    ) -> None:
        """Find the header in the first rows of a table; a FileProblem when wanted columns are not there."""
        widest = max(map(len, rows), default=0)
        check_width(name, len(rows[0]) if rows else 0)
        self.has_header = header
        if not header:
            self.skip, self.header = 0, [str(number) for number in range(1, usual_width(rows) + 1)]
            self.positions = find_numbers(name, len(self.header), wanted, rows[0] if rows else [])
            return
        found = find_header(rows, wanted)
        if found is None:
            at = find_header(rows, ()) or 0
            _refuse_missing_header(name, rows[at:], wanted)
        self.skip = (find_header(rows, ()) or 0 if found is None else found) + 1
        self.header = list(rows[self.skip - 1]) if rows else []
        check_width(name, widest if widest > MAX_COLUMNS and len(self.header) > MAX_COLUMNS else len(self.header))
        if has_row_names(self.header, rows[self.skip :]):
            self.header = ["", *self.header]
        self.positions = find_columns(name, self.header, wanted)

    @cached_property
    def least(self) -> int:
        """The number of columns up to the last one with a name; those after it may be missing in a row."""
        names = [bool(each.strip()) for each in self.header]
        return max((at + 1 for at, named in enumerate(names) if named), default=len(names))


def _refuse_missing_header(name: str, rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> None:
    """Raise a FileProblem when the first row is a ticket, unless a wanted column is nearly in it."""
    if not rows or any(near_miss(column, rows[0]) for column in wanted):
        return
    if set(map(fold_name, wanted)) & set(map(fold_name, chain(rows[0]))):
        return
    if looks_like_data(rows):
        first = ", ".join(repr(shorten(cell)) for cell in rows[0][:SHOWN])
        raise FileProblem(name, "no_header", first=first, there=describe_numbers(rows[0]))
