"""Where rows end in the bytes of a text file, found without reading what they say.

Blank lines are no rows, and belong to the row after them.
"""

import codecs
import csv
from collections.abc import Iterable

import numpy as np

from ticket_pieces import lines_of, read_rows

QUOTE, RETURN, NEWLINE = b'"\r\n'


def row_ends(data: bytes, delimiter: str, last: bool) -> np.ndarray:
    """Return the offsets at which whole rows end, int64 of shape (n,).

    Data begins with a row and, if it is the last, ends with the file. A row is what csv.reader takes for one, a broken
    one included, and without a delimiter a line.
    """
    if not delimiter:
        return _of_lines(data, last)
    found = _by_counting(data, ord(delimiter), last)
    return _by_reading(data, delimiter, last) if found is None else found


def count_lines(text: np.ndarray, delimiter: str) -> int:
    """Return how many lines end in a text, uint8 of shape (n,); in a delimited one also at a carriage return alone."""
    newlines = text == NEWLINE
    if not delimiter:
        return int(np.count_nonzero(newlines))
    returns = text == RETURN
    both = np.count_nonzero(returns[:-1] & newlines[1:])
    return int(np.count_nonzero(newlines) + np.count_nonzero(returns) - both)


def _of_lines(data: bytes, last: bool) -> np.ndarray:
    lines = data.split(b"\n")
    # Behind the last line end there is the beginning of a line, or of nothing.
    rest = lines.pop()
    ends = np.cumsum([len(line) + 1 for line in lines], dtype=np.int64)
    there = np.fromiter(map(_says_something, lines), dtype=bool, count=len(lines))
    found = ends[there]
    return np.append(found, len(data)) if last and _says_something(rest) else found


def _says_something(line: bytes) -> bool:
    return bool(line.replace(codecs.BOM_UTF8, b"").strip(b" \t\r"))


def _by_counting(data: bytes, delimiter: int, last: bool) -> np.ndarray | None:
    """Take a line end for that of a row where the number of quotes before it is even.

    That is so when each quote stands where csv writers put it; otherwise return None.
    """
    # A line end more, as which the end of the file counts.
    text = np.frombuffer(data + b"\n" if last else data, dtype=np.uint8)
    quotes = np.flatnonzero(text == QUOTE)
    returns = np.flatnonzero(text[:-1] == RETURN)
    outside = np.searchsorted(quotes, returns) % 2 == 0
    if not _regular(text, quotes, delimiter) or (text[returns[outside] + 1] != NEWLINE).any():
        return None
    newlines = np.flatnonzero(text == NEWLINE)
    ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0] + 1
    if last and (not len(ends) or ends[-1] != len(text)):
        # A quoted field that nothing closes.
        ends = np.append(ends, len(text))
    sizes = np.diff(ends, prepend=0)
    blank = (sizes == 1) | ((sizes == 2) & (text[ends - sizes] == RETURN))
    return np.minimum(ends[~blank], len(data))


def _regular(text: np.ndarray, quotes: np.ndarray, delimiter: int) -> bool:
    """Whether every quote, of those that open and close in turn, is at an end of a field or beside another one."""
    opening, closing = quotes[0::2], quotes[1::2]
    before, after = text[opening[opening > 0] - 1], text[closing[closing < len(text) - 1] + 1]
    begins = np.isin(before, (delimiter, NEWLINE, QUOTE)).all()
    return bool(begins and np.isin(after, (delimiter, NEWLINE, RETURN, QUOTE)).all())


def _by_reading(data: bytes, delimiter: str, last: bool) -> np.ndarray:
    """Have csv.reader read the rows, and see how far it is after each."""
    lines = _Counted(lines_of(data))
    reader = read_rows(lines, delimiter)
    ends = []
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
            ends.append(lines.size)
    return np.array(ends, dtype=np.int64)


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
