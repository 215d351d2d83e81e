"""The files of tickets that section `prepare` of params.yaml names, and their rows as tickets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callcenterai.core.params import PrepareParameters
from callcenterai.data.table import Reason, Source, Ticket
from callcenterai.formats.problems import Fault
from callcenterai.formats.reader import ReadOptions, TicketFile, open_tickets
from callcenterai.formats.rows import Row
from callcenterai.text.joining import join_texts

# The columns that export_feedback.py writes.
FEEDBACK_COLUMNS = ("text", "label")
REASONS = {fault: Reason[fault.name] for fault in Fault}


def paths_of(params: PrepareParameters) -> dict[Source, Path]:
    """Return the file of each source that is configured, in the order of Source."""
    paths = {
        Source.INPUT: Path(params.input),
        Source.TEST_INPUT: params.official_test,
        Source.FEEDBACK: params.feedback,
    }
    return {source: path for source, path in paths.items() if path}


class TicketSource:
    """One file of tickets, and afterwards what was found out about it."""

    def __init__(self, params: PrepareParameters, source: Source, path: Path) -> None:
        """Open nothing yet."""
        self._path, self._limit = path, params.max_unreadable
        # People's answers are written by a command of ours, whatever the tickets look like.
        self._options = ReadOptions(params.encoding, params.delimiter, params.sheet, params.header)
        self._texts = len(params.text_columns)
        self._columns = [*params.text_columns, params.label_column, *params.slice_columns]
        if source == Source.FEEDBACK:
            self._options, self._columns, self._texts = ReadOptions(), list(FEEDBACK_COLUMNS), 1
        self.found: dict[str, Any] = {}

    def tickets(self) -> Iterator[Ticket]:
        """Yield the rows in order; a UserError when the file or too many of its rows cannot be read."""
        with open_tickets(self._path, self._columns, self._options) as file:
            for row in file.rows():
                yield as_ticket(row, self._texts)
            file.check_faults(self._limit)
            self.found = describe(file)


def describe(file: TicketFile) -> dict[str, Any]:
    """Return what metrics/prepare.json says about a file that was read."""
    return file.found | {"rows": file.read, "unreadable": file.faults.total()}


def as_ticket(row: Row, text_columns: int) -> Ticket:
    """Return a row as a ticket: texts, label, slices; an unreadable one has its beginning as text."""
    if row.values is None:
        return Ticket(row.number, row.raw, None, REASONS[row.fault or Fault.NOT_TEXT])
    texts, (label, *slices) = row.values[:text_columns], row.values[text_columns:]
    text = texts[0] if text_columns == 1 else join_texts(texts)
    return Ticket(row.number, text, label, slices=tuple(slices))
