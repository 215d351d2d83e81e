"""The trained pipeline as plain arrays, for many texts at once, without scikit-learn, which takes seconds to import.

Its TF-IDF matrix and its probabilities equal the pipeline's to the last bit (tests/artifact compares them). Each word
becomes an integer, an n-gram one number made of its beginning and its last word, and numpy looks all of them up at once
instead of a Python loop over n-grams. services/tfidf/scorer.py does the same for one text at a time with numpy alone.
"""

import re
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit

from callcenterai.artifact.scorer_format import WORDS, Arrays
from callcenterai.data.fingerprints import fold

# Word numbers and vocabulary prefixes stay below 2**31, so a pair of them fits into 63 bits.
SHIFT = np.int64(1) << 31
# Maps every ASCII byte that is part of no word to a blank: splitting ASCII texts there takes half the time of WORDS.
BLANKED = bytes(byte if re.match(WORDS, chr(byte)) else ord(" ") for byte in range(128)).ljust(256)


class ArrayModel:
    """A calibrated linear classifier over TF-IDF features."""

    def __init__(self, arrays: Arrays) -> None:
        """Make the tables of each vectorizer."""
        self._arrays = arrays
        ends = np.cumsum([settings["features"] for settings in arrays.vectorizers])
        self._vectorizers = [
            FastVectorizer(settings, arrays.terms[end - settings["features"] : end], idf)
            for settings, end, idf in zip(arrays.vectorizers, ends, np.split(arrays.idf, ends[:-1]), strict=True)
        ]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probabilities, shape (n_texts, n_labels), in the order of the archive's labels."""
        arrays, blocks = self._arrays, [vectorizer.transform(texts) for vectorizer in self._vectorizers]
        features = blocks[0] if len(blocks) == 1 else sparse.hstack(blocks, format="csr")
        margins = features @ arrays.coefficients + arrays.intercepts
        if arrays.calibration == "temperature":
            return _softmax(margins, arrays.calibrators[0, 0])
        slopes, offsets = arrays.calibrators.T
        return _normalize(expit(-(slopes * margins + offsets)))


class FastVectorizer:
    """A fitted TfidfVectorizer as lookup tables."""

    def __init__(self, settings: dict[str, Any], terms: list[str], idf: np.ndarray) -> None:
        """Make the tables; settings come from scorer_format.settings_of, terms and idf are in column order."""
        self._find = re.compile(settings["token_pattern"]).findall
        self._sublinear, self._idf = settings["sublinear_tf"], idf
        grams = [term.split(" ") for term in terms]
        codes, words = pd.factorize(np.array(list(chain.from_iterable(grams)), dtype=object))
        self._word = {word: number for number, word in enumerate(words)}
        known = self._word if settings["token_pattern"] == WORDS else {}
        self._ascii = {word.encode(): number for word, number in known.items() if word.isascii()}
        self._levels = _tables(codes, np.fromiter(map(len, grams), dtype=np.int64))

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return the TF-IDF matrix, shape (n_texts, n_features)."""
        words: list[int] = []
        ends = np.zeros(len(texts) + 1, dtype=np.int64)
        unknown = repeat(-1)
        for number, text in enumerate(map(fold, texts), start=1):
            if self._ascii and text.isascii():
                words.extend(map(self._ascii.get, text.encode().translate(BLANKED).split(), unknown))
            else:
                words.extend(map(self._word.get, self._find(text), unknown))
            ends[number] = len(words)
        row, column = self._lookup(np.array(words, dtype=np.int64), ends)
        return self._weigh(sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(len(texts), len(self._idf))))

    def _weigh(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Return counts as TF-IDF, each row of length 1."""
        weights = np.log(counts.data) + 1.0 if self._sublinear else counts.data
        weights = weights * self._idf.take(counts.indices)
        row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        lengths = np.sqrt(np.bincount(row, weights=weights * weights, minlength=counts.shape[0]))
        lengths[lengths == 0] = 1.0
        counts.data = weights / lengths[row]
        return counts

    def _lookup(self, words: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the text and the column of each n-gram that is in the vocabulary."""
        text_of = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        rows, columns = [], []
        begins = np.flatnonzero(words >= 0)
        grams = np.zeros(len(begins), dtype=np.int64)
        for size, (keys, column_of) in enumerate(self._levels, start=1):
            last = begins + size - 1
            # Keep n-grams that end in the same text with a word of the vocabulary.
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


def _softmax(margins: np.ndarray, beta: float) -> np.ndarray:
    logits = beta * (np.hstack([-margins, margins]) if margins.shape[1] == 1 else margins)
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


def _normalize(values: np.ndarray) -> np.ndarray:
    """Return probabilities that sum to 1, from those of each class against all others."""
    if values.shape[1] == 1:
        return np.hstack([1.0 - values, values])
    total = values.sum(axis=1, keepdims=True)
    return np.divide(values, total, out=np.full_like(values, 1 / values.shape[1]), where=total != 0)


def _tables(codes: np.ndarray, sizes: np.ndarray) -> list[tuple[pd.Index, np.ndarray]]:
    """Return, for each size of n-gram, the keys and the column of each, -1 where it only begins a longer one.

    codes are the word numbers of all n-grams, one after the other; sizes says how many words each has. A key joins the
    number of the n-gram without its last word, among those of that size, and the number of the last word.
    """
    levels, starts, number = [], np.cumsum(sizes) - sizes, np.zeros(len(sizes), dtype=np.int64)
    for size in range(1, sizes.max() + 1):
        mine = np.flatnonzero(sizes >= size)
        keys, number[mine] = np.unique(number[mine] * SHIFT + codes[starts[mine] + size - 1], return_inverse=True)
        column_of = np.full(len(keys), -1)
        whole = np.flatnonzero(sizes == size)
        column_of[number[whole]] = whole
        levels.append((pd.Index(keys), column_of))
    return levels
