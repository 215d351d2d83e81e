"""Rows of ticket files on their way to the workers: chunks that are not parsed yet, and how a worker parses them.

The client cuts files into chunks of rows with find_row_ends; the workers parse the chunks of a partition with
parse_partition.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from callcenterai.batch.row_ends import split_lines
from callcenterai.core.cli import UserError
from callcenterai.formats.delimited import csv_rows


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
