"""Where the rows of ticket files end, found in the bytes without parsing the rows.

Blank lines are not rows; they belong to the row after them.
"""

import codecs
import csv
import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from callcenterai.formats.delimited import csv_rows

QUOTE, RETURN, NEWLINE = b'"\r\n'


class RowEnds(NamedTuple):
    """Where rows end: byte offsets, int64 of shape (n,), and how many lines have ended there, of the same shape."""

    offsets: np.ndarray
    lines: np.ndarray


def find_row_ends(data: bytes, delimiter: str | None, last: bool) -> RowEnds:
    """Return where the complete rows in data end.

    data starts at the start of a row; when last is true, it ends with the file. A row is what csv.reader takes for one,
    even a broken one; without a delimiter it is a line.
    """
    if not delimiter:
        return _find_line_ends(data, last)
    return _find_by_counting_quotes(data, ord(delimiter), last) or _find_by_csv_reader(data, delimiter, last)


def _find_line_ends(data: bytes, last: bool) -> RowEnds:
    lines = data.split(b"\n")
    offsets = np.cumsum([len(line) + 1 for line in lines], dtype=np.int64)
    is_row = np.fromiter(map(_is_not_blank, lines), dtype=bool, count=len(lines))
    # What follows the last newline is an incomplete line, unless the file ends there.
    is_row[-1] &= last
    return RowEnds(np.minimum(offsets[is_row], len(data)), np.flatnonzero(is_row) + 1)


def _is_not_blank(line: bytes) -> bool:
    return bool(line.replace(codecs.BOM_UTF8, b"").strip(b" \t\r"))


def _find_by_counting_quotes(data: bytes, delimiter: int, last: bool) -> RowEnds | None:
    """Treat a newline as a row's end if the number of quotes before it is even.

    This holds only when every quote stands where CSV writers put quotes; otherwise return None.
    """
    # Treat the end of the file as a final newline.
    text = np.frombuffer(data + b"\n" if last else data, dtype=np.uint8)
    quotes = np.flatnonzero(text == QUOTE)
    returns = np.flatnonzero(text[:-1] == RETURN)
    lone_returns = returns[text[returns + 1] != NEWLINE]
    if not _quotes_are_regular(text, quotes, delimiter) or not _is_quoted(quotes, lone_returns).all():
        return None
    newlines = np.flatnonzero(text == NEWLINE)
    ends_row = ~_is_quoted(quotes, newlines)
    if last:
        # The file's end also ends a row whose quoted field is never closed.
        ends_row[-1] = True
    offsets = newlines[ends_row] + 1
    # In a quoted field, a carriage return without a newline ends a line too.
    lines = np.flatnonzero(ends_row) + 1 + np.searchsorted(lone_returns, offsets)
    sizes = np.diff(offsets, prepend=0)
    not_blank = (sizes > 1) & ((sizes > 2) | (text[offsets - sizes] != RETURN))
    return RowEnds(np.minimum(offsets[not_blank], len(data)), lines[not_blank])


def _is_quoted(quotes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return whether each offset lies in a quoted field: the number of quotes before it is odd."""
    return np.searchsorted(quotes, offsets) % 2 == 1


def _quotes_are_regular(text: np.ndarray, quotes: np.ndarray, delimiter: int) -> bool:
    """Return whether quotes, taken as opening and closing in turn, all stand at an end of a field or beside another."""
    opening, closing = quotes[0::2], quotes[1::2]
    before, after = text[opening[opening > 0] - 1], text[closing[closing < len(text) - 1] + 1]
    opening_regular = np.isin(before, (delimiter, NEWLINE, QUOTE)).all()
    return bool(opening_regular and np.isin(after, (delimiter, NEWLINE, RETURN, QUOTE)).all())


def _find_by_csv_reader(data: bytes, delimiter: str, last: bool) -> RowEnds:
    """Let csv.reader read the rows, and note how far it has read after each one."""
    lines = _CountedLines(split_lines(data))
    reader = csv_rows(lines, delimiter)
    ends: list[tuple[int, int]] = []
    while True:
        try:
            not_blank = bool(next(reader))
        except StopIteration:
            break
        except csv.Error:
            not_blank = True
        # If the reader has used up the data, the row may go on in data that has not been read from the file yet.
        if not last and (lines.exhausted or lines.size == len(data) and not data.endswith(b"\n")):
            break
        if not_blank:
            ends.append((lines.size, reader.line_num))
    return RowEnds(*np.array(ends, dtype=np.int64).reshape(-1, 2).T)


class _CountedLines:
    """An iterator over lines that counts the bytes it has given."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self.size, self.exhausted = iter(lines), 0, False

    def __iter__(self) -> "_CountedLines":
        return self

    def __next__(self) -> str:
        try:
            line = next(self._lines)
        except StopIteration:
            self.exhausted = True
            raise
        self.size += len(line.encode("utf-8", "surrogateescape"))
        return line


def split_lines(content: np.ndarray | bytes) -> io.StringIO:
    """Return the lines of a text with their line ends; bytes that are not UTF-8 become lone surrogates."""
    # NumPy's types declare the buffer protocol for Python 3.12 and later only.
    text = str(content, "utf-8", "surrogateescape")  # type: ignore[arg-type]
    return io.StringIO(text, newline="")
