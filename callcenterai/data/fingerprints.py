"""What prepare computes of each text by itself, so that Dask workers can do it for parts of a large set.

The rest of prepare decides by these fingerprints, without the texts. Workers import this module and split.py: neither
may need more than numpy, pandas and scipy.

Words are known by 63 bits of their hash: among ten million different words, the chance that any two are taken for one
is 5 in a million.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from callcenterai.data.split import draw
from callcenterai.text.normal_form import UNSPACED, WORDS, WORDS_OR_CHARACTERS, normalize_text, strip_latin_accents
from callcenterai.text.plain_text import model_text

WORD, CHARACTER_OR_WORD = re.compile(WORDS), re.compile(WORDS_OR_CHARACTERS)
# MinHash bands, and hash functions in each; near_duplicates.py says what they achieve.
BANDS, ROWS = 24, 6


class Signatures(NamedTuple):
    """The word sets and MinHash keys of n texts.

    `sizes`, int32 of shape (n,), counts each text's different words; `words`, int64, holds the word sets one after
    the other, each ascending; `keys`, uint64 of shape (BANDS, n), are equal in some band for most near-duplicates.
    """

    sizes: np.ndarray
    words: np.ndarray
    keys: np.ndarray

    def band(self, number: int) -> np.ndarray:
        """Return one band's keys."""
        return self.keys[number]

    def words_of(self, texts: np.ndarray) -> np.ndarray:
        """Return the word sets of the texts with these numbers, one after the other."""
        return self.words[ranges((np.cumsum(self.sizes, dtype=np.int64) - self.sizes)[texts], self.sizes[texts])]


class Fingerprints(NamedTuple):
    """What is computed of n texts.

    `hashes`, uint64 of shape (n, 2), are equal where a model sees no difference; `draws`, float64 of shape (n,), come
    from split.draw.
    """

    hashes: np.ndarray
    draws: np.ndarray
    signatures: Signatures


def fingerprint(texts: Sequence[str], seed: int, clean: str = "none") -> Fingerprints:
    """Compute the fingerprints of texts, cleaned as plain_text does; a text's result does not depend on the others."""
    folded = [fold(text, clean) for text in texts]
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in folded)
    draws = np.array([draw(text, seed) for text in texts])
    return Fingerprints(np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2), draws, sign(folded))


def fold(text: str, clean: str = "none") -> str:
    """Remove what no model sees: case, white space and the form of a character, but no accents, which carry meaning."""
    return normalize_text(model_text(text, clean).lower())


def find_shingles(folded: str) -> set[str]:
    """Return the different words of a text; in scripts without spaces, each two characters in a row instead.

    Whole sentences would be words there, and two of them could never be nearly the same. Latin accents do not count:
    a model may be trained without them, and would then know a test ticket that was typed with other accents.
    """
    folded = strip_latin_accents(folded)
    if folded.isascii() or not UNSPACED.search(folded):
        return set(WORD.findall(folded))
    return {
        left + right if UNSPACED.match(left) and UNSPACED.match(right) else right
        for left, right in pairwise(["", *CHARACTER_OR_WORD.findall(folded)])
    }


def sign(folded: Sequence[str]) -> Signatures:
    """Return the signatures of texts that `fold` has returned."""
    codes, ends, hashes = _words(folded)
    sizes = np.diff(ends)
    filled = sizes > 0
    keys = np.zeros((BANDS, len(sizes)), dtype=np.uint64)
    if len(codes):
        for band in range(BANDS):
            keys[band, filled] = _band_keys(hashes, codes, ends[:-1][filled], band)
    # Columns are numbered by ascending hash, so that scipy, which sorts each row's columns, also sorts its words;
    # equal hashes count as one word.
    distinct, column = np.unique((hashes >> np.uint64(1)).astype(np.int64), return_inverse=True)
    ones = np.ones(len(codes), dtype=np.int8)
    matrix = sparse.csr_matrix((ones, column[codes], ends), shape=(len(sizes), max(1, len(distinct))))
    matrix.sum_duplicates()
    return Signatures(np.diff(matrix.indptr).astype(np.int32), distinct[matrix.indices], keys)


def _words(folded: Iterable[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the different words of each text as codes, one text after the other; where texts end; each code's hash."""
    words: list[str] = []
    ends = [0]
    for text in folded:
        words.extend(find_shingles(text))
        ends.append(len(words))
    codes, vocabulary = pd.factorize(np.array(words, dtype=object))
    return codes, np.array(ends), pd.util.hash_array(np.asarray(vocabulary, dtype=object), categorize=False)


def _band_keys(hashes: np.ndarray, words: np.ndarray, starts: np.ndarray, band: int) -> np.ndarray:
    """Return one 64-bit key for each text: its smallest word hash under each hash function of the band, mixed.

    Text i has the words starts[i] to starts[i + 1] - 1, at least one.
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


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return sizes[0] numbers from starts[0] on, then sizes[1] numbers from starts[1] on, and so forth."""
    ends = np.cumsum(sizes, dtype=np.int64)
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0)
