"""Cuts ticket files of any size into partitions with a given number of rows, without parsing the rows.

callcenterai.formats reads tickets for training and stops at the first broken row. Here a model is applied: the workers
parse the rows (rows.py), and a broken row is reported and skipped.
"""

import codecs
import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from callcenterai.batch.row_ends import RowEnds, find_row_ends, split_lines
from callcenterai.batch.rows import Chunk, Partition, Source
from callcenterai.core.cli import UserError
from callcenterai.formats.delimited import csv_rows
from callcenterai.formats.opening import open_bytes
from callcenterai.formats.reader import DELIMITERS, FORMATS, JSON_LINES, kind_of, positions_of, seekable

KINDS = (*DELIMITERS, *JSON_LINES, ".parquet")
ADVICE = "see --text-column and --id-column"
# How much is read from a file at once.
TEXT_BLOCK_BYTES = 2**22
PARQUET_BATCH_ROWS = 10_000


class TicketColumns(NamedTuple):
    """The names of the columns that hold the text and, if wanted, the id."""

    text: str
    id: str | None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of the columns to read."""
        return (self.text, self.id) if self.id else (self.text,)


def find_ticket_files(path: Path) -> list[Path]:
    """Return the file itself, or the ticket files in a folder sorted by name; raise a UserError if there is none."""
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


class TicketStream:
    """Reads files one after the other, a partition at a time; the memory needed does not grow with the files."""

    def __init__(self, root: Path, columns: TicketColumns) -> None:
        """Find the files. Rows name their file by its path below root, or by its name if root is the file itself."""
        self.files, self.columns = find_ticket_files(root), columns
        self._root = root if root.is_dir() else root.parent
        self.total = sum(path.stat().st_size for path in self.files)
        # Bytes of the files that have been read so far.
        self.done = 0

    def partitions(self, size: int) -> Iterator[Partition]:
        """Yield partitions of `size` rows, the last with the remainder; a UserError when a file cannot be read."""
        partition = Partition()
        for path in self.files:
            before = self.done
            with self._open(path) as cutter:
                while chunk := cutter.take(size - len(partition)):
                    partition.chunks.append(chunk)
                    self.done = before + cutter.tell()
                    if len(partition) == size:
                        yield partition
                        partition = Partition()
            self.done = before + path.stat().st_size
        if partition.chunks:
            yield partition

    @contextmanager
    def _open(self, path: Path) -> Iterator["TextCutter | ParquetCutter"]:
        """Yield the cutter for the kind of file."""
        kind = kind_of(path)
        delimiter = None if kind == ".parquet" else DELIMITERS.get(kind, "")
        source = Source(path.relative_to(self._root).as_posix(), delimiter, self.columns.wanted)
        with open_bytes(path) as file:
            if delimiter is None:
                with _open_parquet(path, file, source) as cutter:
                    yield cutter
            else:
                yield TextCutter(path, file, source)


class TextCutter:
    """Cuts a text file into chunks of rows."""

    def __init__(self, path: Path, file: IO[bytes], source: Source) -> None:
        """Read the header of a delimited file; raise a UserError when it lacks a wanted column."""
        self._file, self._source = file, source
        # For a gzipped file: the position in the compressed file.
        self.tell: Callable[[], int] = getattr(file, "fileobj", file).tell
        # The block in memory, the offset up to which rows were cut off, and the ends of the rows after it.
        self._data, self._at, self._ends = b"", 0, RowEnds(*np.empty((2, 0), dtype=np.int64))
        self._row, self._line = 1, 1
        if source.delimiter:
            self._read_header(path, source.delimiter)

    def take(self, most: int) -> Chunk | None:
        """Return the next rows, at least one and no more than `most`; None when no row is left."""
        if not len(self._ends.offsets) and not self._fill():
            return None
        offsets, lines = self._ends
        count = min(most, len(offsets))
        end = int(offsets[count - 1])
        chunk = Chunk(self._source, self._row, self._line, count, np.frombuffer(self._data, np.uint8)[self._at : end])
        self._at, self._ends = end, RowEnds(offsets[count:], lines[count:])
        self._row, self._line = self._row + count, int(lines[count - 1])
        return chunk

    def _read_header(self, path: Path, delimiter: str) -> None:
        first = self.take(1)
        try:
            header = next(filter(None, csv_rows(split_lines(first.content), delimiter))) if first else []
        except csv.Error as error:
            raise UserError(f"{path}: its header cannot be read ({error})") from None
        positions = positions_of(path, header, self._source.columns, ADVICE)
        self._source = self._source._replace(positions=tuple(positions), width=len(header))
        self._row = 1

    def _fill(self) -> bool:
        """Read until at least one row is complete; return False when no row is left."""
        rest, beginning, ends = self._data[self._at :], not self._data, self._ends
        while not len(ends.offsets):
            # Doubling the data each time keeps the cost linear for very long rows, such as one with an unclosed quote.
            new = self._file.read(max(TEXT_BLOCK_BYTES, len(rest)))
            rest += new.removeprefix(codecs.BOM_UTF8) if beginning else new
            beginning = False
            ends = find_row_ends(rest, self._source.delimiter, last=not new)
            if not new:
                break
        self._data, self._at, self._ends = rest, 0, RowEnds(ends.offsets, ends.lines + self._line)
        return len(ends.offsets) > 0


class ParquetCutter:
    """Cuts a Parquet file into chunks of rows."""

    def __init__(self, file: pq.ParquetFile, source: Source, size: int) -> None:
        """Start at the first row; size is that of the file in bytes."""
        self._batches, self._source = file.iter_batches(PARQUET_BATCH_ROWS, columns=list(source.columns)), source
        self._size, self._rows, self._row = size, max(1, file.metadata.num_rows), 1
        self._left: pa.RecordBatch | None = None

    def tell(self) -> int:
        """Return how many bytes have been read, estimated from the number of rows."""
        return self._size * (self._row - 1) // self._rows

    def take(self, most: int) -> Chunk | None:
        """Return the next rows, at least one and no more than `most`; None when no row is left."""
        while not self._left:
            self._left = next(self._batches, None)
            if self._left is None:
                return None
        taken, self._left = self._left.slice(0, most), self._left.slice(most)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, taken.schema) as writer:
            writer.write_batch(taken)
        row, self._row = self._row, self._row + len(taken)
        return Chunk(self._source, row, row, len(taken), np.frombuffer(sink.getvalue(), np.uint8))


@contextmanager
def _open_parquet(path: Path, file: IO[bytes], source: Source) -> Iterator[ParquetCutter]:
    """Yield the cutter of a Parquet file; raise a UserError when the file cannot be read."""
    with seekable(path, file) as content:
        try:
            # pre_buffer=False: otherwise PyArrow fetches a whole row group, often the whole file, at once.
            table = pq.ParquetFile(content, pre_buffer=False, buffer_size=2**20)
            positions_of(path, table.schema_arrow.names, source.columns, ADVICE)
            yield ParquetCutter(table, source, path.stat().st_size)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} is not a readable Parquet file ({error}); write it again") from None
