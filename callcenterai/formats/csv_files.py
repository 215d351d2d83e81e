"""CSV as every script here reads and writes it."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any


def csv_rows(lines: Iterable[str], delimiter: str) -> Any:
    """Return a csv.reader of all rows, empty ones for blank lines, that raises csv.Error at broken quoting."""
    # The default limit of 128 KiB a field would refuse a long ticket.
    csv.field_size_limit(2**31 - 1)
    return csv.reader(lines, delimiter=delimiter, strict=True)


def csv_bytes(header: Iterable[str], rows: Iterable[Iterable]) -> bytes:
    """Return rows as UTF-8 CSV with LF line ends on every system; a text's own line breaks stay as they are."""
    return b"".join(csv_pieces(header, [rows]))


def csv_pieces(header: Iterable[str], blocks: Iterable[Iterable[Iterable]]) -> Iterator[bytes]:
    """Give the same piece by piece: the header, then each block of rows."""
    yield _encoded([header])
    yield from map(_encoded, blocks)


def _encoded(rows: Iterable[Iterable]) -> bytes:
    buffer = io.StringIO(newline="")
    # Quotes around every text: left to itself, Python before 3.13 writes a lone CR bare, and readers see two rows.
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return buffer.getvalue().encode()
