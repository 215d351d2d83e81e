"""Read tickets from CSV, TSV, JSON Lines or Parquet, plain or gzipped; an error names the exact place of a fault."""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from callcenterai.core.cli import UserError
from callcenterai.formats.delimited import csv_rows
from callcenterai.formats.opening import check_content, open_bytes

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
TEXT = (*DELIMITERS, *JSON_LINES)
PARQUET_ROWS = 1_000
FORMATS = ".csv, .tsv, .jsonl, .ndjson or .parquet, each also with .gz"


class Ticket(NamedTuple):
    """One row, unchanged: its number (1 is the first after a header), text and label; None for a missing value."""

    row: int
    text: str | None
    label: str | None


def stream_tickets(path: Path, text_column: str, label_column: str) -> Iterator[Ticket]:
    """Yield the rows of a file in order; memory use does not grow with the file.

    Raises a UserError when the file cannot be read without guessing: before the first row if the fault concerns the
    whole file, otherwise at the faulty row. So the file is known to be good only after its last row was read.
    """
    kind = kind_of(path)
    if not path.exists():
        raise UserError(
            f"{path}: no such file; set prepare.input, test_input and feedback_input in params.yaml to your tickets, "
            "or make the sample with `python scripts/make_sample_tickets.py data/raw/tickets.csv`"
        )
    check_content(path, kind in TEXT)
    if kind not in READERS:
        raise UserError(f"{path}: unknown kind of file; the name must end in {FORMATS}")
    number = 0
    with open_bytes(path) as file:
        for number, (text, label) in enumerate(READERS[kind](path, file, (text_column, label_column)), start=1):
            ticket = Ticket(number, text, label)
            _check_characters(path, ticket)
            yield ticket
    if not number:
        raise UserError(f"{path} holds no ticket, only a header; check the export that made it")


def kind_of(path: Path) -> str:
    """Return the ending that tells a file's format, in lower case and without .gz."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]


def positions_of(path: Path, header: list[str], columns: Iterable[str], advice: str) -> list[int]:
    """Return each column's position in a header.

    Raises a UserError, which ends with the advice on naming columns, unless the header has each column exactly once.
    """
    for column in columns:
        if header.count(column) != 1:
            what = "no column" if column not in header else "more than one column"
            there = ", ".join(map(repr, header[:50])) or "none"
            raise UserError(f"{path} has {what} {column!r}; there are {there}: {advice}")
    return [header.index(column) for column in columns]


def _delimited(path: Path, file: IO[bytes], columns: tuple[str, str]) -> Iterator[Sequence[str]]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv_rows(text, DELIMITERS[kind_of(path)])
    try:
        records = filter(None, reader)  # skips blank lines
        header = next(records)
        positions = _positions(path, header, columns)
        for fields in records:
            if len(fields) != len(header):
                raise UserError(
                    f"{path}: the record that ends in line {reader.line_num} has {len(fields)} fields where the "
                    f"header has {len(header)}; put texts that hold a separator or a line break in double quotes"
                )
            yield [fields[position] for position in positions]
    except csv.Error as error:
        raise UserError(
            f"{path}: broken quoting in the record that ends in line {reader.line_num} ({error}); "
            "inside a quoted text, double quotes are written twice"
        ) from None


def _positions(path: Path, header: list[str], columns: tuple[str, str]) -> list[int]:
    advice = "set prepare.text_column and prepare.label_column in params.yaml"
    return positions_of(path, header, columns, advice)


def _json_lines(path: Path, file: IO[bytes], columns: tuple[str, str]) -> Iterator[Sequence[str | None]]:
    seen: dict[str, None] = {}
    for number, line in enumerate(io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n"), start=1):
        if not line.strip():
            continue
        try:
            # Without the line end: the decoder's error message would count it as the start of a second line.
            record = json.loads(line.removesuffix("\n"))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number} is not JSON ({error}); each line must be one object") from None
        if not isinstance(record, dict):
            raise UserError(f"{path}: line {number} is not a JSON object")
        seen.update(dict.fromkeys(record))
        yield [_as_text(f"{path}: line {number}", record.get(column)) for column in columns]
    _positions(path, list(seen), columns)


def _parquet(path: Path, file: IO[bytes], columns: tuple[str, str]) -> Iterator[Sequence[str | None]]:
    # Late: the images of the services have no pyarrow, and text files need none.
    import pyarrow
    import pyarrow.parquet

    number = 0
    with seekable(path, file) as content:
        try:
            # Without a buffer pyarrow would fetch a whole row group, often the whole file, at once.
            table = pyarrow.parquet.ParquetFile(content, pre_buffer=False, buffer_size=2**20)
            _positions(path, table.schema_arrow.names, columns)
            for batch in table.iter_batches(PARQUET_ROWS, columns=list(columns)):
                texts, labels = (batch.column(column).to_pylist() for column in columns)
                for values in zip(texts, labels, strict=True):
                    number += 1
                    yield [_as_text(f"{path}: row {number}", value) for value in values]
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is not a readable Parquet file ({error}); write it again") from None


@contextmanager
def seekable(path: Path, file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Give the file itself or, when it is gzipped, an unpacked copy: reading Parquet starts at the end of the file."""
    if path.suffix.lower() != ".gz":
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        yield copy


def _as_text(place: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, int | float):
        return str(value)
    raise UserError(f"{place} holds a {type(value).__name__} where a text or a label is expected")


def _check_characters(path: Path, ticket: Ticket) -> None:
    """Raise a UserError for what JSON and Parquet can hold but a text file cannot: NUL and half a surrogate pair."""
    for value in (ticket.text, ticket.label):
        if value and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise UserError(f"{path}: row {ticket.row} holds half a surrogate pair; export it again") from None
        if value and "\0" in value:
            raise UserError(f"{path}: row {ticket.row} holds a NUL character; remove it")


READERS: dict[str, Callable[[Path, IO[bytes], tuple[str, str]], Iterator[Sequence[str | None]]]] = {
    **dict.fromkeys(DELIMITERS, _delimited),
    **dict.fromkeys(JSON_LINES, _json_lines),
    ".parquet": _parquet,
}
