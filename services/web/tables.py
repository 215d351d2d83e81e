"""Reads uploaded CSV files without guessing, and writes them with predictions in additional columns."""

import codecs
import csv
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

DELIMITERS = ",;\t"
# Names of the column that contains the tickets.
TEXT_COLUMNS = ("text", "texte")
ADDED = ("category", "confidence", "decision", "model")


class TableError(Exception):
    """A file that cannot be used. Kind is a key under `table` in the catalogues; values are for its text."""

    def __init__(self, kind: str, status: int = 422, **values: Any) -> None:
        """Status is the status of the page that shows the error."""
        super().__init__(kind)
        self.kind, self.status, self.values = kind, status, values


class Table(NamedTuple):
    """The content of a file, in which every row has as many cells as the header."""

    header: list[str]
    rows: list[list[str]]
    delimiter: str
    has_mark: bool

    def text_column(self) -> int | None:
        """Return the column with the tickets if it is certain: by its name, or because it is the only column."""
        names = [name.strip().lower() for name in self.header]
        found = [number for number, name in enumerate(names) if name in TEXT_COLUMNS]
        if len(found) == 1:
            return found[0]
        return 0 if len(names) == 1 else None


def read_table(content: bytes, max_rows: int) -> Table:
    """Return the table in a file, or raise a TableError that says what is wrong and where."""
    text = _decode(content)
    # The default limit of 128 KiB a cell is less than a ticket may have.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    delimiter = max(DELIMITERS, key=lambda each: len(_first_record(text, each)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        records = filter(None, reader)  # without blank lines
        header = next(records, [])
        for cells in records:
            if len(cells) != len(header):
                place = {"row": len(rows) + 1, "line": reader.line_num}
                raise TableError("ragged", cells=len(cells), columns=len(header), **place)
            if len(rows) == max_rows:
                raise TableError("rows", 413, limit=max_rows)
            rows.append(cells)
    except csv.Error:
        raise TableError("quotes", row=len(rows) + 1, line=reader.line_num) from None
    if not rows:
        raise TableError("no_rows" if header else "empty")
    return Table(header, rows, delimiter, content.startswith(codecs.BOM_UTF8))


def added_columns(header: list[str]) -> list[str]:
    """Return the names of our columns, changed if the file has a column of that name already."""
    taken, names = {name.strip().lower() for name in header}, []
    for wanted in ADDED:
        candidates = [wanted, f"predicted_{wanted}", *(f"predicted_{wanted}_{n}" for n in range(2, len(taken) + 3))]
        names.append(next(name for name in candidates if name not in taken))
    return names


def write_table(table: Table, added: Iterator[tuple[str, ...]]) -> Iterator[bytes]:
    """Yield the file with our columns after its own, whose cells are unchanged."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=table.delimiter)
    writer.writerow([*table.header, *added_columns(table.header)])
    yield codecs.BOM_UTF8 if table.has_mark else b""
    for number, (cells, ours) in enumerate(zip(table.rows, added, strict=True), start=1):
        writer.writerow([*cells, *ours])
        if number % 500 == 0 or number == len(table.rows):
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()


def _decode(content: bytes) -> str:
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise TableError("empty")
    try:
        # Not "utf-8-sig": the offsets of its errors do not count the byte order mark.
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        kind = "utf16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "encoding"
        raise TableError(kind, byte=f"0x{content[error.start]:02X}", offset=error.start, line=line) from None
    if "\0" in text:
        raise TableError("nul", line=text.count("\n", 0, text.index("\0")) + 1)
    return text


def _first_record(text: str, delimiter: str) -> list[str]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return next(filter(None, reader), [])
    except csv.Error:
        return []
