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


class Rows:
    """Rows as columns: their files, numbers there (1 is the first after a header), ids, and one value more of each."""

    def __init__(self) -> None:
        """Without a row."""
        self.files: list[str] = []
        self.numbers: list[int] = []
        self.ids: list[str | None] = []
        self.values: list[str] = []

    def __len__(self) -> int:
        """Return how many."""
        return len(self.values)


class Partition:
    """Rows in the order of the input: tickets, whose value is the text, and rejected ones, with the reason."""

    def __init__(self) -> None:
        """Without a row."""
        self.tickets, self.rejected = Rows(), Rows()

    def __len__(self) -> int:
        """Return how many rows of both kinds."""
        return len(self.tickets.values) + len(self.rejected.values)

    def add(self, file: str, number: int, id_: str | None, text: str | None, trouble: str | None) -> None:
        """Add a row; what it is rejected for is the trouble that its reader had, or what is wrong with its text."""
        trouble = trouble or trouble_of(text)
        rows = self.rejected if trouble else self.tickets
        rows.files.append(file)
        rows.numbers.append(number)
        # An id is shown, and must be a text that can be.
        rows.ids.append(id_ if id_ is None or id_.isascii() else id_.encode("utf-8", "replace").decode())
        rows.values.append(trouble or text or "")


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
    """The rows of one file after the other, a partition at a time, in memory that does not grow with the files."""

    def __init__(self, root: Path, columns: Columns) -> None:
        """Rows name their file as it is called from root, or by its name when root is the file."""
        self.files, self.columns = files_of(root), columns
        self._root = root if root.is_dir() else root.parent
        self.total = sum(path.stat().st_size for path in self.files)
        self._before, self._place = 0, _beginning

    @property
    def done(self) -> int:
        """How many bytes of the files have been read."""
        return self._before + self._place()

    def partitions(self, size: int) -> Iterator[Partition]:
        """Read so many rows at a time, and at last what is left; a UserError when a file as a whole cannot be read."""
        part = Partition()
        for path in self.files:
            name = path.relative_to(self._root).as_posix()
            read = self._parquet if kind_of(path) == ".parquet" else self._lines
            for number, row in enumerate(read(path), start=1):
                part.add(name, number, *row)
                if len(part) == size:
                    yield part
                    part = Partition()
            self._before, self._place = self._before + path.stat().st_size, _beginning
        if len(part):
            yield part

    def _lines(self, path: Path) -> Iterator["Read"]:
        read = _json_lines if kind_of(path) in JSON_LINES else _delimited
        with _text_of(path) as (raw, text):
            self._place = raw.tell
            try:
                yield from read(path, text, self.columns)
            except (gzip.BadGzipFile, EOFError) as error:
                raise UserError(f"{path} is not a complete gzip file ({error}); copy or compress it again") from None

    def _parquet(self, path: Path) -> Iterator["Read"]:
        import pyarrow
        import pyarrow.parquet

        columns = self.columns
        try:
            # Parquet is read from its end, which a gzipped one has to be unpacked for.
            whole = io.BytesIO(gzip.decompress(path.read_bytes())) if path.suffix.lower() == ".gz" else path
            with pyarrow.parquet.ParquetFile(whole) as file:
                positions_of(path, file.schema_arrow.names, columns.wanted, ADVICE)
                size, rows, done = path.stat().st_size, max(1, file.metadata.num_rows), 0
                self._place = lambda: size * done // rows
                for batch in file.iter_batches(PARQUET_ROWS, columns=columns.wanted):
                    done += len(batch)
                    texts = batch.column(columns.text).to_pylist()
                    ids = batch.column(columns.id).to_pylist() if columns.id else [None] * len(batch)
                    for id_, text in zip(ids, texts, strict=True):
                        yield None if id_ is None else str(id_), None if text is None else str(text), None
        except (pyarrow.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is not a readable Parquet file ({error}); write it again") from None


def _beginning() -> int:
    """Return where a file is before it is read."""
    return 0


def trouble_of(text: str | None) -> str | None:
    """Return why a text cannot be classified, or None."""
    if text is None or not text.strip():
        return "no text"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "not UTF-8"
    return None


# An id, a text, and the trouble that there was with reading them.
Read = tuple[str | None, str | None, str | None]


@contextmanager
def _text_of(path: Path) -> Iterator[tuple[BinaryIO, io.TextIOWrapper]]:
    """Open a file, and give it as bytes, to see how far it was read, and as text."""
    with path.open("rb") as raw:
        opened: Any = gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw
        # What is no UTF-8 becomes half surrogates, by which the row is known; line ends are the reader's affair.
        with io.TextIOWrapper(opened, encoding="utf-8", errors="surrogateescape", newline="") as text:
            yield raw, text


def _delimited(path: Path, text: io.TextIOWrapper, columns: Columns) -> Iterator[Read]:
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


def _json_lines(path: Path, text: io.TextIOWrapper, columns: Columns) -> Iterator[Read]:
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
