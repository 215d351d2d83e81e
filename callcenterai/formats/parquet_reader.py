"""Read Parquet, a batch of rows at a time; needs pyarrow, which the images of the services do not have."""

from collections.abc import Iterator, Sequence
from typing import IO, Any

from callcenterai.formats.columns import check_width, find_columns
from callcenterai.formats.problems import Fault, FileProblem
from callcenterai.formats.rows import Row, as_shown_text, as_text, checked, unreadable

ROWS_AT_ONCE = 1_000


class ParquetReader:
    """The rows of a Parquet file."""

    def __init__(self, name: str, file: IO[bytes], wanted: Sequence[str]) -> None:
        """Read the schema; a FileProblem when it cannot be read or lacks a wanted column."""
        try:
            # Late: the images of the services have no pyarrow, and text files need none.
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise FileProblem(name, "no_parquet") from None
        self._name, self._errors = name, (pyarrow.ArrowException, OSError, UnicodeDecodeError)
        try:
            # Without a buffer pyarrow would fetch a whole row group, often the whole file, at once.
            self._table = pyarrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=2**20)
        except self._errors as error:
            raise FileProblem(name, "parquet", reason=error) from None
        self.header = self._table.schema_arrow.names
        check_width(name, len(self.header))
        positions = find_columns(name, self.header, wanted) if wanted else range(len(self.header))
        self._positions = list(positions)
        self._as_text = as_text if wanted else as_shown_text

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order."""
        columns = [self.header[at] for at in self._positions]
        number = 0
        try:
            for batch in self._table.iter_batches(ROWS_AT_ONCE, columns=list(dict.fromkeys(columns))):
                values = [batch.column(column).to_pylist() for column in columns]
                for cells in zip(*values, strict=True):
                    number += 1
                    yield self._row(number, cells)
        except self._errors as error:
            raise FileProblem(self._name, "parquet", reason=error) from None

    def _row(self, number: int, cells: tuple[Any, ...]) -> Row:
        try:
            return checked(number, tuple(map(self._as_text, cells)), cells)
        except ValueError:
            return unreadable(number, Fault.NOT_TEXT, cells)
