"""CSV, the one way in which all commands write it."""

import csv
import io
from collections.abc import Iterable, Iterator


def csv_bytes(header: Iterable[str], rows: Iterable[Iterable]) -> bytes:
    """Return rows as UTF-8 CSV with LF line ends on every system; a text's own line breaks stay as they are."""
    return b"".join(csv_pieces(header, [rows]))


def csv_pieces(header: Iterable[str], blocks: Iterable[Iterable[Iterable]]) -> Iterator[bytes]:
    """Yield the bytes of csv_bytes piece by piece: the header, then each block of rows."""
    yield _encoded([header])
    yield from map(_encoded, blocks)


def _encoded(rows: Iterable[Iterable]) -> bytes:
    buffer = io.StringIO(newline="")
    # Quote every text: by default, Python before 3.13 does not quote a lone CR, at which readers start a new row.
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return buffer.getvalue().encode()
