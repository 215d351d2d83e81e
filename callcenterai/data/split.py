"""Divide tickets into train, validation and test so that the parts stay comparable as tickets are appended."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

PARTS = ("train", "validation", "test")
# Larger groups of near-duplicates go to train: in test, such a group would be one question asked hundreds of times,
# and the largest group of a class can exceed the share of a part in that class.
LARGE_GROUP = 20
UNDECIDED = 255
ROWS_PER_CHUNK = 100_000


def split(draws: Sequence[float], labels: Sequence, groups: Sequence[int], shares: dict[str, float]) -> np.ndarray:
    """Return each ticket's part as an index into PARTS; a group stays in one part, each label has the given shares.

    A ticket goes to the part that its draw chooses, unless the parts of its label have drifted too far from their
    shares: then it goes to the part furthest behind (the "big stick" design of sequential trials: Soares and Wu 1983).
    Groups of more than LARGE_GROUP tickets go to train. Each decision depends on earlier tickets only, so appending
    tickets moves no old one, except where new tickets merge two old groups or make one large. Removing or inserting a
    ticket moves some later ones of its label (measured over 20 removals: 2.6% of 1,200 tickets on average, 0.5% of
    12,000).
    """
    # One byte for each group and ticket; a dictionary and a list would take a hundred.
    large = (np.bincount(np.asarray(groups, dtype=np.int64)) > LARGE_GROUP).tobytes()
    part_of_group = bytearray([UNDECIDED]) * len(large)
    counts: dict[Any, dict[str, int]] = defaultdict(lambda: dict.fromkeys(shares, 0))
    parts = bytearray()
    for chance, label, group in _rows(draws, labels, groups):
        if part_of_group[group] == UNDECIDED:
            part = PARTS[0] if large[group] else _choose(chance, counts[label], shares)
            part_of_group[group] = PARTS.index(part)
        parts.append(part_of_group[group])
        counts[label][PARTS[parts[-1]]] += 1
    return np.frombuffer(parts, dtype=np.uint8)


def _rows(*columns: Sequence) -> Iterator[tuple]:
    """Yield the rows of columns as plain Python values, converting one chunk at a time to save memory."""
    for start in range(0, len(columns[0]), ROWS_PER_CHUNK):
        yield from zip(*(np.asarray(each[start : start + ROWS_PER_CHUNK]).tolist() for each in columns), strict=True)


def free_groups(labels: Sequence, groups: Sequence[int]) -> Counter:
    """Count, for each label, the groups whose part `split` chooses for that label.

    Those are the groups that are not large and whose first ticket has the label. A label with at least as many of them
    as there are parts is in every part.
    """
    _, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    return Counter(np.asarray(labels)[first[sizes <= LARGE_GROUP]].tolist())


def draw(text: str, seed: int) -> float:
    """Return a number in [0, 1) that depends on the text and the seed alone."""
    digest = hashlib.blake2b(text.encode(), digest_size=8, salt=seed.to_bytes(16, "little")).digest()
    return int.from_bytes(digest, "big") / 2**64


def _choose(chance: float, have: dict[str, int], shares: dict[str, float]) -> str:
    # The first groups of a label go to one part each, so that even a small class is in every part.
    for part in shares:
        if not have[part]:
            return part
    total = sum(have.values()) + 1
    behind = {part: share * total - have[part] for part, share in shares.items()}
    furthest = max(behind, key=lambda part: behind[part])
    if behind[furthest] > 1 + total / 200:
        return furthest
    for part, share in shares.items():
        chance -= share
        if chance < 0:
            return part
    return part


def assign_folds(labels: np.ndarray, groups: np.ndarray, seed: int, count: int) -> np.ndarray:
    """Return the fold of each ticket, from 0 on: groups stay whole, and those of each class are dealt out evenly."""
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    _, class_of = np.unique(labels, return_inverse=True)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(first)), class_of[first]))
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(first)) % count
    return fold[group]
