"""Where rows end in the bytes of a text file, found without reading what they say.

Blank lines are no rows, and belong to the row after them.
"""

import codecs
import csv
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from callcenterai.batch.ticket_pieces import lines_of
from callcenterai.formats.delimited import csv_rows

QUOTE, RETURN, NEWLINE = b'"\r\n'


class Ends(NamedTuple):
    """Where rows end: the offsets, int64 of shape (n,), and how many lines have ended by then, of the same shape."""

    offsets: np.ndarray
    lines: np.ndarray


def row_ends(data: bytes, delimiter: str | None, last: bool) -> Ends:
    """Return where whole rows end.

    Data begins with a row and, if it is the last, ends with the file. A row is what csv.reader takes for one, a broken
    one included, and without a delimiter a line.
    """
    if not delimiter:
        return _of_lines(data, last)
    return _by_counting(data, ord(delimiter), last) or _by_reading(data, delimiter, last)


def _of_lines(data: bytes, last: bool) -> Ends:
    lines = data.split(b"\n")
    offsets = np.cumsum([len(line) + 1 for line in lines], dtype=np.int64)
    there = np.fromiter(map(_says_something, lines), dtype=bool, count=len(lines))
    # Behind the last line end there is the beginning of a line, or the end of the file.
    there[-1] &= last
    return Ends(np.minimum(offsets[there], len(data)), np.flatnonzero(there) + 1)


def _says_something(line: bytes) -> bool:
    return bool(line.replace(codecs.BOM_UTF8, b"").strip(b" \t\r"))


def _by_counting(data: bytes, delimiter: int, last: bool) -> Ends | None:
    """Take a line end for that of a row where the number of quotes before it is even.

    That is so when each quote stands where csv writers put it; otherwise return None.
    """
    # A line end more, as which the end of the file counts.
    text = np.frombuffer(data + b"\n" if last else data, dtype=np.uint8)
    quotes = np.flatnonzero(text == QUOTE)
    returns = np.flatnonzero(text[:-1] == RETURN)
    alone = returns[text[returns + 1] != NEWLINE]
    if not _regular(text, quotes, delimiter) or not _within(quotes, alone).all():
        return None
    newlines = np.flatnonzero(text == NEWLINE)
    whole = ~_within(quotes, newlines)
    if last:
        # Also in a quoted field that nothing closes.
        whole[-1] = True
    offsets = newlines[whole] + 1
    # A carriage return alone ends a line too, within a quoted field.
    lines = np.flatnonzero(whole) + 1 + np.searchsorted(alone, offsets)
    sizes = np.diff(offsets, prepend=0)
    says_something = (sizes > 1) & ((sizes > 2) | (text[offsets - sizes] != RETURN))
    return Ends(np.minimum(offsets[says_something], len(data)), lines[says_something])


def _within(quotes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Whether each place is in a quoted field: that is where the number of quotes before it is odd."""
    return np.searchsorted(quotes, places) % 2 == 1


def _regular(text: np.ndarray, quotes: np.ndarray, delimiter: int) -> bool:
    """Whether every quote, of those that open and close in turn, is at an end of a field or beside another one."""
    opening, closing = quotes[0::2], quotes[1::2]
    before, after = text[opening[opening > 0] - 1], text[closing[closing < len(text) - 1] + 1]
    begins = np.isin(before, (delimiter, NEWLINE, QUOTE)).all()
    return bool(begins and np.isin(after, (delimiter, NEWLINE, RETURN, QUOTE)).all())


def _by_reading(data: bytes, delimiter: str, last: bool) -> Ends:
    """Have csv.reader read the rows, and see how far it is after each."""
    lines = _Counted(lines_of(data))
    reader = csv_rows(lines, delimiter)
    ends: list[tuple[int, int]] = []
    while True:
        try:
            says_something = bool(next(reader))
        except StopIteration:
            break
        except csv.Error:
            says_something = True
        # What it takes for a row, now that there is no more, may go on in what is not here yet.
        if not last and (lines.exhausted or lines.size == len(data) and not data.endswith(b"\n")):
            break
        if says_something:
            ends.append((lines.size, reader.line_num))
    return Ends(*np.array(ends, dtype=np.int64).reshape(-1, 2).T)


class _Counted:
    """Lines, and how many bytes have been given."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self.size, self.exhausted = iter(lines), 0, False

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> str:
        try:
            line = next(self._lines)
        except StopIteration:
            self.exhausted = True
            raise
        self.size += len(line.encode("utf-8", "surrogateescape"))
        return line
