"""The trained pipeline as plain arrays, for many texts at once, without scikit-learn, which takes seconds to import.

Its TF-IDF matrix and its probabilities equal the pipeline's to the last bit (tests/artifact compares them). Each word
or character becomes an integer, an n-gram one number made of its beginning and its last token, and numpy looks all of
them up at once instead of a Python loop over n-grams. services/tfidf/scorer.py does the same for one text at a time
with numpy alone.
"""

import re
import sys
import unicodedata
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit, softmax

from callcenterai.artifact.scorer_format import Arrays
from callcenterai.text.normal_form import WORDS

# Token numbers and vocabulary prefixes stay below 2**31, so a pair of them fits into 63 bits.
SHIFT = np.int64(1) << 31
# Maps each ASCII byte that is part of no word to a blank: splitting ASCII texts there takes half the time of a pattern.
BLANKED = bytes(byte if re.match(r"\w", chr(byte)) else ord(" ") for byte in range(128)).ljust(256)
# The token patterns of today's models and of older ones; in ASCII both find the same words.
ALL_WORDS = (WORDS, r"\w+")
# As in scikit-learn: only two blanks or more become one.
SPACES = re.compile(r"\s\s+")
UTF32 = f"utf-32-{sys.byteorder[0]}e"


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
        return self.predict_known(texts)[0]

    def predict_known(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities and, bool of shape (n_texts,), whether the model knows anything of each text."""
        arrays, blocks = self._arrays, [vectorizer.transform(texts) for vectorizer in self._vectorizers]
        features = blocks[0] if len(blocks) == 1 else sparse.hstack(blocks, format="csr")
        margins = features @ arrays.coefficients + arrays.intercepts
        known = np.diff(features.indptr) > 0
        if arrays.calibration == "temperature":
            return _softmax(margins, arrays.calibrators[0, 0]), known
        slopes, offsets = arrays.calibrators.T
        probabilities = _normalize(expit(-(slopes * margins + offsets)))
        if arrays.scaling is not None:
            probabilities = softmax(arrays.scaling[0] * np.log(probabilities) + arrays.scaling[1:], axis=1)
        return probabilities, known


class FastVectorizer:
    """A fitted TfidfVectorizer as lookup tables."""

    def __init__(self, settings: dict[str, Any], terms: list[str], idf: np.ndarray) -> None:
        """Make the tables; settings come from scorer_format.settings_of, terms and idf are in column order."""
        self._sublinear, self._idf = settings["sublinear_tf"], idf
        self._plain = _without_accents if settings["strip_accents"] else str.lower
        self._analyzer = settings["analyzer"]
        self._find = re.compile(settings["token_pattern"]).findall
        grams = [term.split(" ") if self._analyzer == "word" else list(term) for term in terms]
        codes, tokens = pd.factorize(np.array(list(chain.from_iterable(grams)), dtype=object))
        self._number = {token: number for number, token in enumerate(tokens)}
        known = self._number if self._analyzer == "word" and settings["token_pattern"] in ALL_WORDS else {}
        self._ascii = {word.encode(): number for word, number in known.items() if word.isascii()}
        self._levels = _tables(codes, np.fromiter(map(len, grams), dtype=np.int64))

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return the TF-IDF matrix, shape (n_texts, n_features)."""
        plain = list(map(self._plain, texts))
        numbers, ends = self._number_words(plain) if self._analyzer == "word" else self._number_characters(plain)
        row, column = self._lookup(numbers, ends)
        return self._weigh(sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(len(texts), len(self._idf))))

    def _number_words(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the words of all texts as numbers, -1 for unknown ones, and where each text begins and ends."""
        words: list[int] = []
        ends = np.zeros(len(texts) + 1, dtype=np.int64)
        unknown = repeat(-1)
        for number, text in enumerate(texts, start=1):
            if self._ascii and text.isascii():
                words.extend(map(self._ascii.get, text.encode().translate(BLANKED).split(), unknown))
            else:
                words.extend(map(self._number.get, self._find(text), unknown))
            ends[number] = len(words)
        return np.array(words, dtype=np.int64), ends

    def _number_characters(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the characters of all texts as numbers in the same way; no n-gram goes beyond a word's blanks."""
        if self._analyzer == "char_wb":
            shown = [f" {' '.join(text.split())} " if text.strip() else "" for text in texts]
        else:
            shown = [SPACES.sub(" ", text) for text in texts]
        ends = np.concatenate([[0], np.cumsum(np.fromiter(map(len, shown), dtype=np.int64, count=len(shown)))])
        codes = np.frombuffer("".join(shown).encode(UTF32, "surrogatepass"), dtype=np.uint32)
        different, place = np.unique(codes, return_inverse=True)
        numbers = np.array([self._number.get(chr(code), -1) for code in different], dtype=np.int64)
        return numbers[place] if len(numbers) else np.empty(0, dtype=np.int64), ends

    def _weigh(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Return counts as TF-IDF, each row of length 1."""
        weights = np.log(counts.data) + 1.0 if self._sublinear else counts.data
        weights = weights * self._idf.take(counts.indices)
        row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        lengths = np.sqrt(np.bincount(row, weights=weights * weights, minlength=counts.shape[0]))
        lengths[lengths == 0] = 1.0
        counts.data = weights / lengths[row]
        return counts

    def _lookup(self, tokens: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the text and the column of each n-gram that is in the vocabulary."""
        text_of = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        rows, columns = [], []
        begins = np.flatnonzero(tokens >= 0)
        grams = np.zeros(len(begins), dtype=np.int64)
        for size, (keys, column_of) in enumerate(self._levels, start=1):
            last = begins + size - 1
            # Keep n-grams that end in the same text with a known token.
            inside = last < len(tokens)
            inside[inside] = (tokens[last[inside]] >= 0) & (text_of[last[inside]] == text_of[begins[inside]])
            begins, grams, last = begins[inside], grams[inside], last[inside]
            place = keys.get_indexer(grams * SHIFT + tokens[last])
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


def _without_accents(text: str) -> str:
    """Return a text in lower case and without accents, as a vectorizer with strip_accents="unicode" sees it."""
    text = text.lower()
    if text.isascii():
        return text
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


def _tables(codes: np.ndarray, sizes: np.ndarray) -> list[tuple[pd.Index, np.ndarray]]:
    """Return, for each size of n-gram, the keys and the column of each, -1 where it only begins a longer one.

    codes are the token numbers of all n-grams, one after the other; sizes says how many tokens each has. A key joins
    the number of the n-gram without its last token, among those of that size, and the number of the last token.
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
