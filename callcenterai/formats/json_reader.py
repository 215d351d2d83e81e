"""Read JSON: one object a line, or a list of objects, without holding the whole list in memory."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from callcenterai.formats.columns import check_width, find_columns
from callcenterai.formats.problems import Fault
from callcenterai.formats.rows import MAX_ROW, Row, as_shown_text, as_text, checked, unreadable

CHUNK = 2**20
# How many records are looked at for the names of the columns: each may lack some.
LOOK_AT = 2_000
BETWEEN = re.compile(r"[\s,\ufeff\0]*")
# Possessive: with backtracking, a million blanks after a bracket would take a million times a million steps.
NEXT_OBJECT = re.compile(r"\}\s*+,?\s*+(?=\{)")
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
    return iter(_Members(text))


class _Members:
    """The members of a list, up to its closing bracket; commas between them may be missing, and so may the bracket."""

    def __init__(self, text: TextIO) -> None:
        self._text, self._buffer, self._at = text, "", 0
        self._ended = self._done = False

    def __iter__(self) -> Iterator[Found]:
        while self._find_start():
            at = self._at
            try:
                record, self._at = DECODER.raw_decode(self._buffer, at)
            except (ValueError, RecursionError):
                if self._read_on():
                    continue
                if not self._buffer[at:].strip("\0 \t\r\n"):
                    return
                yield self._skip()
                continue
            raw = self._buffer[at : min(self._at, at + 1000)]
            if self._at - at > MAX_ROW:
                yield None, Fault.OVER_LONG, raw
            else:
                yield (record, None, raw) if isinstance(record, dict) else (None, Fault.NOT_JSON, raw)

    def _find_start(self) -> bool:
        """Go to where the next member begins; return whether there may be one."""
        self._at = BETWEEN.match(self._buffer, self._at).end()  # type: ignore[union-attr]
        return not self._done and not self._buffer.startswith("]", self._at)

    def _read_on(self) -> bool:
        """Read what follows a member that may be cut off; return False at the end, or if it is over-long already."""
        size = len(self._buffer) - self._at
        if self._ended or size >= MAX_ROW:
            return False
        # Doubling keeps the cost of long ones linear.
        self._read(self._buffer[self._at :], max(CHUNK, size))
        self._at = 0
        return True

    def _skip(self) -> Found:
        """Return the fault of the member that begins here, and go to the object after it."""
        raw = self._buffer[self._at : self._at + 1000]
        found = NEXT_OBJECT.search(self._buffer, self._at + 1)
        over_long = found is None and len(self._buffer) - self._at >= MAX_ROW
        while found is None and not self._ended:
            self._read(self._buffer[-LONGEST_GAP:], CHUNK)
            found = NEXT_OBJECT.search(self._buffer)
        self._done, self._at = found is None, found.end() if found else 0
        return None, Fault.OVER_LONG if over_long else Fault.NOT_JSON, raw

    def _read(self, kept: str, size: int) -> None:
        more = self._text.read(size)
        self._buffer, self._ended = kept + more, len(more) < size


class JsonReader:
    """The rows of a JSON file."""

    def __init__(self, name: str, records: Iterator[Found], wanted: Sequence[str]) -> None:
        """Look at the first records for the columns; a FileProblem when a wanted one is in none of them."""
        self._records = records
        self._first: list[Found] = []
        self.header = self._look_for_names()
        check_width(name, len(self.header))
        # Where no record could be read, later ones may have the columns by exactly these names.
        readable = any(found[0] is not None for found in self._first)
        columns = [self.header[at] for at in find_columns(name, self.header, wanted)] if readable else list(wanted)
        if not wanted:
            # Without the objects whose own values are columns.
            outer = {name[:at] for name in self.header for at, each in enumerate(name) if each == "."}
            self.header = [name for name in self.header if name not in outer]
        self._columns = columns if wanted else self.header
        self._as_text = as_text if wanted else as_shown_text

    def _look_for_names(self) -> list[str]:
        """Return the names in the first records, which are kept for rows()."""
        names: dict[str, None] = {}
        for found in self._records:
            self._first.append(found)
            names |= dict.fromkeys(_names(found[0] or {}))
            if len(self._first) == LOOK_AT or sum(len(each[2]) for each in self._first[-50:]) > 50 * CHUNK:
                break
        return list(names)

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
