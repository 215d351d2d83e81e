"""Tickets' texts and signatures, put aside while prepare decides: in memory while they are few, on disk beyond that."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from callcenterai.data.near_duplicates import BANDS, Signatures, ranges

# For the texts, the words and the keys, each: tens of thousands of tickets never touch the disk.
IN_MEMORY = 32 * 2**20
# Words that are read at once, and how many that nobody asked for are read rather than jumped over.
RUN, GAP = 1_000_000, 8_000


class Pile:
    """Bytes that are only ever added, and read anywhere; on disk in a file without a name, which no kill leaves."""

    def __init__(self, folder: Path) -> None:
        """Hold nothing yet; the folder is made when the disk is needed."""
        self._folder, self.size = folder, 0
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=folder)

    def add(self, content: bytes) -> None:
        """Add bytes at the end; an OSError names the folder."""
        try:
            if self.size + len(content) > IN_MEMORY:
                self._folder.mkdir(parents=True, exist_ok=True)
            self._file.seek(self.size)
            self._file.write(content)
            # Here, where the error can be told, and not when it is read or closed.
            self._file.flush()
        except OSError as error:
            error.filename = str(self._folder)
            raise
        self.size += len(content)

    def read(self, start: int, size: int) -> bytes:
        """Return so many bytes from there on."""
        self._file.seek(start)
        return self._file.read(size)

    def close(self) -> None:
        """Remove it."""
        # After a full disk it would try to write once more what nobody needs any longer.
        with suppress(OSError):
            self._file.close()


class Partition(NamedTuple):
    """Tickets that were read together: the number of the first, how many, and where their texts are, in bytes."""

    first: int
    count: int
    start: int
    size: int


class Spill:
    """The texts and signatures of all tickets, partition by partition."""

    def __init__(self, folder: Path) -> None:
        """Hold nothing yet; what does not fit in memory goes to the folder until the end."""
        self.partitions: list[Partition] = []
        self._texts, self._words, self._keys = (Pile(folder) for _ in range(3))
        self._lengths: list[np.ndarray] = []
        self._sizes: list[np.ndarray] = []

    def __enter__(self) -> "Spill":
        return self

    def __exit__(self, *_: object) -> None:
        for pile in (self._texts, self._words, self._keys):
            pile.close()

    def add_texts(self, texts: Sequence[str]) -> None:
        """Put aside the next partition's texts."""
        content = "".join(texts).encode()
        last = self.partitions[-1] if self.partitions else Partition(0, 0, 0, 0)
        self.partitions.append(Partition(last.first + last.count, len(texts), self._texts.size, len(content)))
        self._texts.add(content)
        self._lengths.append(np.fromiter(map(len, texts), dtype=np.int32, count=len(texts)))

    def add_signatures(self, signatures: Signatures) -> None:
        """Put aside the signatures of the first partition that has none."""
        self._sizes.append(signatures.sizes)
        self._words.add(signatures.words.tobytes())
        self._keys.add(signatures.keys.tobytes())

    def lengths(self) -> np.ndarray:
        """Return the number of characters of every text."""
        return np.concatenate(self._lengths)

    def texts(self, number: int) -> list[str]:
        """Return the texts of a partition."""
        partition = self.partitions[number]
        whole = self._texts.read(partition.start, partition.size).decode()
        ends = np.cumsum(self._lengths[number], dtype=np.int64).tolist()
        return [whole[start:end] for start, end in zip([0, *ends], ends)]

    def signed(self, rows: np.ndarray) -> "SpilledSignatures":
        """Return the signatures of the tickets with these numbers, which ascend."""
        return SpilledSignatures(self.partitions, self._words, self._keys, np.concatenate(self._sizes), rows)


class SpilledSignatures:
    """Signatures as near_duplicates asks for them, read when it does."""

    def __init__(
        self, partitions: list[Partition], words: Pile, keys: Pile, all_sizes: np.ndarray, rows: np.ndarray
    ) -> None:
        """Give those of `rows` only."""
        self._partitions, self._words, self._keys, self._rows = partitions, words, keys, rows
        self.sizes = all_sizes[rows]
        self._starts = (np.cumsum(all_sizes, dtype=np.int64) - all_sizes)[rows]

    def band(self, number: int) -> np.ndarray:
        """Return one band's keys."""
        width = np.dtype(np.uint64).itemsize
        keys = np.empty(sum(count for _, count, _, _ in self._partitions), dtype=np.uint64)
        for first, count, _, _ in self._partitions:
            content = self._keys.read((BANDS * first + number * count) * width, count * width)
            keys[first : first + count] = np.frombuffer(content, dtype=np.uint64)
        return keys[self._rows]

    def words_of(self, texts: np.ndarray) -> np.ndarray:
        """Return the word sets of the texts with these numbers, one after the other, each text read once."""
        distinct, place = np.unique(texts, return_inverse=True)
        starts, sizes = self._starts[distinct], self.sizes[distinct]
        words = np.concatenate([self._read(starts[run], sizes[run]) for run in _runs(starts, starts + sizes)])
        return words[ranges((np.cumsum(sizes, dtype=np.int64) - sizes)[place], sizes[place])]

    def _read(self, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        begin, end = int(starts[0]), int(starts[-1] + sizes[-1])
        width = np.dtype(np.int64).itemsize
        words = np.frombuffer(self._words.read(begin * width, (end - begin) * width), dtype=np.int64)
        return words[ranges(starts - begin, sizes)]


def _runs(starts: np.ndarray, ends: np.ndarray) -> Iterator[slice]:
    """Cut ascending ranges where a long gap is between two, and after so many words."""
    breaks = (starts[1:] - ends[:-1] > GAP) | (starts[1:] // RUN != starts[:-1] // RUN)
    places = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(starts)]
    yield from (slice(first, last) for first, last in zip(places, places[1:]))
