"""Read tickets from CSV, TSV, JSON Lines or Parquet, plain or gzipped, and say exactly where a file is broken."""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cli import UserError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
FORMATS = ".csv, .tsv, .jsonl, .ndjson or .parquet, each also with .gz"


class Ticket(NamedTuple):
    """One row as it came: its number (1 is the first after a header), text and label; None where there is none."""

    row: int
    text: str | None
    label: str | None


def read_tickets(path: Path, text_column: str, label_column: str) -> list[Ticket]:
    """Return every row of the file in order; raise a UserError when it cannot be read without guessing."""
    kind = kind_of(path)
    columns = (text_column, label_column)
    content = _read_bytes(path)
    if kind in DELIMITERS:
        rows = _delimited(path, _decode(path, content), columns, DELIMITERS[kind])
    elif kind in JSON_LINES:
        rows = _json_lines(path, _decode(path, content), columns)
    elif kind == ".parquet":
        rows = _parquet(path, content, columns)
    else:
        raise UserError(f"{path}: unknown kind of file; the name must end in {FORMATS}")
    tickets = [Ticket(number, *values) for number, values in enumerate(rows, start=1)]
    if not tickets:
        raise UserError(f"{path} holds no ticket, only a header; check the export that made it")
    _check_characters(path, tickets)
    return tickets


def kind_of(path: Path) -> str:
    """Return the ending that says how a file is written, in lower case and without .gz."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]


def positions_of(path: Path, header: list[str], columns: Iterable[str], advice: str) -> list[int]:
    """Return where the columns are in a header; a UserError, with advice on naming them, unless each is there once."""
    for column in columns:
        if header.count(column) != 1:
            what = "no column" if column not in header else "more than one column"
            there = ", ".join(map(repr, header[:50])) or "none"
            raise UserError(f"{path} has {what} {column!r}; there are {there}: {advice}")
    return [header.index(column) for column in columns]


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".gz":
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; set prepare.input, test_input and feedback_input in params.yaml to your tickets, "
            "or make the sample with `python scripts/make_sample_tickets.py data/raw/tickets.csv`"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a complete gzip file ({error}); copy or compress it again") from None
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise UserError(f"{path} is empty; check the export that made it")
    return content


def _decode(path: Path, content: bytes) -> str:
    try:
        # Not "utf-8-sig": its errors count offsets from behind the byte order mark.
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        likely = "UTF-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "WINDOWS-1252"
        raise UserError(
            f"{path} is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start} (line {line}); "
            f"save it as UTF-8, for example with `iconv -f {likely} -t UTF-8`"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(f"{path} holds a NUL character in line {line}; remove it, or save the file as UTF-8 text")
    return text


def _delimited(path: Path, text: str, columns: tuple[str, str], delimiter: str) -> Iterator[list[str]]:
    # The default limit of 128 KiB a field would refuse a long ticket that prepare can cut.
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        records = filter(None, reader)  # without blank lines
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


def _json_lines(path: Path, text: str, columns: tuple[str, str]) -> Iterator[list[str | None]]:
    seen: dict[str, None] = {}
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number} is not JSON ({error}); each line must be one object") from None
        if not isinstance(record, dict):
            raise UserError(f"{path}: line {number} is not a JSON object")
        seen.update(dict.fromkeys(record))
        rows.append([_as_text(f"{path}: line {number}", record.get(column)) for column in columns])
    _positions(path, list(seen), columns)
    yield from rows


def _parquet(path: Path, content: bytes, columns: tuple[str, str]) -> Iterator[list[str | None]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        _positions(path, file.schema_arrow.names, columns)
        table = file.read(columns=list(columns))
        texts, labels = (table.column(column).to_pylist() for column in columns)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a readable Parquet file ({error}); write it again") from None
    for number, values in enumerate(zip(texts, labels, strict=True), start=1):
        yield [_as_text(f"{path}: row {number}", value) for value in values]


def _as_text(place: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, int | float):
        return str(value)
    raise UserError(f"{place} holds a {type(value).__name__} where a text or a label is expected")


def _check_characters(path: Path, tickets: list[Ticket]) -> None:
    """Refuse what JSON and Parquet can carry but no UTF-8 text file can: NUL and half a surrogate pair."""
    for row, text, label in tickets:
        for value in (text, label):
            if value and not value.isascii():
                try:
                    value.encode()
                except UnicodeEncodeError:
                    raise UserError(f"{path}: row {row} holds half a surrogate pair; export it again") from None
            if value and "\0" in value:
                raise UserError(f"{path}: row {row} holds a NUL character; remove it")
