"""The rows of a partition as columns: packed by the client that reads them, unpacked by the worker that scores them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

# Stands for a missing text, whose length cannot be negative.
MISSING = -1
NO_TEXT = "no_text"


class PackedTexts(NamedTuple):
    """Texts as one array of UTF-8 bytes, which Dask sends without copying, and the characters of each, int32 (n,)."""

    content: np.ndarray
    lengths: np.ndarray

    @classmethod
    def pack(cls, texts: Sequence[str | None]) -> "PackedTexts":
        """Return texts as arrays."""
        content = "".join([text or "" for text in texts]).encode()
        lengths = [MISSING if text is None else len(text) for text in texts]
        return cls(np.frombuffer(content, np.uint8), np.array(lengths, dtype=np.int32))

    def unpack(self) -> list[str | None]:
        """Return the texts."""
        # NumPy's types declare the buffer protocol for Python 3.12 and later only.
        whole = str(self.content, "utf-8")  # type: ignore[call-overload]
        ends = np.cumsum(np.maximum(self.lengths, 0), dtype=np.int64).tolist()
        texts: list[str | None] = [whole[start:end] for start, end in pairwise([0, *ends])]
        for place in np.flatnonzero(self.lengths == MISSING).tolist():
            texts[place] = None
        return texts


class UnreadableRow(NamedTuple):
    """The number of a row, why it cannot be read, and its beginning."""

    number: int
    reason: str
    raw: str


@dataclass
class Chunk:
    """Rows of one file: those that could be read as columns, and the others."""

    file: str
    numbers: np.ndarray
    texts: PackedTexts
    ids: PackedTexts
    unreadable: list[UnreadableRow]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.numbers) + len(self.unreadable)


@dataclass
class Partition:
    """Chunks that one task scores together."""

    chunks: list[Chunk] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self.chunks))


class RowColumns:
    """Rows as columns: file names, row numbers (1 is the first after a header), ids, and one more value for each."""

    def __init__(self) -> None:
        """Start without rows."""
        self.files: list[str] = []
        self.numbers: list[int] = []
        self.ids: list[str | None] = []
        self.values: list[str] = []
        # Of rejected rows: how they begin.
        self.raw: list[str] = []

    def add(self, file: str, number: int, id_: str | None, value: str, raw: str) -> None:
        """Add a rejected row."""
        self.extend(file, [number], [id_], [value])
        self.raw.append(raw)

    def extend(self, file: str, numbers: Sequence[int], ids: Sequence[str | None], values: Sequence[str]) -> None:
        """Add rows of a file."""
        self.files += [file] * len(numbers)
        self.numbers += numbers
        self.ids += ids
        self.values += values


def split_rows(partition: Partition) -> tuple[RowColumns, RowColumns]:
    """Return the tickets, whose values are their texts, and the rejected rows, whose values are the reasons."""
    tickets, rejected = RowColumns(), RowColumns()
    for chunk in partition.chunks:
        numbers, ids, texts = chunk.numbers.tolist(), chunk.ids.unpack(), chunk.texts.unpack()
        good = [place for place, text in enumerate(texts) if text and not text.isspace()]
        if len(good) == len(texts):
            tickets.extend(chunk.file, numbers, ids, [text or "" for text in texts])
        else:
            chosen = [numbers[n] for n in good], [ids[n] for n in good], [texts[n] or "" for n in good]
            tickets.extend(chunk.file, *chosen)
        bad = set(range(len(texts))).difference(good)
        found = [(numbers[n], ids[n], NO_TEXT, texts[n] or "") for n in bad]
        found += [(number, None, reason, raw) for number, reason, raw in chunk.unreadable]
        for number, id_, reason, raw in sorted(found, key=lambda row: row[0]):
            rejected.add(chunk.file, number, id_, reason, raw)
    return tickets, rejected
