"""What can be wrong with a file of tickets, or with one of its rows, and what to do about it."""

from enum import StrEnum
from typing import Any

from callcenterai.core.cli import UserError

NUMBERED = "use --no-header (header: false in params.yaml) and name columns by number"
# Each text follows the name of the file. The pages have their own texts for the same keys, in every language.
MESSAGES = {
    "missing": "does not exist: no such file; check the path, or make the sample with "
    "`python scripts/make_sample_tickets.py data/raw/tickets.csv`",
    "empty": "is empty; check the export that made it",
    "no_rows": "holds no ticket, only a header; check the export that made it",
    "gzip": "is not a complete gzip file ({reason}); copy or compress it again",
    "zip": "is not a zip archive that can be read ({reason}); copy or pack it again, or give the file in it",
    "members": "is a zip archive of {count} files ({names}); unpack it and give one of them",
    "expands": "expands to more than {megabytes:,} MB, {ratio:,} times its size; unpack it yourself if that is right",
    "binary": "is {what}, not a table of tickets; export the tickets as CSV, JSON Lines, Parquet or a workbook",
    "html": "is a web page (HTML), whatever its name says; open it in a spreadsheet and save it as .xlsx or CSV UTF-8",
    "json_columns": "holds no list of records; write a list with one object for each ticket, or one object a line "
    "(pandas: orient='records')",
    "encoding": "is not UTF-8 and its encoding cannot be told; name it with --encoding (prepare.encoding in "
    "params.yaml), for example windows-1252",
    "unknown_encoding": "cannot be read as {encoding!r}, which is no encoding that Python knows; name another with "
    "--encoding, for example utf-8 or windows-1252",
    "delimiter": "cannot be read with the delimiter {delimiter!r}; give one character, such as ; or |, or the word tab",
    "columns": "has more than {limit:,} columns, the most that are read; export fewer, or check --delimiter",
    "first_row": "has a first row longer than {limit:,} characters; check that it is a table of tickets",
    "no_column": "has no column {column!r}; there are {there}{near}; name the columns with --text-column and "
    "--label-column (text_column and label_column in params.yaml), another separator with --delimiter",
    "column_twice": "has more than one column {column!r}; there are {there}; rename one of them in the file",
    "no_header": "has no header: its first row is {first}; {numbered}, here {there}",
    "not_a_number": "has no header, so that a column is named by its number from 1 to {count}, and {column!r} is none; "
    "there are {there}",
    "sheets": "has {count} sheets ({names}) and {found} has the columns {columns}; name one with --sheet (sheet in "
    "params.yaml)",
    "no_sheet": "has no sheet {sheet!r}; there are {names}",
    "workbook": "is not a workbook that can be read ({reason}); save it again as .xlsx or CSV UTF-8",
    "sparse": "has a sheet of {rows:,} rows and {columns:,} columns, nearly all empty; delete the cells far away from "
    "the tickets, or save it as CSV UTF-8",
    "parquet": "is not a readable Parquet file ({reason}); write it again",
    "no_parquet": "is a Parquet file, which cannot be read here; save it as CSV",
    "unreadable": "has {unreadable:,} unreadable rows of {rows:,}, more than max_unreadable ({share:g}) allows: "
    "{counts}; the first is row {row}, {raw!r}. {remedy}, or raise max_unreadable",
}


class FileProblem(UserError):
    """A file that cannot be used; kind is a key of MESSAGES and values are for its text."""

    def __init__(self, name: object, kind: str, **values: Any) -> None:
        """Name is the file as the user knows it."""
        self.kind, self.values = kind, values
        super().__init__(f"{name} {MESSAGES[kind].format(**values, numbered=NUMBERED)}")


class Fault(StrEnum):
    """Why a row cannot be read."""

    FIELD_COUNT = "field_count"
    BROKEN_QUOTING = "broken_quoting"
    UNDECODABLE = "undecodable"
    OVER_LONG = "over_long"
    NOT_JSON = "not_json"
    NOT_TEXT = "not_text"


REMEDIES = {
    Fault.FIELD_COUNT: "Put texts that hold the delimiter or a line break in quotes, or name another --delimiter",
    Fault.BROKEN_QUOTING: "Write double quotes inside a quoted text twice",
    Fault.UNDECODABLE: "Name the encoding with --encoding, or save the file as UTF-8",
    Fault.OVER_LONG: "Check the export, or a quote that is never closed",
    Fault.NOT_JSON: "Each line, or each member of the list, must be one JSON object",
    Fault.NOT_TEXT: "Name a column that holds texts or numbers",
}
