"""Group near-duplicate texts in time that grows linearly with their number, without the texts.

Two texts are near-duplicates when the Jaccard similarity of their word sets (shared words / all words) reaches a
threshold. Candidates come from MinHash with banding (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, chapter 3) and every candidate pair is then checked on its word sets. Groups are the connected components of
those pairs.

What is needed of a text is computed from it alone, so that partitions of a large set can be read one after the other,
anywhere. Words are known by 63 bits of their hash: among ten million different words, the chance that any two are
taken for one is 5 in a million.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy import sparse

WORD = re.compile(r"\w+")
# 24 bands of 6 rows: a pair is a candidate with probability 1 - (1 - s^6)^24, which is 99.9% at s = 0.8, still 95%
# at 0.7, and 31% at 0.5 (such pairs only cost a check).
BANDS, ROWS = 24, 6
# Within a bucket a text is compared to the bucket's first text and to this many before it, never to all of them:
# that keeps the work linear, and a pair missed in one band has 23 more to be found in.
NEIGHBOURS = 3
# Pairs are checked so many words at a time, which bounds the memory; or so many a text, if that is more: each time
# costs a walk through all words, so that a fixed number would be more walks the more texts there are.
WORDS_AT_ONCE, WORDS_OF_A_TEXT = 1_000_000, 2


class Signed(Protocol):
    """What grouping asks of texts, wherever it is kept."""

    @property
    def sizes(self) -> np.ndarray:
        """How many different words each text has, of shape (n_texts,)."""

    def band(self, number: int) -> np.ndarray:
        """Return one band's keys, uint64 of shape (n_texts,)."""

    def words_of(self, texts: np.ndarray) -> np.ndarray:
        """Return the word sets of the texts with these numbers, one after the other; each ascends."""


class Signatures(NamedTuple):
    """Of some texts: sizes, int32 of shape (n,), all words one after the other, int64, and keys, uint64 (BANDS, n)."""

    sizes: np.ndarray
    words: np.ndarray
    keys: np.ndarray

    def band(self, number: int) -> np.ndarray:
        """Return one band's keys."""
        return self.keys[number]

    def words_of(self, texts: np.ndarray) -> np.ndarray:
        """Return the word sets of the texts with these numbers, one after the other."""
        return self.words[ranges((np.cumsum(self.sizes, dtype=np.int64) - self.sizes)[texts], self.sizes[texts])]


def fold(text: str) -> str:
    """Remove what the vectorizer does not see: case, accents (NFKD without combining marks)."""
    folded = text.lower()
    if folded.isascii():
        return folded
    return "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))


def sign(folded: Sequence[str]) -> Signatures:
    """Return the signatures of texts that fold has folded."""
    codes, ends, hashes = _words(folded)
    sizes = np.diff(ends)
    filled = sizes > 0
    keys = np.zeros((BANDS, len(sizes)), dtype=np.uint64)
    if len(codes):
        for band in range(BANDS):
            keys[band, filled] = _band_keys(hashes, codes, ends[:-1][filled], band)
    # Columns ascend with the hash, so that each row's words do once scipy has sorted them; the same hash is one word.
    distinct, column = np.unique((hashes >> np.uint64(1)).astype(np.int64), return_inverse=True)
    ones = np.ones(len(codes), dtype=np.int8)
    matrix = sparse.csr_matrix((ones, column[codes], ends), shape=(len(sizes), max(1, len(distinct))))
    matrix.sum_duplicates()
    return Signatures(np.diff(matrix.indptr).astype(np.int32), distinct[matrix.indices], keys)


