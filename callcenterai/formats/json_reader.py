"""Read JSON: one object a line, or a list of objects, without holding the whole list in memory."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from callcenterai.formats.columns import find_columns
from callcenterai.formats.problems import Fault
from callcenterai.formats.rows import MAX_ROW, Row, as_shown_text, as_text, checked, unreadable

CHUNK = 2**20
# How many records are looked at for the names of the columns: each may lack some.
LOOK_AT = 2_000
BETWEEN = re.compile(r"[\s,\ufeff\0]*")
NEXT_OBJECT = re.compile(r"\}\s*,?\s*(?=\{)")
# What stands between two objects is at most so long that it is found where it is cut.
LONGEST_GAP = 100
DECODER = json.JSONDecoder()
Found = tuple[dict[str, Any] | None, Fault | None, str]


def json_lines(text: TextIO) -> Iterator[Found]:
    """Yield the object of each line that is not blank, or its fault; and the line."""
    while line := text.readline(MAX_ROW):
        if len(line) == MAX_ROW and not line.endswith("\n"):
            yield None, Fault.OVER_LONG, line[:1000]
            while line and not line.endswith("\n"):
                line = text.readline(MAX_ROW)
            continue
        line = line.strip("\ufeff \t\r\n\0")
        if line:
            record = _parse(line)
            yield record, None if record is not None else Fault.NOT_JSON, line


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def json_objects(text: TextIO, start: int) -> Iterator[Found]:
    """Yield the objects of a list whose first member begins at a character, or the fault in place of one."""
    text.read(start)
    buffer, at, size, ended = "", 0, CHUNK, False
    while True:
        at = BETWEEN.match(buffer, at).end()  # type: ignore[union-attr]
        if buffer.startswith("]", at):
            return
        try:
            record, end = DECODER.raw_decode(buffer, at)
        except (ValueError, RecursionError):
            if not ended and len(buffer) - at < MAX_ROW:
                # The object may go on in what has not been read; doubling keeps the cost of long ones linear.
                size = max(CHUNK, len(buffer) - at)
                more = text.read(size)
                buffer, at, ended = buffer[at:] + more, 0, len(more) < size
                continue
            if not buffer[at:].strip("\0 \t\r\n"):
                return
            again = NEXT_OBJECT.search(buffer, at + 1)
            over_long = again is None and len(buffer) - at >= MAX_ROW
            yield None, Fault.OVER_LONG if over_long else Fault.NOT_JSON, buffer[at : at + 1000]
            while again is None:
                if ended:
                    return
                more = text.read(CHUNK)
                buffer, ended = buffer[-LONGEST_GAP:] + more, len(more) < CHUNK
                again = NEXT_OBJECT.search(buffer)
            at = again.end()
            continue
        raw = buffer[at : min(end, at + 1000)]
        if end - at > MAX_ROW:
            yield None, Fault.OVER_LONG, raw
        elif isinstance(record, dict):
            yield record, None, raw
        else:
            yield None, Fault.NOT_JSON, raw
        at = end


class JsonReader:
    """The rows of a JSON file."""

    def __init__(self, name: str, records: Iterator[Found], wanted: Sequence[str]) -> None:
        """Look at the first records for the columns; a FileProblem when a wanted one is in none of them."""
        self._records, self._first = records, []
        names: dict[str, None] = {}
        for found in records:
            self._first.append(found)
            names |= dict.fromkeys(_names(found[0] or {}))
            if len(self._first) == LOOK_AT or sum(len(each[2]) for each in self._first[-50:]) > 50 * CHUNK:
                break
        self.header = list(names)
        # Where no record could be read, later ones may have the columns by exactly these names.
        readable = any(found[0] is not None for found in self._first)
        columns = [self.header[at] for at in find_columns(name, self.header, wanted)] if readable else list(wanted)
        if not wanted:
            # Without the objects whose own values are columns.
            outer = {name[:at] for name in self.header for at, each in enumerate(name) if each == "."}
            self.header = [name for name in self.header if name not in outer]
        self._columns = columns if wanted else self.header
        self._as_text = as_text if wanted else as_shown_text

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order."""
        number = 0
        while self._first:
            batch, self._first = self._first, []
            for found in batch:
                number += 1
                yield self._row(number, *found)
        for found in self._records:
            number += 1
            yield self._row(number, *found)

    def _row(self, number: int, record: dict[str, Any] | None, fault: Fault | None, raw: str) -> Row:
        if record is None:
            return unreadable(number, fault or Fault.NOT_JSON, raw)
        try:
            values = tuple(self._as_text(_look_up(record, column)) for column in self._columns)
        except ValueError:
            return unreadable(number, Fault.NOT_TEXT, raw)
        return checked(number, values, raw)


def _names(record: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yield the names of values; those in an object within the record as `outer.inner`."""
    for key, value in record.items():
        if isinstance(value, dict) and value and before.count(".") < 3:
            yield from _names(value, f"{before}{key}.")
        yield before + key


def _look_up(record: dict[str, Any], column: str) -> Any:
    if column in record or "." not in column:
        return record.get(column)
    outer, _, inner = column.partition(".")
    within = record.get(outer)
    return _look_up(within, inner) if isinstance(within, dict) else None
