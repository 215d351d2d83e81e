"""What a fitted TfidfVectorizer makes of many texts at once, by numpy instead of a Python loop over n-grams.

The counterpart of features.NgramCounts, for a vocabulary that is known: each word becomes an integer, a pair of words
one number, and looking it up that of a hash table for all texts together. The matrix is the one that the vectorizer's
own transform returns (tests/test_fast_features.py compares them).
"""

import re
from collections.abc import Sequence
from itertools import chain, repeat

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from features import WORDS

# Word numbers and vocabulary prefixes stay below 2**31, so a pair of them fits into 63 bits.
SHIFT = np.int64(1) << 31
# For texts in ASCII, what finding WORDS makes of each byte: white space, but for the bytes of a word.
BLANKED = bytes(byte if re.match(WORDS, chr(byte)) else ord(" ") for byte in range(128)).ljust(256)


class FastTransformer:
    """A fitted vectorizer of words or of whatever its token pattern finds, as lookup tables."""

    def __init__(self, vectorizer: TfidfVectorizer) -> None:
        """Give each word of the vocabulary a number, and make the tables."""
        self._vectorizer = vectorizer
        self._preprocess = vectorizer.build_preprocessor()
        self._find = re.compile(vectorizer.token_pattern).findall
        grams = [term.split(" ") for term in vectorizer.vocabulary_]
        codes, words = pd.factorize(np.array(list(chain.from_iterable(grams)), dtype=object))
        self._word = {word: number for number, word in enumerate(words)}
        # Splitting bytes takes half the time of a regular expression.
        splits = vectorizer.token_pattern == WORDS
        self._ascii = (
            {word.encode(): number for word, number in self._word.items() if word.isascii()} if splits else None
        )
        columns = np.fromiter(vectorizer.vocabulary_.values(), dtype=np.int64)
        self._levels = _tables(codes, np.fromiter(map(len, grams), dtype=np.int64), columns)

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return the TF-IDF matrix, shape (n_texts, n_features)."""
        words: list[int] = []
        ends = np.zeros(len(texts) + 1, dtype=np.int64)
        find, preprocess, unknown = self._find, self._preprocess, repeat(-1)
        for number, text in enumerate(map(preprocess, texts), start=1):
            if self._ascii and text.isascii():
                words.extend(map(self._ascii.get, text.encode().translate(BLANKED).split(), unknown))
            else:
                words.extend(map(self._word.get, find(text), unknown))
            ends[number] = len(words)
        row, column = self._lookup(np.array(words, dtype=np.int64), ends)
        counts = sparse.csr_matrix(
            (np.ones(len(row)), (row, column)), shape=(len(texts), len(self._vectorizer.vocabulary_))
        )
        return self._vectorizer._tfidf.transform(counts, copy=False)

    def _lookup(self, words: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the text and the column of each n-gram that is in the vocabulary."""
        text_of = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        rows, columns = [], []
        begins = np.flatnonzero(words >= 0)
        grams = np.zeros(len(begins), dtype=np.int64)
        for size, (keys, column_of) in enumerate(self._levels, start=1):
            last = begins + size - 1
            # Within the same text, and a word that some n-gram has.
            inside = last < len(words)
            inside[inside] = (words[last[inside]] >= 0) & (text_of[last[inside]] == text_of[begins[inside]])
            begins, grams, last = begins[inside], grams[inside], last[inside]
            place = keys.get_indexer(grams * SHIFT + words[last])
            found = place >= 0
            begins, grams = begins[found], place[found]
            column = column_of[grams]
            rows.append(text_of[begins][column >= 0])
            columns.append(column[column >= 0])
        return np.concatenate(rows), np.concatenate(columns)


def _tables(codes: np.ndarray, sizes: np.ndarray, columns: np.ndarray) -> list[tuple[pd.Index, np.ndarray]]:
    """Return, for each size of n-gram, the keys and the column of each, -1 where it is a beginning alone.

    codes are the words' numbers, one n-gram after the other, each of so many. A key is the number of the n-gram without
    its last word, among those of its size, and the last word's number.
    """
    levels, starts, number = [], np.cumsum(sizes) - sizes, np.zeros(len(sizes), dtype=np.int64)
    for size in range(1, sizes.max() + 1):
        mine = np.flatnonzero(sizes >= size)
        keys, number[mine] = np.unique(number[mine] * SHIFT + codes[starts[mine] + size - 1], return_inverse=True)
        column_of = np.full(len(keys), -1)
        whole = sizes[mine] == size
        column_of[number[mine][whole]] = columns[mine][whole]
        levels.append((pd.Index(keys), column_of))
    return levels