def _words(folded: Iterable[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the different words of each text, one text after the other, as codes; where each ends; a code's hash."""
    words: list[str] = []
    ends = [0]
    for text in folded:
        words.extend(set(WORD.findall(text)))
        ends.append(len(words))
    codes, vocabulary = pd.factorize(np.array(words, dtype=object))
    return codes, np.array(ends), pd.util.hash_array(np.asarray(vocabulary, dtype=object), categorize=False)


def _band_keys(hashes: np.ndarray, words: np.ndarray, starts: np.ndarray, band: int) -> np.ndarray:
    """Return one 64-bit key a text: its smallest word hash under each of the band's ROWS hash functions, mixed.

    Text i holds the words starts[i] to starts[i + 1] - 1, of which there is at least one.
    """
    keys = np.zeros(len(starts), dtype=np.uint64)
    for row in range(ROWS):
        salt = np.uint64((band * ROWS + row + 1) * 0x9E3779B97F4A7C15 % 2**64)
        keys = _mix(keys ^ np.minimum.reduceat(_mix(hashes + salt)[words], starts))
    return keys


def _mix(value: np.ndarray) -> np.ndarray:
    """Finish a 64-bit hash (SplitMix64: Steele, Lea, Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def near_duplicate_groups(
    signed: Signed, similarity: float, progress: Callable[[Iterable[int]], Iterable[int]] = iter
) -> np.ndarray:
    """Return, for each text, the number of the first text of its group: an int array of shape (n_texts,).

    similarity is the Jaccard threshold in (0, 1]. A text without any word is a group of its own. `progress` wraps the
    iteration over bands, for a progress bar. Appending texts can join old groups but never splits one.
    """
    filled = np.flatnonzero(signed.sizes)
    group = np.arange(len(signed.sizes))
    for band in progress(range(BANDS)):
        for left, right in _candidates(signed.band(band)[filled]):
            left, right = _worth_checking(signed.sizes, group, filled[left], filled[right], similarity)
            if len(left):
                close = _jaccard(signed, left, right) >= similarity - 1e-9
                group = _join(group, left[close], right[close])
    return group


def _worth_checking(
    sizes: np.ndarray, group: np.ndarray, left: np.ndarray, right: np.ndarray, similarity: float
) -> tuple[np.ndarray, np.ndarray]:
    """Leave out the pairs of one group, which join nothing, and sets whose sizes differ too much to be similar."""
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
    """Return for each place in ordered keys where the same key is first."""
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    return np.maximum.accumulate(np.where(new, np.arange(len(ordered)), 0))


def _jaccard(signed: Signed, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the Jaccard similarity of each pair (left[i], right[i]) of texts."""
    a, b = signed.sizes[left].astype(np.int64), signed.sizes[right].astype(np.int64)
    block = np.cumsum(a + b) // max(WORDS_AT_ONCE, WORDS_OF_A_TEXT * len(signed.sizes))
    shared = np.zeros(len(left), dtype=np.int64)
    for pairs in np.split(np.arange(len(left)), np.flatnonzero(np.diff(block)) + 1):
        words = signed.words_of(np.concatenate([left[pairs], right[pairs]]))
        ends = np.cumsum(np.concatenate([[0], a[pairs], b[pairs]]))
        shared[pairs] = _common(words, ends[: len(pairs) + 1], ends[len(pairs) :])
    return shared / (a + b - shared)


def _common(words: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return how many words each two ascending sets share: left[i] to left[i + 1], right[i] to right[i + 1]."""
    shape = (len(left) - 1, np.iinfo(np.int64).max)
    one, other = (
        sparse.csr_matrix((np.ones(ends[-1] - ends[0], np.int8), words[ends[0] : ends[-1]], ends - ends[0]), shape)
        for ends in (left, right)
    )
    return np.diff(one.multiply(other).indptr)


def _join(group: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the groups after those of left[i] and right[i] have become one, named by the first text of all."""
    if not len(left):
        return group
    groups, place = np.unique(np.concatenate([group[left], group[right]]), return_inverse=True)
    edges = np.ones(len(left), dtype=bool), (place[: len(left)], place[len(left) :])
    _, joined = sparse.csgraph.connected_components(sparse.coo_matrix(edges, (len(groups),) * 2), directed=False)
    _, first = np.unique(joined, return_index=True)
    name = np.arange(len(group))
    name[groups] = groups[first[joined]]
    return name[group]


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return starts[0], starts[0] + 1, ... of sizes[0] numbers, then those of starts[1], and so on."""
    ends = np.cumsum(sizes, dtype=np.int64)
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0)
