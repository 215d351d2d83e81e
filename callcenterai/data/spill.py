"""The spill: texts and signatures of tickets that wait, in memory or on disk, while prepare plans the split."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from callcenterai.data.fingerprints import BANDS, Signatures, ranges

# Bytes of texts, of words and of keys that each stay in memory: tens of thousands of tickets never touch the disk.
IN_MEMORY = 32 * 2**20
# How many words are read at once, and up to how many unneeded words are read along rather than skipped.
WORDS_PER_READ, LARGEST_GAP = 1_000_000, 8_000


class AppendOnlyBuffer:
    """Bytes that are appended and read anywhere; on disk they have no name, so that even a kill leaves no file."""

    def __init__(self, folder: Path) -> None:
        """Start empty; the folder is made when the disk is needed."""
        self._folder, self.size = folder, 0
        # Not in a `with`: the file lives as long as this object, and close() closes it.
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder))  # noqa: SIM115

    def append(self, content: bytes) -> None:
        """Append bytes; an OSError names the folder."""
        try:
            if self.size + len(content) > IN_MEMORY:
                self._folder.mkdir(parents=True, exist_ok=True)
            self._file.seek(self.size)
            self._file.write(content)
            # Flush now: an error while reading or closing could not be reported as well.
            self._file.flush()
        except OSError as error:
            error.filename = str(self._folder)
            raise
        self.size += len(content)

    def read(self, start: int, size: int) -> bytes:
        """Return `size` bytes from the position `start` on."""
        self._file.seek(start)
        return self._file.read(size)

    def close(self) -> None:
        """Discard the bytes."""
        # After a full disk, closing would try to write the rest again, which nobody needs any more.
        with suppress(OSError):
            self._file.close()


class SpilledPartition(NamedTuple):
    """Tickets that were read together: the first one's number, their count, and where their texts are, in bytes."""

    first: int
    tickets: int
    start: int
    size: int


class Spill:
    """The texts and signatures of all tickets, partition by partition; leaving its context discards them."""

    def __init__(self, folder: Path) -> None:
        """Start empty; what exceeds IN_MEMORY goes to a file in the folder."""
        self.partitions: list[SpilledPartition] = []
        self._texts, self._words, self._keys = (AppendOnlyBuffer(folder) for _ in range(3))
        self._lengths: list[np.ndarray] = []
        self._sizes: list[np.ndarray] = []

    def __enter__(self) -> "Spill":
        return self

    def __exit__(self, *_: object) -> None:
        for buffer in (self._texts, self._words, self._keys):
            buffer.close()

    def add_texts(self, texts: Sequence[str]) -> None:
        """Add the texts of the next partition."""
        content = "".join(texts).encode()
        last = self.partitions[-1] if self.partitions else SpilledPartition(0, 0, 0, 0)
        self.partitions.append(SpilledPartition(last.first + last.tickets, len(texts), self._texts.size, len(content)))
        self._texts.append(content)
        self._lengths.append(np.fromiter(map(len, texts), dtype=np.int32, count=len(texts)))

    def add_signatures(self, signatures: Signatures) -> None:
        """Add the signatures of the first partition that has none yet."""
        self._sizes.append(signatures.sizes)
        self._words.append(signatures.words.tobytes())
        self._keys.append(signatures.keys.tobytes())

    def lengths(self) -> np.ndarray:
        """Return the number of characters of every text."""
        return np.concatenate(self._lengths)

    def texts(self, number: int) -> list[str]:
        """Return the texts of a partition."""
        partition = self.partitions[number]
        whole = self._texts.read(partition.start, partition.size).decode()
        ends = np.cumsum(self._lengths[number], dtype=np.int64).tolist()
        return [whole[start:end] for start, end in pairwise([0, *ends])]

    def signatures(self, rows: np.ndarray) -> "SpilledSignatures":
        """Return the signatures of the tickets with these numbers, which must ascend."""
        return SpilledSignatures(self.partitions, self._words, self._keys, np.concatenate(self._sizes), rows)


class SpilledSignatures:
    """A near_duplicates.SignatureStore whose words and keys are read when they are needed."""

    def __init__(
        self,
        partitions: list[SpilledPartition],
        words: AppendOnlyBuffer,
        keys: AppendOnlyBuffer,
        all_sizes: np.ndarray,
        rows: np.ndarray,
    ) -> None:
        """Restrict the signatures to the tickets with the numbers `rows`."""
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
        """Return the word sets of the texts with these numbers, one after the other; each text is read only once."""
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
    """Group ascending ranges for reading: a group ends before a large gap, or after WORDS_PER_READ words."""
    breaks = (starts[1:] - ends[:-1] > LARGEST_GAP) | (starts[1:] // WORDS_PER_READ != starts[:-1] // WORDS_PER_READ)
    places = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(starts)]
    yield from (slice(first, last) for first, last in pairwise(places))
