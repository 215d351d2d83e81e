"""What every kind of file is read as: rows, each with its values or with the fault that makes it unreadable."""

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TextIO

from callcenterai.formats.problems import Fault

# A longer row is a fault of its own: a ticket of eight million characters is an export that lost its line ends.
MAX_ROW = 2**23
# How much of an unreadable row is kept.
RAW_BEGINNING = 200
SURROGATE = re.compile("[\ud800-\udfff]")

Values = tuple[str | None, ...]


class ReadOptions(NamedTuple):
    """What the user says about a file; None means that its content decides."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header: bool = True


class Row(NamedTuple):
    """A row: its number (1 is the first after a header), and its values or the fault and the row's beginning."""

    number: int
    values: Values | None
    fault: Fault | None = None
    raw: str = ""


class TableReader(Protocol):
    """The reader of one kind of file: the names of its columns, and its rows."""

    header: list[str]

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order, with the values of the wanted columns."""


def unreadable(number: int, fault: Fault, raw: object) -> Row:
    """Return a row that cannot be read, with a beginning that can be written anywhere."""
    text = str(raw)[:RAW_BEGINNING].rstrip("\r\n").replace("\0", "")
    return Row(number, None, fault, SURROGATE.sub("\ufffd", text))


def checked(number: int, values: Values, raw: object) -> Row:
    """Return a row, or an unreadable one if a value holds bytes that could not be decoded; remove NUL padding."""
    for value in values:
        if value and not value.isascii() and SURROGATE.search(value):
            return unreadable(number, Fault.UNDECODABLE, raw)
    if any(value and "\0" in value for value in values):
        values = tuple(value and value.replace("\0", "") for value in values)
    return Row(number, values)


def as_text(value: Any) -> str | None:
    """Return a value of JSON, Parquet or a workbook as text; a ValueError for what is neither text nor a number.

    A list of texts becomes `one; two`, as a cell that holds several labels is written in other kinds of files.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else str(value)
    if isinstance(value, int | Decimal) or hasattr(value, "isoformat"):
        return str(value)
    if isinstance(value, bytes):
        # Some programs write texts as Parquet's type for bytes. A UnicodeDecodeError is a ValueError.
        return value.decode()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "; ".join(value) if value else None
    raise ValueError(f"{type(value).__name__} is no text")


def as_shown_text(value: Any) -> str:
    """Return any value as a text to show: what is neither text nor a number as JSON."""
    try:
        return as_text(value) or ""
    except ValueError:
        return json.dumps(value, default=str, ensure_ascii=False)


class BoundedLines:
    """The lines of a text, none longer than a row may be, and those of the current record for a second look."""

    def __init__(self, text: TextIO) -> None:
        """Start at the text's position."""
        self._text, self._again = text, list[str]()
        self.record: list[str] = []
        self.over_long = False

    def __iter__(self) -> Iterator[str]:
        """Yield lines until the end of the text, or until the record is over-long, which over_long then says."""
        size = 0
        record, again, read = self.record, self._again, self._text.readline
        while True:
            line = again.pop() if again else read(MAX_ROW)
            if "\0" in line:
                line = line.replace("\0", "")
                if not line:
                    continue
            if not line:
                return
            size = size + len(line) if record else len(line)
            record.append(line)
            if size >= MAX_ROW:
                self.over_long = True
                return
            yield line

    def take(self) -> list[str]:
        """Return the lines of the record and begin the next; what remains of a line that was cut off is skipped."""
        lines = self.record[:]
        self.record.clear()
        last = lines[-1] if lines else "\n"
        while self.over_long and len(last) == MAX_ROW and not last.endswith(("\n", "\r")) and last:
            last = self._text.readline(MAX_ROW)
        self.over_long = False
        return lines

    def replay(self, lines: Sequence[str]) -> None:
        """Yield these lines again before the others."""
        self._again += reversed(lines)
