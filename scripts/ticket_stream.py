"""Read tickets of files of any size, one after the other, and say of each row that cannot be used why.

ticket_reader reads what a model is trained on and stops at the first broken row. Here a model is applied: a broken row
is reported and the next one read.
"""

import codecs
import csv
import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from cli import UserError
from ticket_reader import DELIMITERS, FORMATS, JSON_LINES, kind_of, positions_of

KINDS = (*DELIMITERS, *JSON_LINES, ".parquet")
ADVICE = "see --text-column and --id-column"
PARQUET_ROWS = 10_000


class Row(NamedTuple):
    """One row: its number in its file (1 is the first after a header), its id and text; or why it has no text."""

    file: str
    row: int
    id: str | None
    text: str | None
    trouble: str | None


class Columns(NamedTuple):
    """The names of the columns with the text and, if wanted, the id."""

    text: str
    id: str | None

    @property
    def wanted(self) -> list[str]:
        """The names of those that are read."""
        return [self.text, *([self.id] if self.id else [])]


def files_of(path: Path) -> list[Path]:
    """Return a file, or the files of a folder in the order of their names; a UserError when there is none."""
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and kind_of(each) in KINDS)
        if not found:
            raise UserError(f"{path} holds no file whose name ends in {FORMATS}")
        return found
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if kind_of(path) not in KINDS:
        raise UserError(f"{path}: unknown kind of file; the name must end in {FORMATS}")
    return [path]


class Stream:
    """The rows of one file after the other; `done` is how many bytes of the files have been read."""

    def __init__(self, root: Path, columns: Columns) -> None:
        """Rows name their file as it is called from root, or by its name when root is the file."""
        self.files, self.columns = files_of(root), columns
        self._root = root if root.is_dir() else root.parent
        self.total = sum(path.stat().st_size for path in self.files)
        self.done = 0

    def __iter__(self) -> Iterator[Row]:
        """Read; a UserError when a file as a whole cannot be read."""
        before = 0
        for path in self.files:
            name = path.relative_to(self._root).as_posix()
            read = _parquet if kind_of(path) == ".parquet" else _lines
            for number, (place, id_, text, trouble) in enumerate(read(path, self.columns), start=1):
                self.done = before + place
                trouble = trouble or trouble_of(text)
                # An id is shown, and must be a text that can be.
                shown = id_ if id_ is None or id_.isascii() else id_.encode("utf-8", "replace").decode()
                yield Row(name, number, shown, None if trouble else text, trouble)
            before += path.stat().st_size
            self.done = before


def trouble_of(text: str | None) -> str | None:
    """Return why a text cannot be classified, or None."""
    if text is None or not text.strip():
        return "no text"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "not UTF-8"
    return None


Read = tuple[int, str | None, str | None, str | None]


def _lines(path: Path, columns: Columns) -> Iterator[Read]:
    kind = kind_of(path)
    with _text_of(path) as (raw, text):
        read = _json_lines(path, text, columns) if kind in JSON_LINES else _delimited(path, text, columns)
        try:
            for row in read:
                yield raw.tell(), *row
        except (gzip.BadGzipFile, EOFError) as error:
            raise UserError(f"{path} is not a complete gzip file ({error}); copy or compress it again") from None


@contextmanager
def _text_of(path: Path) -> Iterator[tuple[BinaryIO, io.TextIOWrapper]]:
    """Open a file, and give it as bytes, to see how far it was read, and as text."""
    with path.open("rb") as raw:
        opened: Any = gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw
        # What is no UTF-8 becomes half surrogates, by which the row is known; line ends are the reader's affair.
        with io.TextIOWrapper(opened, encoding="utf-8", errors="surrogateescape", newline="") as text:
            yield raw, text


def _delimited(path: Path, text: io.TextIOWrapper, columns: Columns) -> Iterator[tuple]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(text, delimiter=DELIMITERS[kind_of(path)], strict=True)
    try:
        header = next(filter(None, reader), [])
    except csv.Error as error:
        raise UserError(f"{path}: its header cannot be read ({error})") from None
    header[:1] = [name.removeprefix(codecs.BOM_UTF8.decode()) for name in header[:1]]
    text_at, *more = positions_of(path, header, columns.wanted, ADVICE)
    id_at = more[0] if more else None
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield None, None, f"broken quoting before the end of line {reader.line_num} ({error})"
            continue
        if not fields:
            continue
        if len(fields) != len(header):
            yield None, None, f"{len(fields)} fields where the header has {len(header)}, in line {reader.line_num}"
            continue
        yield None if id_at is None else fields[id_at], fields[text_at], None


def _json_lines(path: Path, text: io.TextIOWrapper, columns: Columns) -> Iterator[tuple]:
    for number, line in enumerate(text, start=1):
        if not line.strip(" \t\r\n\ufeff"):
            continue
        try:
            record = json.loads(line.removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            yield None, None, f"line {number} is not JSON"
            continue
        if not isinstance(record, dict):
            yield None, None, f"line {number} is not a JSON object"
            continue
        given = record.get(columns.text)
        id_ = None if columns.id is None else record.get(columns.id)
        trouble = None if given is None or isinstance(given, str | int | float) else f"line {number}: no text"
        yield None if id_ is None else str(id_), None if given is None or trouble else str(given), trouble


def _parquet(path: Path, columns: Columns) -> Iterator[Read]:
    import pyarrow
    import pyarrow.parquet

    try:
        # Parquet is read from its end, which a gzipped one has to be unpacked for.
        whole = io.BytesIO(gzip.decompress(path.read_bytes())) if path.suffix.lower() == ".gz" else path
        with pyarrow.parquet.ParquetFile(whole) as file:
            positions_of(path, file.schema_arrow.names, columns.wanted, ADVICE)
            size, rows, done = path.stat().st_size, max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(PARQUET_ROWS, columns=columns.wanted):
                done += len(batch)
                texts = batch.column(columns.text).to_pylist()
                ids = batch.column(columns.id).to_pylist() if columns.id else [None] * len(batch)
                for text, id_ in zip(texts, ids, strict=True):
                    given = None if text is None else str(text)
                    yield size * done // rows, None if id_ is None else str(id_), given, None
    except (pyarrow.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a readable Parquet file ({error}); write it again") from None
