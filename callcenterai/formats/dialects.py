"""Tell how a delimited text is written: its delimiter, its quotes, and a line `sep=` of Excel."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from callcenterai.formats.columns import HEADER_WITHIN, find_header, usual_width
from callcenterai.formats.problems import FileProblem

DELIMITERS = ",;\t|"
SEP_LINE = re.compile(r'\ufeff?"?sep=(.)"?[ \t]*\r?\n?', re.IGNORECASE)
# How many rows are read to compare dialects.
ROWS = 200
# So many fields with a quote that is not closed are no slip.
SEVERAL = 3


class Dialect(NamedTuple):
    """How rows are written. With `backslash`, a quote inside a quoted text is written after one and not twice.

    Without a `quote`, quotes are characters like any other.
    """

    delimiter: str
    quote: str = '"'
    backslash: bool = False
    spaces: bool = False
    sep_line: bool = False

    def reader(self, lines: Iterable[str]) -> Any:
        """Return a csv.reader that raises csv.Error at broken quoting; a blank line is an empty row."""
        # By default the csv module refuses fields above 128 KiB.
        csv.field_size_limit(2**31 - 1)
        if not self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)
        return csv.reader(
            lines, delimiter=self.delimiter, quotechar=self.quote, skipinitialspace=self.spaces, strict=True
        )

    def unescape(self, line: str) -> str:
        """Return a line with doubled quotes in place of those after a backslash; other backslashes stay."""
        if "\\" not in line:
            return line
        return re.sub(r"\\([\\" + self.quote + "])", lambda found: found[1] * (1 + (found[1] == self.quote)), line)


def read_delimiter(name: str, given: str) -> str:
    """Return the delimiter that a person has typed, `tab` and a typed `\\t` too; a FileProblem if it can be none."""
    delimiter = "\t" if given.strip().casefold() in ("tab", "\\t") else given
    if len(delimiter) != 1 or delimiter in "\"'\\\r\n\0":
        raise FileProblem(name, "delimiter", delimiter=given)
    return delimiter


def tell_dialect(sample: str, complete: bool, wanted: Sequence[str], delimiter: str | None) -> Dialect:
    """Return the dialect of a text that begins with the sample; complete when the sample is the whole text."""
    lines = list(_lines(sample, complete))
    sep = SEP_LINE.fullmatch(lines[0]) if lines else None
    if sep:
        lines = lines[1:]
    given = delimiter or (sep[1] if sep else None)
    candidates = [Dialect(each, sep_line=bool(sep)) for each in (given or DELIMITERS)]
    if not given:
        candidates = [max(candidates, key=lambda each: _score(each, lines, wanted))]
    return max(_with_quotes(candidates[0], lines), key=lambda each: _score(each, lines, wanted))


def _lines(sample: str, complete: bool) -> Iterator[str]:
    """Yield the lines of a sample with their ends, without the last one if it is cut off."""
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", sample.replace("\0", ""))
    yield from lines if complete or len(lines) < 2 else lines[:-1]


def _with_quotes(dialect: Dialect, lines: list[str]) -> Iterator[Dialect]:
    """Yield the dialect with each way of quoting for which the lines have evidence; the usual one first."""
    yield dialect
    text = "".join(lines[:5000])
    mark = re.escape(dialect.delimiter)
    single = len(re.findall(rf"(?m)(?:^|{mark})'(?:[^'\r\n]|'')*'(?=$|\r|{mark})", text))
    double = text.count('"') // 2
    quoted = single > double and 2 * single >= min(len(lines), 5000)
    if quoted:
        yield dialect._replace(quote="'")
    quote = "'" if quoted else '"'
    if "\\" + quote in text:
        yield dialect._replace(quote=quote, backslash=True)
    if dialect.delimiter != "\t" and len(re.findall(rf"{mark} +{quote}", text)) > text.count(dialect.delimiter + quote):
        yield dialect._replace(quote=quote, spaces=True)
    opened = len(re.findall(rf"(?m)(?:^|{mark}){quote}", text))
    closed = len(re.findall(rf"(?m)(?:^|{mark}){quote}(?:[^{quote}]|{quote}{quote})*{quote}(?=$|\r|{mark})", text))
    # A few fields are broken anywhere; most of them are not quoted texts at all.
    if opened >= closed + SEVERAL and 2 * closed < opened:
        yield dialect._replace(quote="")


def first_rows(dialect: Dialect, lines: Iterable[str], most: int) -> tuple[list[list[str]], int]:
    """Return the first rows that are not blank, and how many others among them are broken."""
    rows: list[list[str]] = []
    broken = 0
    source = map(dialect.unescape, lines) if dialect.backslash else iter(lines)
    reader = dialect.reader(source)
    while len(rows) + broken < most:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            broken += 1
            continue
        if any(cell.strip() for cell in row):
            rows.append(row)
    return rows, broken


def _score(dialect: Dialect, lines: list[str], wanted: Sequence[str]) -> tuple[bool, float, int, float]:
    """Return how well a dialect fits: wanted columns found, rows of one width, several columns, no quotes left over."""
    rows, broken = first_rows(dialect, lines, ROWS)
    if not rows:
        return False, 0.0, 0, 0.0
    at = find_header(rows[:HEADER_WITHIN], wanted) if wanted else None
    width = usual_width(rows) if at is None else len(rows[at])
    fitting = sum(len(row) == width or (len(row) > width and not any(row[width:])) for row in rows)
    # Where the header is one cell, so is the table, and the delimiter is one that no text holds.
    regular = fitting / (len(rows) + broken) * (width > 1 or at is not None)
    cells = [cell.strip() for row in rows for cell in row]
    wrapped = sum(len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "'\"" for cell in cells)
    return at is not None, round(regular, 3), int(width > 1), -wrapped / max(1, len(cells))
