"""Group near-duplicate texts in time that grows linearly with their number.

Two texts are near-duplicates when the Jaccard similarity of their word sets (shared words / all words) reaches a
threshold. Candidates come from MinHash with banding (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, chapter 3) and every candidate pair is then checked exactly, so nothing is grouped by the accident of a hash.
Groups are the connected components of those pairs.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

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


def fold(text: str) -> str:
    """Remove what the vectorizer does not see: case, accents (NFKD without combining marks)."""
    folded = text.lower()
    if folded.isascii():
        return folded
    return "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))


def word_sets(texts: Iterable[str]) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return which words each text holds, as a binary (n_texts, n_words) matrix, and a 64-bit hash of each word."""
    words: list[str] = []
    ends = [0]
    for text in texts:
        words.extend(set(WORD.findall(fold(text))))
        ends.append(len(words))
    codes, vocabulary = pd.factorize(np.array(words, dtype=object))
    matrix = sparse.csr_matrix(
        (np.ones(len(codes), dtype=np.int32), codes.astype(np.int32), np.array(ends)),
        shape=(len(ends) - 1, max(1, len(vocabulary))),
    )
    return matrix, pd.util.hash_array(np.asarray(vocabulary, dtype=object), categorize=False)


def near_duplicate_groups(
    texts: Sequence[str], similarity: float, progress: Callable[[Iterable[int]], Iterable[int]] = iter
) -> np.ndarray:
    """Return, for each text, the index of the first text of its group: an int array of shape (n_texts,).

    similarity is the Jaccard threshold in (0, 1]. A text without any word is a group of its own. `progress` wraps the
    iteration over bands, for a progress bar. Appending texts can join old groups but never splits one.
    """
    matrix, hashes = word_sets(texts)
    sizes = np.diff(matrix.indptr)
    filled = np.flatnonzero(sizes)
    edges = []
    for band in progress(range(BANDS)):
        left, right = _candidates(_band_keys(hashes, matrix.indices, matrix.indptr[filled], band))
        left, right = filled[left], filled[right]
        close = _jaccard(matrix, sizes, left, right) >= similarity - 1e-9
        edges.append(np.stack([left[close], right[close]]))
    joined = np.concatenate(edges, axis=1)
    graph = sparse.coo_matrix((np.ones(joined.shape[1], dtype=bool), joined), shape=(len(sizes), len(sizes)))
    _, component = sparse.csgraph.connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    return first[component]


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


def _candidates(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair each text with its bucket's first text and with the NEIGHBOURS before it in the bucket."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    new_bucket = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    first = np.maximum.accumulate(np.where(new_bucket, np.arange(len(keys)), 0))
    position = np.arange(len(keys))
    pairs = {0: first} | {step: position - step for step in range(1, NEIGHBOURS + 1)}
    left, right = [], []
    for step, other in pairs.items():
        valid = (other >= first) & (other < position) & ((step == 0) | (other > first))
        left.append(order[other[valid]])
        right.append(order[position[valid]])
    return np.concatenate(left), np.concatenate(right)


def _jaccard(matrix: sparse.csr_matrix, sizes: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the Jaccard similarity of each pair (left[i], right[i]) of rows."""
    shared = np.asarray(matrix[left].multiply(matrix[right]).sum(axis=1)).ravel()
    return shared / (sizes[left] + sizes[right] - shared)
