"""Rows of ticket files: finding where each one ends in the bytes, and parsing them.

The client cuts files into chunks of rows, without parsing, with find_row_ends; the workers parse the chunks of a
partition with parse_partition. Blank lines are not rows; they belong to the row after them.
"""

import codecs
import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from callcenterai.core.cli import UserError
from callcenterai.formats.delimited import csv_rows

QUOTE, RETURN, NEWLINE = b'"\r\n'


class Source(NamedTuple):
    """A file: its name, how its rows are written, and which columns hold the text and, if wanted, the id."""

    name: str
    # The delimiter of a delimited file; "" means JSON Lines, and None Parquet.
    delimiter: str | None
    columns: tuple[str, ...]
    # In a delimited file: the columns' positions, and the number of fields in a row.
    positions: tuple[int, ...] = ()
    width: int = 0


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a file, not parsed yet.

    row and line: the numbers of the first row and of its line; rows: how many rows; content: their bytes, as text or as
    an Arrow stream, in an array, because Dask sends arrays without copying them.
    """

    source: Source
    row: int
    line: int
    rows: int
    content: np.ndarray


@dataclass
class Partition:
    """Chunks that one task scores together."""

    chunks: list[Chunk] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(chunk.rows for chunk in self.chunks)


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


class RowColumns:
    """Rows as columns: file names, row numbers (1 is the first after a header), ids, and one more value for each."""

    def __init__(self) -> None:
        """Start without rows."""
        self.files: list[str] = []
        self.numbers: list[int] = []
        self.ids: list[str | None] = []
        self.values: list[str] = []

    def extend(self, file: str, numbers: Sequence[int], ids: list[str | None], values: list[str]) -> None:
        """Add rows of a file."""
        self.files += [file] * len(numbers)
        self.numbers += numbers
        # Ids are written out, so what is not valid Unicode in them is replaced.
        self.ids += [id_ if id_ is None or id_.isascii() else id_.encode("utf-8", "replace").decode() for id_ in ids]
        self.values += values


class ParsedRows(NamedTuple):
    """The rows of a chunk: ids, texts, and for unreadable rows the reason, by position; their text is None."""

    ids: list[str | None]
    texts: list[str | None]
    reasons: dict[int, str]

    def add(self, text: str | None, id_: str | None) -> None:
        """Add a row that could be read."""
        self.texts.append(text)
        self.ids.append(id_)

    def reject(self, reason: str, id_: str | None = None) -> None:
        """Add a row that could not be read."""
        self.reasons[len(self.texts)] = reason
        self.add(None, id_)


def parse_partition(partition: Partition) -> tuple[RowColumns, RowColumns]:
    """Return the tickets, whose values are their texts, and the rejected rows, whose values are the reasons.

    Raises a RuntimeError when a chunk does not hold as many rows as were cut off for it.
    """
    tickets, rejected = RowColumns(), RowColumns()
    for chunk in partition.chunks:
        name, first = chunk.source.name, chunk.row
        ids, texts, reasons = parse_chunk(chunk)
        if len(texts) != chunk.rows:
            raise RuntimeError(f"{name}: {chunk.rows} rows from number {first} on were read as {len(texts)}")
        reasons = {place: reason for place, reason in enumerate(map(rejection_reason, texts)) if reason} | reasons
        good = [place for place in range(len(texts)) if place not in reasons]
        tickets.extend(name, [first + n for n in good], [ids[n] for n in good], [texts[n] or "" for n in good])
        bad = sorted(reasons)
        rejected.extend(name, [first + n for n in bad], [ids[n] for n in bad], [reasons[n] for n in bad])
    return tickets, rejected


def parse_chunk(chunk: Chunk) -> ParsedRows:
    """Return the rows of a chunk, with one text or reason for each."""
    if chunk.source.delimiter is None:
        return _parse_parquet(chunk)
    return _parse_delimited(chunk) if chunk.source.delimiter else _parse_json_lines(chunk)


def rejection_reason(text: str | None) -> str | None:
    """Return why a text cannot be classified, or None when it can be."""
    if not text or text.isspace():
        return "no text"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "not UTF-8"
    return None


def split_lines(content: np.ndarray | bytes) -> io.StringIO:
    """Return the lines of a text with their line ends; bytes that are not UTF-8 become lone surrogates."""
    # NumPy's types declare the buffer protocol for Python 3.12 and later only.
    text = str(content, "utf-8", "surrogateescape")  # type: ignore[arg-type]
    return io.StringIO(text, newline="")


def _parse_delimited(chunk: Chunk) -> ParsedRows:
    source, parsed = chunk.source, ParsedRows([], [], {})
    text_at, id_at = (*source.positions, None)[:2]
    reader = csv_rows(split_lines(chunk.content), source.delimiter or "")
    while True:
        try:
            for fields in reader:
                if len(fields) == source.width:
                    parsed.add(fields[text_at], None if id_at is None else fields[id_at])
                elif fields:
                    line = chunk.line + reader.line_num - 1
                    parsed.reject(f"{len(fields)} fields where the header has {source.width}, in line {line}")
            return parsed
        except csv.Error as error:
            parsed.reject(f"broken quoting before the end of line {chunk.line + reader.line_num - 1} ({error})")


def _parse_json_lines(chunk: Chunk) -> ParsedRows:
    parsed = ParsedRows([], [], {})
    for number, line in enumerate(chunk.content.tobytes().split(b"\n"), start=chunk.line):
        text = line.decode("utf-8", "surrogateescape")
        if text.strip(" \t\r\ufeff"):
            _parse_json_line(text, number, chunk.source.columns, parsed)
    return parsed


def _parse_json_line(line: str, number: int, columns: tuple[str, ...], parsed: ParsedRows) -> None:
    """Add the row in a line to parsed."""
    try:
        record = json.loads(line.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        parsed.reject(f"line {number} is not JSON")
        return
    if not isinstance(record, dict):
        parsed.reject(f"line {number} is not a JSON object")
        return
    text_name, id_name = (*columns, None)[:2]
    text, id_ = record.get(text_name), record.get(id_name)
    id_ = None if id_ is None else str(id_)
    if text is None or isinstance(text, str | int | float):
        parsed.add(None if text is None else str(text), id_)
    else:
        parsed.reject(f"line {number}: no text", id_)


def _parse_parquet(chunk: Chunk) -> ParsedRows:
    columns = chunk.source.columns
    try:
        table = pa.ipc.open_stream(pa.py_buffer(chunk.content)).read_all()
        texts, *more = [
            [None if value is None else str(value) for value in table.column(name).to_pylist()] for name in columns
        ]
    except (pa.ArrowException, UnicodeDecodeError) as error:
        name = chunk.source.name
        raise UserError(f"{name} is not a readable Parquet file ({error}); write it again") from None
    return ParsedRows(more[0] if more else [None] * len(texts), texts, {})
