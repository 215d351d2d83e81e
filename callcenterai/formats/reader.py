"""The one reader of files of tickets: open_tickets tells what a file is by its content and yields its rows in order."""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from callcenterai.formats import kinds
from callcenterai.formats.columns import Layout
from callcenterai.formats.delimited_reader import DelimitedReader
from callcenterai.formats.dialects import first_rows, read_delimiter, tell_dialect
from callcenterai.formats.encodings import Encoding, tell_encoding
from callcenterai.formats.json_reader import JsonReader, json_lines, json_objects
from callcenterai.formats.opening import MAX_UNPACKED, open_unpacked
from callcenterai.formats.parquet_reader import ParquetReader
from callcenterai.formats.problems import REMEDIES, Fault, FileProblem
from callcenterai.formats.rows import MAX_ROW, BoundedLines, ReadOptions, Row, TableReader
from callcenterai.formats.workbook_reader import WorkbookReader

# How much of a text is looked at to tell its kind and dialect, in characters.
SAMPLE = 2**18
FIRST_ROWS = 200
MAX_UNREADABLE = 0.01


class TicketFile:
    """An open file of tickets: what was found out about it, and its rows."""

    def __init__(self, name: str, file: IO[bytes], table: TableReader, found: dict[str, Any]) -> None:
        """Found says what kind of file it is, for messages and metrics."""
        self._file = file
        self.name, self.header, self.found = name, table.header, found
        self._table = table
        self.read = 0
        self.faults: Counter[Fault] = Counter()
        self._first_fault: Row | None = None

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order, unreadable ones too; a FileProblem when there is none at all."""
        for row in self._table.rows():
            if row.fault is not None:
                self.faults[row.fault] += 1
                self._first_fault = self._first_fault or row
            self.read = row.number
            yield row
        if not self.read:
            raise FileProblem(self.name, "no_rows")

    def fraction(self) -> float:
        """Return which part of the content has been read, as far as its kind lets that be told."""
        at = self._file.tell()
        size = self._file.seek(0, 2)
        self._file.seek(at)
        return min(1.0, at / max(1, size))

    def check_faults(self, max_unreadable: float) -> None:
        """Raise a FileProblem when more than this share of the rows that were read is unreadable.

        One unreadable row, such as a last line that is cut off, is never too many unless none is allowed.
        """
        count = self.faults.total()
        if count <= max_unreadable * self.read or (count == 1 and max_unreadable > 0 and self.read > 1):
            return
        fault, _ = self.faults.most_common(1)[0]
        first = self._first_fault
        values = {
            "unreadable": count,
            "rows": self.read,
            "share": max_unreadable,
            "counts": ", ".join(f"{number:,} {kind}" for kind, number in self.faults.most_common()),
            "row": first.number if first else 0,
            "raw": first.raw[:80] if first else "",
            "remedy": REMEDIES[fault],
        }
        raise FileProblem(self.name, "unreadable", **values)


def describe_found(found: dict[str, Any]) -> str:
    """Return what was found out about a file as words for a message."""
    kind = str(found["kind"]).replace("_", " ")
    delimiter = found.get("delimiter")
    parts = [
        f"sheet {found['sheet']!r}" if "sheet" in found else "",
        str(found.get("encoding", "")),
        f"delimiter {delimiter!r}" if delimiter else "",
        "" if found.get("header", True) else "no header",
    ]
    return ", ".join([kind, *filter(None, parts)])


@contextmanager
def open_tickets(
    source: Path | IO[bytes],
    columns: Sequence[str] = (),
    options: ReadOptions = ReadOptions(),  # noqa: B008  # a tuple, which nobody can change
    name: str | None = None,
    limit: int = MAX_UNPACKED,
) -> Iterator[TicketFile]:
    """Open a file, or the content of one as a stream; rows have the values of the columns, or of all without any.

    Raises a FileProblem, which is a UserError, when the content is no table or lacks a column.
    """
    name = name or str(source)
    if isinstance(source, Path) and not source.exists():
        raise FileProblem(name, "missing")
    with open_unpacked(source, name, limit) as file:
        kind = kinds.tell_binary_kind(file, name)
        if kind == kinds.PARQUET:
            yield TicketFile(name, file, ParquetReader(name, file, columns), {"kind": kind})
        elif kind == kinds.WORKBOOK:
            book = WorkbookReader(name, file, columns, options, limit)
            found = {"kind": kind, "sheet": book.sheet, "header": options.header}
            yield TicketFile(name, file, book, found)
        else:
            yield _open_text(name, file, columns, options)


def _open_text(name: str, file: IO[bytes], columns: Sequence[str], options: ReadOptions) -> TicketFile:
    encoding = tell_encoding(file, name, options.encoding)
    try:
        sample = encoding.open_text(file).read(SAMPLE)
    except UnicodeError:
        raise FileProblem(name, "unknown_encoding", encoding=encoding.name) from None
    kind = kinds.tell_text_kind(sample, name)
    found: dict[str, Any] = {"kind": kind.name, "encoding": encoding.name}
    text = encoding.open_text(file)
    if kind.name == kinds.DELIMITED:
        return _open_delimited(name, file, text, sample, columns, options, encoding, found)
    records = json_lines(text) if kind.name == kinds.JSON_LINES else json_objects(text, kind.start)
    return TicketFile(name, file, JsonReader(name, records, columns), found)


def _open_delimited(
    name: str,
    file: IO[bytes],
    text: io.TextIOWrapper,
    sample: str,
    columns: Sequence[str],
    options: ReadOptions,
    encoding: Encoding,
    found: dict[str, Any],
) -> TicketFile:
    complete = len(sample) < SAMPLE
    delimiter = read_delimiter(name, options.delimiter) if options.delimiter else None
    dialect = tell_dialect(sample, complete, columns if options.header else (), delimiter)
    lines = BoundedLines(io.StringIO(sample, newline=""))
    rows, _ = first_rows(dialect, lines, FIRST_ROWS)
    if dialect.sep_line:
        rows = rows[1:]
    if not rows and not complete:
        raise FileProblem(name, "first_row", limit=min(SAMPLE, MAX_ROW))
    layout = Layout(name, rows, columns, options.header)
    found |= {"delimiter": dialect.delimiter, "header": options.header}
    return TicketFile(name, file, DelimitedReader(name, text, dialect, layout, bool(columns), encoding.valid), found)
