"""Rows of a file as they stand there, and what they say: cut where the files are, read where they are classified."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from callcenterai.core.cli import UserError
from callcenterai.formats.delimited import csv_rows


class Source(NamedTuple):
    """A file: as it is called, what is in it, and where the text and, if wanted, the id is."""

    name: str
    # Of a delimited file; "" is JSON Lines, and None Parquet.
    delimiter: str | None
    columns: tuple[str, ...]
    # In a delimited file: the columns' positions, and the number of fields in a row.
    positions: tuple[int, ...] = ()
    width: int = 0


@dataclass(frozen=True)
class Piece:
    """So many rows of a file, the first of this number and in this line.

    content: their bytes, of a text or an Arrow stream, as an array, which travels without being copied.
    """

    source: Source
    row: int
    line: int
    rows: int
    content: np.ndarray


@dataclass
class Partition:
    """Pieces, one after the other."""

    pieces: list[Piece] = field(default_factory=list)

    def __len__(self) -> int:
        """Return how many rows."""
        return sum(piece.rows for piece in self.pieces)


class Rows:
    """Rows as columns: their files, numbers there (1 is the first after a header), ids, and one value more of each."""

    def __init__(self) -> None:
        """Without a row."""
        self.files: list[str] = []
        self.numbers: list[int] = []
        self.ids: list[str | None] = []
        self.values: list[str] = []

    def extend(self, file: str, numbers: Sequence[int], ids: list[str | None], values: list[str]) -> None:
        """Add rows of a file."""
        self.files += [file] * len(numbers)
        self.numbers += numbers
        # An id is shown, and must be a text that can be.
        self.ids += [id_ if id_ is None or id_.isascii() else id_.encode("utf-8", "replace").decode() for id_ in ids]
        self.values += values


class Read(NamedTuple):
    """The rows of a piece: ids, texts, and by place what trouble there was with reading one, whose others are None."""

    ids: list[str | None]
    texts: list[str | None]
    troubles: dict[int, str]


def read(partition: Partition) -> tuple[Rows, Rows]:
    """Return tickets, whose values are their texts, and rejected rows, whose values are the reasons.

    Raises a RuntimeError when a piece has not the rows that it was cut by.
    """
    tickets, rejected = Rows(), Rows()
    for piece in partition.pieces:
        name, first = piece.source.name, piece.row
        ids, texts, troubles = {None: _parquet, "": _json_lines}.get(piece.source.delimiter, _delimited)(piece)
        if len(texts) != piece.rows:
            raise RuntimeError(f"{name}: {piece.rows} rows from number {first} on were read as {len(texts)}")
        troubles = {place: found for place, found in enumerate(map(trouble_of, texts)) if found} | troubles
        good = [place for place in range(len(texts)) if place not in troubles]
        tickets.extend(name, [first + n for n in good], [ids[n] for n in good], [texts[n] or "" for n in good])
        bad = sorted(troubles)
        rejected.extend(name, [first + n for n in bad], [ids[n] for n in bad], [troubles[n] for n in bad])
    return tickets, rejected


def trouble_of(text: str | None) -> str | None:
    """Return why a text cannot be classified, or None."""
    if not text or text.isspace():
        return "no text"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "not UTF-8"
    return None


def lines_of(content: np.ndarray | bytes) -> io.StringIO:
    """Return the lines of a text with their ends; what is no UTF-8 becomes half surrogates, by which it is known."""
    return io.StringIO(str(content, "utf-8", "surrogateescape"), newline="")


def _delimited(piece: Piece) -> Read:
    source, found = piece.source, Read([], [], {})
    text_at, id_at = (*source.positions, None)[:2]
    reader = csv_rows(lines_of(piece.content), source.delimiter or "")
    while True:
        try:
            for fields in reader:
                if len(fields) == source.width:
                    found.texts.append(fields[text_at])
                    found.ids.append(None if id_at is None else fields[id_at])
                elif fields:
                    line = piece.line + reader.line_num - 1
                    _reject(found, f"{len(fields)} fields where the header has {source.width}, in line {line}")
            return found
        except csv.Error as error:
            _reject(found, f"broken quoting before the end of line {piece.line + reader.line_num - 1} ({error})")


def _reject(found: Read, trouble: str, id_: str | None = None) -> None:
    found.troubles[len(found.texts)] = trouble
    found.texts.append(None)
    found.ids.append(id_)


def _json_lines(piece: Piece) -> Read:
    found = Read([], [], {})
    text_name, id_name = (*piece.source.columns, None)[:2]
    for number, line in enumerate(piece.content.tobytes().split(b"\n"), start=piece.line):
        text = line.decode("utf-8", "surrogateescape")
        if not text.strip(" \t\r\ufeff"):
            continue
        try:
            record = json.loads(text.removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            _reject(found, f"line {number} is not JSON")
            continue
        if not isinstance(record, dict):
            _reject(found, f"line {number} is not a JSON object")
            continue
        given, id_ = record.get(text_name), record.get(id_name)
        id_ = None if id_ is None else str(id_)
        if given is None or isinstance(given, str | int | float):
            found.texts.append(None if given is None else str(given))
            found.ids.append(id_)
        else:
            _reject(found, f"line {number}: no text", id_)
    return found


def _parquet(piece: Piece) -> Read:
    import pyarrow as pa

    columns = piece.source.columns
    try:
        table = pa.ipc.open_stream(pa.py_buffer(piece.content)).read_all()
        texts, *more = [
            [None if value is None else str(value) for value in table.column(name).to_pylist()] for name in columns
        ]
    except (pa.ArrowException, UnicodeDecodeError) as error:
        name = piece.source.name
        raise UserError(f"{name} is not a readable Parquet file ({error}); write it again") from None
    return Read(more[0] if more else [None] * len(texts), texts, {})
