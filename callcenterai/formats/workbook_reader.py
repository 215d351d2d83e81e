"""Read a sheet of a workbook: .xlsx, .xlsm, .xlsb, .xls or .ods."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import IO, Any

from callcenterai.formats.columns import HEADER_WITHIN, Layout, describe, fold_name
from callcenterai.formats.opening import RATIO, SUSPICIOUS
from callcenterai.formats.problems import Fault, FileProblem
from callcenterai.formats.rows import MAX_ROW, ReadOptions, Row, as_shown_text, as_text, checked, unreadable

# A sheet takes memory for each cell of its rectangle, also for the empty ones: refused above MOST_CELLS if the file
# holds fewer than one cell in SPARSE. A cell takes CELL_BYTES, and where less memory is allowed, fewer cells are.
MOST_CELLS, SPARSE, CELL_BYTES = 20_000_000, 50, 32
# A workbook is held in memory as a whole, unlike a text.
MOST_BYTES = 2 * 2**30
# A cell or a row, with its place if it says one. "<" ends the search, or each of many "<c" would search up to the end.
CELL = re.compile(rb"""<(?:\w{1,20}:)?(c|row)\b(?:[^<>]*?\br\s{0,9}=\s{0,9}["']([A-Za-z]{0,3})(\d{1,7})["'])?""")
REPEATED = re.compile(rb"""number-(columns|rows)-repeated\s{0,9}=\s{0,9}["']0*(\d+)["']""")
# More digits than any number that is compared.
MANY_DIGITS = 18
FIRST_ROWS = 50


class WorkbookReader:
    """The rows of one sheet."""

    def __init__(self, name: str, file: IO[bytes], wanted: Sequence[str], options: ReadOptions, limit: int) -> None:
        """Open the sheet that is named, or the only one that has the wanted columns; a FileProblem otherwise."""
        # Late: text files do not need it.
        from python_calamine import CalamineError, CalamineWorkbook

        _check_size(name, file, min(limit, MOST_BYTES))
        file.seek(0)
        try:
            book = CalamineWorkbook.from_filelike(file)
            self.sheet, self._sheet = _choose(name, book, wanted, options.sheet, options.header)
        except (CalamineError, OSError, ValueError) as error:
            raise FileProblem(name, "workbook", reason=" ".join(str(error).split())) from None
        rows = list(islice(_cells(self._sheet), FIRST_ROWS))
        if not rows:
            raise FileProblem(name, "empty")
        self._layout = Layout(name, [list(map(as_shown_text, row)) for row in rows], wanted, options.header)
        self.header = self._layout.header
        self._positions = self._layout.positions if wanted else list(range(len(self.header)))
        self._as_text = as_text if wanted else as_shown_text

    def rows(self) -> Iterator[Row]:
        """Yield the rows after the header that are not blank."""
        for number, cells in enumerate(islice(_cells(self._sheet), self._layout.skip, None), start=1):
            try:
                values = tuple(self._as_text(cells[at]) if at < len(cells) else "" for at in self._positions)
            except ValueError:
                yield unreadable(number, Fault.NOT_TEXT, cells)
                continue
            too_long = sum(len(value or "") for value in values) > MAX_ROW
            yield unreadable(number, Fault.OVER_LONG, values) if too_long else checked(number, values, values)


def _cells(sheet: Any) -> Iterator[list[Any]]:
    """Yield the rows of a sheet that are not blank."""
    if sheet.height:
        yield from (row for row in sheet.iter_rows() if any(cell not in ("", None) for cell in row))


def _choose(name: str, book: Any, wanted: Sequence[str], sheet: str | None, header: bool) -> tuple[str, Any]:
    names = book.sheet_names
    if sheet is not None:
        found = [each for each in names if fold_name(each) == fold_name(sheet)]
        if not found:
            raise FileProblem(name, "no_sheet", sheet=sheet, names=describe(names))
        return found[0], book.get_sheet_by_name(found[0])
    sheets = {each: book.get_sheet_by_name(each) for each in names}
    filled = [each for each in names if sheets[each].height]
    if header and wanted:
        columns = {fold_name(each) for each in wanted}
        fitting = [each for each in filled if _has_columns(sheets[each], columns)]
    else:
        # A title page is no table.
        fitting = [each for each in filled if len(list(islice(_cells(sheets[each]), 2))) == 2]
    if len(fitting) == 1 or len(filled) == 1:
        chosen = (fitting or filled)[0]
        return chosen, sheets[chosen]
    if not filled:
        raise FileProblem(name, "empty")
    found_in = "none of them" if not fitting else "more than one of them"
    shown = ", ".join(map(repr, wanted)) or "of a table"
    raise FileProblem(name, "sheets", count=len(filled), names=describe(filled), found=found_in, columns=shown)


def _has_columns(sheet: Any, columns: set[str]) -> bool:
    rows = islice(_cells(sheet), HEADER_WITHIN)
    return any(columns <= {fold_name(as_shown_text(cell)) for cell in row} for row in rows)


def _check_size(name: str, file: IO[bytes], limit: int) -> None:
    """Raise a FileProblem for a workbook that would fill the memory: the library reads sheets as whole rectangles."""
    size, most_cells = file.seek(0, 2), min(MOST_CELLS, limit // CELL_BYTES)
    file.seek(0)
    if file.read(2) != b"PK":
        if size > limit:
            raise FileProblem(name, "expands", megabytes=size // 2**20, ratio=1)
        return
    with zipfile.ZipFile(file) as archive:
        total = sum(member.file_size for member in archive.infolist())
        if total > limit or (total > SUSPICIOUS and total > RATIO * size):
            raise FileProblem(name, "expands", megabytes=total // 2**20, ratio=total // max(1, size))
        try:
            for member in archive.namelist():
                if member == "content.xml":
                    _check_repeats(name, archive.open(member), most_cells)
                else:
                    # A workbook may name any of its files as a sheet.
                    _check_sheet(name, archive.open(member), most_cells)
        # zipfile raises RuntimeError for an encrypted member, NotImplementedError for a compression it cannot read.
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
            raise FileProblem(name, "workbook", reason=error) from None


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content in pieces that overlap a little, so that no tag is cut in all of them."""
    rest = b""
    while chunk := file.read(2**20):
        piece = rest + chunk
        end = piece.rfind(b">") + 1
        yield piece[:end]
        rest = piece[end:][-10_000:]


def _check_sheet(name: str, file: IO[bytes], most_cells: int) -> None:
    count = rows = columns = in_row = 0
    for piece in _pieces(file):
        found = CELL.findall(piece)
        count += len(found)
        if found:
            rows = max(rows, max(int(row or 0) for _, _, row in found))
            columns = max(columns, max(_column_number(letters) for letters in {letters for _, letters, _ in found}))
            # Cells that say no place follow each other.
            for tag, _, _ in found:
                in_row = in_row + 1 if tag == b"c" else 0
                columns = max(columns, in_row)
    if rows * columns > most_cells and rows * columns > SPARSE * count:
        raise FileProblem(name, "sparse", rows=rows, columns=columns)


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _check_repeats(name: str, file: IO[bytes], most_cells: int) -> None:
    """Refuse an .ods whose filled cells repeat beyond the bound."""
    total, pending = 0, 1
    for piece in _pieces(file):
        for tag in re.finditer(rb"<table:table-(row|cell)\b[^<>]*>", piece):
            repeats = {kind: int(count[:MANY_DIGITS]) for kind, count in REPEATED.findall(tag[0])}
            if tag[1] == b"row":
                pending = repeats.get(b"rows", 1)
            elif not tag[0].endswith(b"/>"):
                total += pending * repeats.get(b"columns", 1)
    if total > most_cells:
        raise FileProblem(name, "sparse", rows=total, columns=1)
