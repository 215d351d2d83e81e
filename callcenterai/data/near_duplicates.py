"""Group near-duplicate texts in time that grows linearly with their number, without the texts.

Two texts are near-duplicates when the Jaccard similarity of their word sets (shared words / all words) reaches a
threshold. Candidates come from MinHash with banding (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, chapter 3); then the word sets of every candidate pair are compared. Groups are the connected components of
the pairs that reach the threshold.

With the 24 bands of 6 rows in fingerprints.py, a pair of similarity s is a candidate with probability
1 - (1 - s^6)^24: that is 99.9% at s = 0.8, still 95% at 0.7, and 31% at 0.5, where a candidate only costs a comparison.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
from scipy import sparse

from callcenterai.data.fingerprints import BANDS

# Within a bucket, a text is compared to the bucket's first text and to this many before it, never to all of them:
# that keeps the work linear, and a pair that one band misses can be found in 23 others.
NEIGHBOURS = 3
# How many words are compared at once, which bounds the memory: the larger of a fixed number and a number for each text.
# Each round reads all words once, so with a fixed number alone the number of such reads would grow with the texts.
WORDS_AT_ONCE, WORDS_OF_A_TEXT = 1_000_000, 2


class SignatureStore(Protocol):
    """The signatures of n texts, in memory or on disk."""

    @property
    def sizes(self) -> np.ndarray:
        """How many different words each text has, of shape (n,)."""

    def band(self, number: int) -> np.ndarray:
        """Return one band's keys, uint64 of shape (n,)."""

    def words_of(self, texts: np.ndarray) -> np.ndarray:
        """Return the word sets of the texts with these numbers, one after the other, each ascending."""


def near_duplicate_groups(
    signatures: SignatureStore, similarity: float, progress: Callable[[Iterable[int]], Iterable[int]] = iter
) -> np.ndarray:
    """Return, for each text, the number of the first text of its group: an int array of shape (n,).

    similarity is the Jaccard threshold in (0, 1]. A text without any word is a group of its own. `progress` wraps the
    iteration over bands, for a progress bar. Appending texts can merge old groups but never splits one.
    """
    filled = np.flatnonzero(signatures.sizes)
    group = np.arange(len(signatures.sizes))
    for band in progress(range(BANDS)):
        for left, right in _candidates(signatures.band(band)[filled]):
            left, right = _worth_checking(signatures.sizes, group, filled[left], filled[right], similarity)
            if len(left):
                close = _jaccard(signatures, left, right) >= similarity - 1e-9
                group = _merge(group, left[close], right[close])
    return group


def _worth_checking(
    sizes: np.ndarray, group: np.ndarray, left: np.ndarray, right: np.ndarray, similarity: float
) -> tuple[np.ndarray, np.ndarray]:
    """Leave out pairs that are in one group already, and sets whose sizes differ too much to reach the similarity."""
    apart = group[left] != group[right]
    left, right = left[apart], right[apart]
    smaller, larger = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
    possible = smaller / larger >= similarity - 1e-9
    return left[possible], right[possible]


def _candidates(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pair each text with its bucket's first text, then with each of the NEIGHBOURS before it in the bucket."""
    order = np.argsort(keys, kind="stable")
    first = _starts(keys[order])
    later = np.flatnonzero(first < np.arange(len(keys)))
    yield order[first[later]], order[later]
    for step in range(1, NEIGHBOURS + 1):
        later = np.flatnonzero(np.arange(len(keys)) - step > first)
        yield order[later - step], order[later]


def _starts(ordered: np.ndarray) -> np.ndarray:
    """Return, for each position in sorted keys, the position where its key first occurs."""
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    return np.maximum.accumulate(np.where(new, np.arange(len(ordered)), 0))


def _jaccard(signatures: SignatureStore, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the Jaccard similarity of each pair (left[i], right[i]) of texts."""
    a, b = signatures.sizes[left].astype(np.int64), signatures.sizes[right].astype(np.int64)
    block = np.cumsum(a + b) // max(WORDS_AT_ONCE, WORDS_OF_A_TEXT * len(signatures.sizes))
    shared = np.zeros(len(left), dtype=np.int64)
    for pairs in np.split(np.arange(len(left)), np.flatnonzero(np.diff(block)) + 1):
        words = signatures.words_of(np.concatenate([left[pairs], right[pairs]]))
        ends = np.cumsum(np.concatenate([[0], a[pairs], b[pairs]]))
        shared[pairs] = _common(words, ends[: len(pairs) + 1], ends[len(pairs) :])
    return shared / (a + b - shared)


def _common(words: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return, for each i, how many words two sets share.

    The sets are the words from left[i] to left[i + 1] and those from right[i] to right[i + 1].
    """
    shape = (len(left) - 1, np.iinfo(np.int64).max)
    one, other = (
        sparse.csr_matrix((np.ones(ends[-1] - ends[0], np.int8), words[ends[0] : ends[-1]], ends - ends[0]), shape)
        for ends in (left, right)
    )
    return np.diff(one.multiply(other).indptr)


def _merge(group: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the groups after merging those of left[i] and right[i], for each i; the first text names a group."""
    if not len(left):
        return group
    groups, place = np.unique(np.concatenate([group[left], group[right]]), return_inverse=True)
    edges = np.ones(len(left), dtype=bool), (place[: len(left)], place[len(left) :])
    _, joined = sparse.csgraph.connected_components(sparse.coo_matrix(edges, (len(groups),) * 2), directed=False)
    _, first = np.unique(joined, return_index=True)
    name = np.arange(len(group))
    name[groups] = groups[first[joined]]
    return name[group]
