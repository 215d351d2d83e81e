"""TF-IDF features: ordinary scikit-learn vectorizers, fitted from n-gram counts made by numpy (counting.py).

The result is the same vocabulary_, idf_ and matrix (tests/tfidf/test_features.py compares them), handed to ordinary
fitted vectorizers that take texts from then on. Counting once also serves several fits: on folds of train, on train,
and on train and validation. The matrix is changed in place, since a copy would take more memory than all texts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import xlogy
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import normalize

from callcenterai.core.params import TrainTfidfParameters
from callcenterai.text.normal_form import WORDS
from callcenterai.tfidf.counting import count_ngrams

ROWS_AT_ONCE = 50_000
# Cells of a dense block, which bounds the memory of class_spread.
CELLS_AT_ONCE = 4_000_000
# What each vectorizer counts: scikit-learn's analyzer, and how many characters its n-grams have.
CHARACTERS: dict[str, dict[str, Any]] = {
    "characters": {"analyzer": "char", "ngram_range": (1, 4)},
    "characters_in_words": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}
# The vectorizers of each value of train_tfidf.features.
VECTORIZERS = {
    "words": ("words",),
    "characters": ("characters",),
    "characters_in_words": ("characters_in_words",),
    "all_characters": ("characters", "characters_in_words"),
    "both": ("words", "characters_in_words"),
}


def make_vectorizers(params: TrainTfidfParameters) -> dict[str, TfidfVectorizer]:
    """Return the unfitted vectorizers of parameters without auto, by name."""
    settings: dict[str, Any] = {
        "strip_accents": "unicode" if params.accents == "strip" else None,
        "min_df": params.min_df,
        "max_features": params.max_features,
        "sublinear_tf": params.sublinear_tf,
    }
    words = {"token_pattern": WORDS, "ngram_range": tuple(params.ngram_range)}
    return {
        name: TfidfVectorizer(**settings, **(words if name == "words" else CHARACTERS[name]))
        for name in VECTORIZERS[params.features]
    }


def join_vectorizers(vectorizers: dict[str, TfidfVectorizer]) -> TfidfVectorizer | FeatureUnion:
    """Return one transformer of raw texts: the only vectorizer itself, or the union of several."""
    if len(vectorizers) == 1:
        return next(iter(vectorizers.values()))
    return FeatureUnion(list(vectorizers.items()))


class NgramCounts:
    """The n-gram counts of all texts by one vectorizer, counted once, from which it can be fitted on any rows."""

    def __init__(self, vectorizer: TfidfVectorizer, texts: Sequence[str]) -> None:
        """Count the n-grams of all texts with the vectorizer's own preprocessing and token pattern."""
        self._vectorizer = vectorizer
        self._counts, self._members, tokens = count_ngrams(vectorizer, texts)
        # The empty string pads n-grams that are shorter than the longest.
        self._tokens = np.array([*tokens, ""], dtype=object)
        # Order by token gives the order of the joined strings, since a space sorts before every character of a word.
        place = np.argsort(np.argsort(self._tokens))
        self._order = np.lexsort([place[each] for each in self._members.T[::-1]])
        self._kept, self._idf = self._order[:0], np.empty(0)

    def fit(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Choose and weight n-grams by the texts numbered `rows`; return the TF-IDF matrix of *all* texts.

        Raises a ValueError when no n-gram is left (every text empty, or min_df too high).
        """
        settings = self._vectorizer
        document_frequency = _sum_columns(self._counts, rows, in_texts=True)
        kept = self._order[document_frequency[self._order] >= settings.min_df]
        if not len(kept):
            raise ValueError(f"no word or character occurs in at least {settings.min_df} texts")
        if settings.max_features is not None and len(kept) > settings.max_features:
            counts = _sum_columns(self._counts, rows, in_texts=False)[kept]
            kept = kept[np.sort((-counts).argsort()[: settings.max_features])]
        self._kept = kept
        self._idf = _log((1 + len(rows)) / (1 + document_frequency[kept])) + 1
        matrix = self._counts[:, kept]
        # matrix.astype would sort each row, and the order of a sum decides the model's last bits.
        matrix.data = matrix.data.astype(np.float64)
        transformer = TfidfTransformer(sublinear_tf=settings.sublinear_tf)
        transformer.idf_ = self._idf
        return transformer.transform(matrix, copy=False)

    def weight(self, matrix: sparse.csr_matrix, weight: np.ndarray) -> sparse.csr_matrix:
        """Multiply the matrix that fit returned by a weight for each feature, in place, and normalize it again."""
        self._idf = self._idf * weight
        matrix.data *= weight[matrix.indices]
        matrix.sort_indices()
        return normalize(matrix, copy=False)

    def fitted_vectorizer(self) -> TfidfVectorizer:
        """Return the vectorizer with the result of the last fit: an ordinary one that takes raw texts.

        The n-grams become strings only here, because strings take more memory than their counts.
        """
        members = zip(*(self._tokens[each] for each in self._members[self._kept].T), strict=True)
        words = self._vectorizer.analyzer == "word"
        names = (" ".join(each).rstrip(" ") for each in members) if words else map("".join, members)
        self._vectorizer.vocabulary_ = {name: number for number, name in enumerate(names)}
        self._vectorizer.fixed_vocabulary_ = False
        self._vectorizer.idf_ = self._idf
        return self._vectorizer


def _log(values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the natural logarithm, the same to the last bit on every processor of an architecture.

    np.log (NumPy 2.4) has other last bits on processors with AVX-512, and with them the hash of the model would differ.
    """
    return xlogy(1.0, values, out=out)


def _sum_columns(matrix: sparse.csr_matrix, rows: np.ndarray, in_texts: bool) -> np.ndarray:
    """Return in how many of these rows each n-gram occurs or, without in_texts, how often."""
    total = np.zeros(matrix.shape[1])
    # A stretch of rows at a time: indexing with all of them would copy the whole matrix.
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = matrix[rows[start : start + ROWS_AT_ONCE]]
        total += np.bincount(part.indices, None if in_texts else part.data, minlength=len(total))
    return total


def class_spread(matrix: sparse.csr_matrix, rows: np.ndarray, labels: np.ndarray, power: float) -> np.ndarray:
    """Return a weight for each feature that says how unevenly the classes use it, learned from `rows` alone.

    The weight is the standard deviation, over the classes, of the log-count ratio between a class and all others
    (Wang and Manning 2012, "Baselines and Bigrams", equation 1, with TF-IDF for counts), divided by its mean and
    raised to `power`.
    """
    counts = _sum_by_class(matrix, rows, labels)
    of_class, of_feature = (np.asarray(counts.sum(axis=axis)).ravel() for axis in (1, 0))
    # One is added to each count, in the class and outside.
    inside = _log(of_class + counts.shape[1])[:, np.newaxis]
    outside = _log(of_class.sum() - of_class + counts.shape[1])[:, np.newaxis]
    spread = np.empty(counts.shape[1])
    step = max(1, CELLS_AT_ONCE // counts.shape[0])
    for start in range(0, len(spread), step):
        block = counts[:, start : start + step].toarray()
        others = of_feature[start : start + step] - block
        ratio = (_log(block + 1) - inside) - (_log(others + 1) - outside)
        spread[start : start + step] = ratio.std(axis=0)
    return (spread / spread.mean()) ** power if spread.any() else np.ones_like(spread)


def _sum_by_class(matrix: sparse.csr_matrix, rows: np.ndarray, labels: np.ndarray) -> sparse.csc_matrix:
    """Return the summed features of each class, shape (n_classes, n_features)."""
    classes, class_of = np.unique(labels, return_inverse=True)
    summed = sparse.csr_matrix((len(classes), matrix.shape[1]))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        size = len(rows[part])
        member = sparse.csr_matrix((np.ones(size), (class_of[part], np.arange(size))), shape=(len(classes), size))
        summed = summed + member @ matrix[rows[part]]
    return summed.tocsc()
