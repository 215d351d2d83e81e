"""CSV, the one way in which all commands write it; and cells that a spreadsheet must not take for formulas."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import TypeVar

Cell = TypeVar("Cell")
# With these a formula begins, also after a tab or a line end, and in full width (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_bytes(header: Iterable[str], rows: Iterable[Iterable]) -> bytes:
    """Return rows as UTF-8 CSV with LF line ends on every system; a text's own line breaks stay as they are."""
    return b"".join(csv_pieces(header, [rows]))


def csv_pieces(header: Iterable[str], blocks: Iterable[Iterable[Iterable]]) -> Iterator[bytes]:
    """Yield the bytes of csv_bytes piece by piece: the header, then each block of rows."""
    yield _encoded([header])
    yield from map(_encoded, blocks)


def without_formulas(row: Iterable[Cell]) -> list[Cell | str]:
    """Return a row for a spreadsheet, which shows a cell as text if an apostrophe is before it.

    This is for files that people open. Programs would read the apostrophe as a part of the text.
    """
    return [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell for cell in row]


def _encoded(rows: Iterable[Iterable]) -> bytes:
    buffer = io.StringIO(newline="")
    # Quote every text: by default, Python before 3.13 does not quote a lone CR, at which readers start a new row.
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return buffer.getvalue().encode()
