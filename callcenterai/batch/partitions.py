"""Cut tickets of files of any size into partitions of so many rows, without reading what the rows say.

ticket_reader reads what a model is trained on and stops at the first broken row. Here a model is applied: workers read
the rows (ticket_pieces.py) and report a broken one.
"""

import codecs
import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from callcenterai.batch.row_ends import Ends, row_ends
from callcenterai.batch.ticket_pieces import Partition, Piece, Source, lines_of
from callcenterai.core.cli import UserError
from callcenterai.formats.delimited import csv_rows
from callcenterai.formats.opening import open_bytes
from callcenterai.formats.reader import DELIMITERS, FORMATS, JSON_LINES, kind_of, positions_of, seekable

KINDS = (*DELIMITERS, *JSON_LINES, ".parquet")
ADVICE = "see --text-column and --id-column"
# Bytes of text, and rows of Parquet, that are read at once.
BLOCK = 2**22
PARQUET_ROWS = 10_000


class Columns(NamedTuple):
    """The names of the columns with the text and, if wanted, the id."""

    text: str
    id: str | None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of those that are read."""
        return (self.text, self.id) if self.id else (self.text,)


def files_of(path: Path) -> list[Path]:
    """Return a file, or the files of a folder in the order of their names; a UserError when there is none."""
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and kind_of(each) in KINDS)
        if not found:
            raise UserError(f"{path} holds no file whose name ends in {FORMATS}")
        return found
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if kind_of(path) not in KINDS:
        raise UserError(f"{path}: unknown kind of file; the name must end in {FORMATS}")
    return [path]


class Stream:
    """The rows of one file after the other, a partition at a time, in memory that does not grow with the files."""

    def __init__(self, root: Path, columns: Columns) -> None:
        """Rows name their file as it is called from root, or by its name when root is the file."""
        self.files, self.columns = files_of(root), columns
        self._root = root if root.is_dir() else root.parent
        self.total = sum(path.stat().st_size for path in self.files)
        # How many bytes of the files have been read.
        self.done = 0

    def partitions(self, size: int) -> Iterator[Partition]:
        """Cut off so many rows at a time, and at last what is left; a UserError when a file cannot be read."""
        partition = Partition()
        for path in self.files:
            before = self.done
            with self._opened(path) as rows:
                while piece := rows.take(size - len(partition)):
                    partition.pieces.append(piece)
                    self.done = before + rows.place()
                    if len(partition) == size:
                        yield partition
                        partition = Partition()
            self.done = before + path.stat().st_size
        if partition.pieces:
            yield partition

    @contextmanager
    def _opened(self, path: Path) -> Iterator["TextRows | ParquetRows"]:
        kind = kind_of(path)
        delimiter = None if kind == ".parquet" else DELIMITERS.get(kind, "")
        source = Source(path.relative_to(self._root).as_posix(), delimiter, self.columns.wanted)
        with open_bytes(path) as file:
            if delimiter is None:
                with _parquet(path, file, source) as rows:
                    yield rows
            else:
                yield TextRows(path, file, source)


class TextRows:
    """Cuts the rows of a text file."""

    def __init__(self, path: Path, file: IO[bytes], source: Source) -> None:
        """Read the header of a delimited file; a UserError when it has not the columns that are wanted."""
        self._file, self._source = file, source
        # Of a gzipped file, how much of it was unpacked.
        self.place: Callable[[], int] = getattr(file, "fileobj", file).tell
        # What was read, up to where it was cut, where the next rows end in it, and the lines that follow them.
        self._data, self._at, self._ends = b"", 0, Ends(*np.empty((2, 0), dtype=np.int64))
        self._row, self._line = 1, 1
        if source.delimiter:
            self._read_header(path, source.delimiter)

    def take(self, most: int) -> Piece | None:
        """Return the next rows, at least one and at most so many; None when there is none left."""
        if not len(self._ends.offsets) and not self._fill():
            return None
        offsets, lines = self._ends
        count = min(most, len(offsets))
        end = int(offsets[count - 1])
        piece = Piece(self._source, self._row, self._line, count, np.frombuffer(self._data, np.uint8)[self._at : end])
        self._at, self._ends = end, Ends(offsets[count:], lines[count:])
        self._row, self._line = self._row + count, int(lines[count - 1])
        return piece

    def _read_header(self, path: Path, delimiter: str) -> None:
        first = self.take(1)
        try:
            header = next(filter(None, csv_rows(lines_of(first.content), delimiter))) if first else []
        except csv.Error as error:
            raise UserError(f"{path}: its header cannot be read ({error})") from None
        positions = positions_of(path, header, self._source.columns, ADVICE)
        self._source = self._source._replace(positions=tuple(positions), width=len(header))
        self._row = 1

    def _fill(self) -> bool:
        """Read on until there is a whole row; return whether there is one."""
        rest, beginning, ends = self._data[self._at :], not self._data, self._ends
        while not len(ends.offsets):
            # As much again as there is, so that a row without end is not searched over and over.
            new = self._file.read(max(BLOCK, len(rest)))
            rest += new.removeprefix(codecs.BOM_UTF8) if beginning else new
            beginning = False
            ends = row_ends(rest, self._source.delimiter, last=not new)
            if not new:
                break
        self._data, self._at, self._ends = rest, 0, Ends(ends.offsets, ends.lines + self._line)
        return len(ends.offsets) > 0


class ParquetRows:
    """Cuts the rows of a Parquet file."""

    def __init__(self, file: Any, source: Source, size: int) -> None:
        """`file` is a pyarrow ParquetFile, of so many bytes."""
        self._batches, self._source = file.iter_batches(PARQUET_ROWS, columns=list(source.columns)), source
        self._size, self._rows, self._row, self._left = size, max(1, file.metadata.num_rows), 1, None

    def place(self) -> int:
        """Return how many bytes have been read, by the number of rows."""
        return self._size * (self._row - 1) // self._rows

    def take(self, most: int) -> Piece | None:
        """Return the next rows, at least one and at most so many; None when there is none left."""
        import pyarrow as pa

        while not self._left:
            self._left = next(self._batches, None)
            if self._left is None:
                return None
        taken, self._left = self._left.slice(0, most), self._left.slice(most)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, taken.schema) as writer:
            writer.write_batch(taken)
        row, self._row = self._row, self._row + len(taken)
        return Piece(self._source, row, row, len(taken), np.frombuffer(sink.getvalue(), np.uint8))


@contextmanager
def _parquet(path: Path, file: IO[bytes], source: Source) -> Iterator[ParquetRows]:
    import pyarrow
    import pyarrow.parquet

    with seekable(path, file) as content:
        try:
            # Otherwise a whole row group, which is often the whole file, would be fetched at once.
            table = pyarrow.parquet.ParquetFile(content, pre_buffer=False, buffer_size=2**20)
            positions_of(path, table.schema_arrow.names, source.columns, ADVICE)
            yield ParquetRows(table, source, path.stat().st_size)
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(f"{path} is not a readable Parquet file ({error}); write it again") from None
