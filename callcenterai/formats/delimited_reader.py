"""Read the rows of a delimited text; a broken row ends at its own line where that can be told."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import TextIO

from callcenterai.formats.columns import Layout
from callcenterai.formats.dialects import Dialect, first_rows
from callcenterai.formats.problems import Fault, FileProblem
from callcenterai.formats.rows import MAX_ROW, BoundedLines, Row, Values, checked, unreadable

# How many of the lines after a broken one are looked at to tell whether they are rows of their own.
LOOK_AHEAD = 20


class DelimitedReader:
    """The rows of a delimited text."""

    def __init__(self, name: str, text: TextIO, dialect: Dialect, layout: Layout, wanted: bool, valid: bool) -> None:
        """Without wanted columns, rows have all their cells; in a valid text no byte failed to be decoded."""
        self._name, self._dialect, self._layout, self._valid = name, dialect, layout, valid
        self._lines = BoundedLines(text)
        self.header = layout.header
        self._all = not wanted
        positions = layout.positions
        single = positions[0] if len(positions) == 1 else 0
        self._values = itemgetter(*positions) if len(positions) > 1 else (lambda fields: (fields[single],))

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order; blank lines are none."""
        dialect, lines, width = self._dialect, self._lines, len(self.header)
        number, skip = 1, self._layout.skip + dialect.sep_line
        record = lines.record
        while True:
            reader = dialect.reader(map(dialect.unescape, lines) if dialect.backslash else lines)
            try:
                for fields in reader:
                    if skip and (skip < 1 or self._is_header_line(fields)):
                        skip -= 1
                    elif len(fields) == width:
                        yield self._row(number, fields)
                        number += 1
                    elif (row := self._odd_row(number, fields)) is not None:
                        yield row
                        number += 1
                    record.clear()
                if not lines.over_long:
                    return
                fault = Fault.OVER_LONG
            except csv.Error:
                fault = Fault.OVER_LONG if lines.over_long else Fault.BROKEN_QUOTING
            row = self._broken_row(number, fault)
            if skip:
                self._refuse_first_row(fault)
            yield row
            number += 1

    def _is_header_line(self, fields: list[str]) -> bool:
        """Return whether a row counts among those up to the header: as in first_rows, blank ones do not."""
        return any(cell.strip() for cell in fields)

    def _refuse_first_row(self, fault: Fault) -> None:
        if fault == Fault.OVER_LONG:
            raise FileProblem(self._name, "first_row", limit=MAX_ROW)

    def _row(self, number: int, fields: list[str]) -> Row:
        values: Values = tuple(fields) if self._all else self._values(fields)
        return Row(number, values) if self._valid else checked(number, values, "".join(self._lines.record[:1]))

    def _odd_row(self, number: int, fields: list[str]) -> Row | None:
        """Return a row that has not as many fields as the header, or None for a blank line."""
        width = len(self.header)
        if not fields or (width > 1 and len(fields) == 1 and not fields[0].strip()):
            return None
        fitted = fit(fields, width, self._layout.least)
        if fitted is not None:
            return self._row(number, fitted)
        return self._broken_row(number, Fault.FIELD_COUNT)

    def _broken_row(self, number: int, fault: Fault) -> Row:
        """Return the row that begins at the current record: read with the other way of quoting, or as unreadable."""
        lines = self._lines.take()
        if fault != Fault.OVER_LONG and (found := self._with_other_quotes(lines)):
            fields, used = found
            self._lines.replay(lines[used:])
            values: Values = tuple(fields) if self._all else self._values(fields)
            return checked(number, values, lines[0])
        if len(lines) > 1 and self._are_rows(lines[1:]):
            self._lines.replay(lines[1:])
        return unreadable(number, fault, lines[0] if lines else "")

    def _with_other_quotes(self, lines: list[str]) -> tuple[list[str], int] | None:
        """Return the fields of the first row in these lines, and of how many lines it is, if backslashes explain it."""
        quote = self._dialect.quote
        if not quote or not any("\\" + quote in line for line in lines):
            return None
        reader = self._dialect.reader(lines if self._dialect.backslash else map(self._dialect.unescape, lines))
        try:
            fields = fit(next(reader), len(self.header), self._layout.least)
        except (csv.Error, StopIteration):
            return None
        return None if fields is None else (fields, reader.line_num)

    def _are_rows(self, lines: Sequence[str]) -> bool:
        """Return whether most lines are rows of their own, which an unclosed quote before them has swallowed."""
        some = list(islice(lines, LOOK_AHEAD))
        rows, broken = first_rows(self._dialect, some, LOOK_AHEAD)
        good = sum(fit(row, len(self.header), self._layout.least) is not None for row in rows)
        return 2 * good >= len(rows) + broken and good > 0 and len(self.header) > 1


def fit(fields: list[str], width: int, least: int) -> list[str] | None:
    """Return fields as many as the header has, without blank ones after them; None if that cannot be."""
    if len(fields) > width and not any(each.strip() for each in fields[width:]):
        return fields[:width]
    if least <= len(fields) <= width:
        return fields + [""] * (width - len(fields))
    return None
