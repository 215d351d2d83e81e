"""Reads uploaded files with callcenterai.formats, and writes them as CSV with predictions in additional columns."""

import codecs
import csv
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

from callcenterai.formats.columns import fold_name, looks_like_data
from callcenterai.formats.delimited import without_formulas
from callcenterai.formats.problems import Fault
from callcenterai.formats.reader import open_tickets
from callcenterai.formats.rows import ReadOptions

# Names of the column that contains the tickets, and of one beside it that belongs to the ticket too.
TEXT_COLUMNS = ("text", "texte")
SUBJECT_COLUMNS = ("subject", "sujet", "objet", "betreff")
ADDED = ("category", "confidence", "decision", "model")
# How many rows are looked at to tell whether the first one is a header.
FIRST_ROWS = 1_000
# Cells take memory even if they are empty.
MAX_CELLS = 5_000_000


class TableError(Exception):
    """A file that cannot be used. Kind is a key under `table` in the catalogues; values are for its text."""

    def __init__(self, kind: str, status: int = 422, **values: Any) -> None:
        """Status is the status of the page that shows the error."""
        super().__init__(kind)
        self.kind, self.status, self.values = kind, status, values


class TableLimits(NamedTuple):
    """The most rows of a file, and the most bytes that it may have when it is unpacked."""

    rows: int
    unpacked_bytes: int


class TicketTable(NamedTuple):
    """The content of a file, in which every row has as many cells as the header.

    A row that cannot be read has its beginning as the first cell, and its fault in `faults`, by its place from 0 on.
    `found` is what the reader has found out about the file.
    """

    header: list[str]
    rows: list[list[str]]
    faults: dict[int, Fault]
    found: dict[str, Any]

    @property
    def has_header(self) -> bool:
        """Whether the columns have names, and not only numbers."""
        return self.found.get("header", True)

    def text_columns(self) -> list[int] | None:
        """Return the column with the tickets if it is certain: by its name, or because it is the only column."""
        names = [fold_name(name) for name in self.header]
        found = [number for number, name in enumerate(names) if name in TEXT_COLUMNS]
        if len(found) == 1 and not self.subjects():
            return found
        return [0] if len(names) == 1 else None

    def subjects(self) -> list[int]:
        """Return the columns that are called like a subject."""
        return [number for number, name in enumerate(self.header) if fold_name(name) in SUBJECT_COLUMNS]

    def proposed_columns(self) -> list[int]:
        """Return the columns that are probably to be joined: those called like a subject, and then like a text."""
        return self.subjects() + [at for at, name in enumerate(self.header) if fold_name(name) in TEXT_COLUMNS]


def read_ticket_table(content: bytes, name: str, options: ReadOptions, limits: TableLimits) -> TicketTable:
    """Return the table in a file; raise a TableError or a FileProblem that says what is wrong."""
    table = _read(content, name, options, limits)
    if table.found.get("header") and table.text_columns() is None:
        good = [row for at, row in enumerate(table.rows[:FIRST_ROWS]) if at not in table.faults]
        if looks_like_data([table.header, *good]):
            return _read(content, name, options._replace(header=False), limits)
    return table


def _read(content: bytes, name: str, options: ReadOptions, limits: TableLimits) -> TicketTable:
    rows: list[list[str]] = []
    faults: dict[int, Fault] = {}
    raw = ""
    with open_tickets(io.BytesIO(content), (), options, name, limits.unpacked_bytes) as file:
        width = len(file.header)
        most = min(limits.rows, MAX_CELLS // max(1, width))
        for row in file.rows():
            if len(rows) == most:
                raise TableError("rows" if most == limits.rows else "cells", 413, limit=most)
            if row.values is None:
                faults[len(rows)] = row.fault or Fault.NOT_TEXT
                raw = raw or row.raw
                rows.append([row.raw, *[""] * (width - 1)])
            else:
                rows.append([value or "" for value in row.values])
        table = TicketTable(file.header, rows, faults, file.found)
    if len(faults) == len(rows):
        raise TableError("no_good_row", rows=len(rows), raw=raw, fault=faults[0])
    return table


def added_columns(header: list[str]) -> list[str]:
    """Return the names of our columns, changed if the file has a column of that name already."""
    taken, names = {fold_name(name) for name in header}, []
    for wanted in ADDED:
        candidates = [wanted, f"predicted_{wanted}", *(f"predicted_{wanted}_{n}" for n in range(2, len(taken) + 3))]
        names.append(next(name for name in candidates if name not in taken))
    return names


def write_csv_table(table: TicketTable, added: Iterator[tuple[str, ...]], raw: bool) -> Iterator[bytes]:
    """Yield the file as UTF-8 CSV with our columns after its own.

    No cell can be a formula in a spreadsheet, unless `raw` asks for the cells as they are.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=table.found.get("delimiter", ","))
    if table.has_header:
        header = [*table.header, *added_columns(table.header)]
        writer.writerow(header if raw else without_formulas(header))
    # Excel takes a file without a mark for one in the encoding of its country.
    yield b"" if table.found.get("encoding") == "utf-8" else codecs.BOM_UTF8
    for number, (cells, ours) in enumerate(zip(table.rows, added, strict=True), start=1):
        row = [*cells, *ours]
        writer.writerow(row if raw else without_formulas(row))
        if number % 500 == 0 or number == len(table.rows):
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
