"""Reads ticket files of any size, one partition of rows at a time, with the reader of callcenterai.formats."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from callcenterai.batch.rows import Chunk, PackedTexts, Partition, UnreadableRow
from callcenterai.core.cli import UserError
from callcenterai.formats.problems import FileProblem
from callcenterai.formats.reader import MAX_UNREADABLE, ReadOptions, TicketFile, open_tickets
from callcenterai.formats.rows import Row
from callcenterai.text.joining import join_texts

# In a folder, files with other names are left alone; the kind of a file is told by its content.
NAMES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PACKED = (".gz", ".zip")


class TicketColumns(NamedTuple):
    """The names of the columns that hold the text, which are joined in order, and, if wanted, the id."""

    texts: tuple[str, ...]
    id: str | None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of the columns to read."""
        return (*self.texts, self.id) if self.id else self.texts


def is_ticket_name(path: Path) -> bool:
    """Return whether a file's name is that of a file of tickets."""
    name = path.name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    return name.endswith(NAMES) and not name.startswith(".")


def find_ticket_files(path: Path) -> list[Path]:
    """Return the file itself, or the ticket files in a folder sorted by name; raise a UserError if there is none."""
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and is_ticket_name(each))
        if not found:
            raise UserError(f"{path} holds no file whose name ends in {', '.join(NAMES)}, or in one of these and .gz")
        return found
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return [path]


class TicketStream:
    """Reads files one after the other, a partition at a time; the memory needed does not grow with the files."""

    def __init__(self, root: Path, columns: TicketColumns, options: ReadOptions, max_unreadable: float = 1.0) -> None:
        """Find the files. Rows name their file by its path below root, or by its name if root is the file itself."""
        self.files, self.columns, self.options = find_ticket_files(root), columns, options
        self._root = root if root.is_dir() else root.parent
        self._max_unreadable = max_unreadable
        self.total = sum(path.stat().st_size for path in self.files)
        # Bytes of the files that have been read so far.
        self.done = 0

    def partitions(self, size: int) -> Iterator[Partition]:
        """Yield partitions of `size` rows, the last with the remainder; a UserError when a file cannot be read."""
        partition, count = Partition(), 0
        for path in self.files:
            before, bytes_here = self.done, path.stat().st_size
            with open_tickets(path, self.columns.wanted, self.options) as file:
                chunk = self._new_chunk(path)
                for row in file.rows():
                    chunk.add(row)
                    count += 1
                    if count == size:
                        partition.chunks.append(chunk.packed())
                        self.done = before + int(file.fraction() * bytes_here)
                        yield partition
                        partition, count, chunk = Partition(), 0, self._new_chunk(path)
                if chunk.size:
                    partition.chunks.append(chunk.packed())
                self._check(file)
            self.done = before + bytes_here
        if count:
            yield partition

    def _new_chunk(self, path: Path) -> "_OpenChunk":
        return _OpenChunk(path.relative_to(self._root).as_posix(), bool(self.columns.id))

    def _check(self, file: TicketFile) -> None:
        """Stop at too many unreadable rows, or else warn of more than training would accept."""
        file.check_faults(self._max_unreadable)
        try:
            file.check_faults(MAX_UNREADABLE)
        except FileProblem as problem:
            print(f"warning: {problem}", file=sys.stderr)


class _OpenChunk:
    """Collects the rows of a chunk."""

    def __init__(self, file: str, has_id: bool) -> None:
        self._file, self._has_id = file, has_id
        self._numbers: list[int] = []
        self._texts: list[str | None] = []
        self._ids: list[str | None] = []
        self._unreadable: list[UnreadableRow] = []

    @property
    def size(self) -> int:
        return len(self._numbers) + len(self._unreadable)

    def add(self, row: Row) -> None:
        values = row.values
        if values is None:
            self._unreadable.append(UnreadableRow(row.number, str(row.fault), row.raw))
            return
        if self._has_id:
            *texts, id_ = values
            self._ids.append(id_)
            values = tuple(texts)
        self._numbers.append(row.number)
        self._texts.append(values[0] if len(values) == 1 else join_texts(values))

    def packed(self) -> Chunk:
        ids = self._ids if self._has_id else [None] * len(self._numbers)
        numbers = np.array(self._numbers, dtype=np.int64)
        return Chunk(self._file, numbers, PackedTexts.pack(self._texts), PackedTexts.pack(ids), self._unreadable)
