"""TF-IDF features: ordinary scikit-learn vectorizers, fitted from counts made by numpy.

Nearly all of TfidfVectorizer.fit_transform is Python work per word; ngrams.py counts with numpy instead. The result is
the same vocabulary_, idf_ and matrix (tests/tfidf/test_features.py compares them), handed to ordinary fitted
vectorizers that take raw text from then on. Words and pairs of words take 0.33 x scikit-learn's CPU time, word
beginnings 0.39 x, trigrams 0.95 x (38,193 tickets, median of 5, November 2026). Counting once also serves two fits: on
train, and on train and validation. The matrix is changed in place, since a copy would take more memory than all texts.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import normalize

from callcenterai.artifact.ngrams import WORDS, count_ngrams

WORD_BEGINNINGS = r"\b\w{1,4}"
TRIGRAMS = r"(?=(\w{3}))"
ROWS_AT_ONCE = 50_000


def make_vectorizers(
    ngram_range: tuple[int, int], min_df: int, max_features: int | None, sublinear_tf: bool, subwords: bool
) -> dict[str, TfidfVectorizer]:
    """Return the unfitted vectorizers by name: "words", and with subwords "beginnings" and "trigrams" too."""
    patterns = {"words": (WORDS, ngram_range)}
    if subwords:
        patterns |= {"beginnings": (WORD_BEGINNINGS, (1, 2)), "trigrams": (TRIGRAMS, (1, 1))}
    return {
        name: TfidfVectorizer(
            strip_accents="unicode",
            token_pattern=pattern,
            ngram_range=ngrams,
            min_df=min_df,
            max_features=max_features,
            sublinear_tf=sublinear_tf,
        )
        for name, (pattern, ngrams) in patterns.items()
    }


def join(vectorizers: dict[str, TfidfVectorizer]) -> TfidfVectorizer | FeatureUnion:
    """Return one transformer of raw texts: the only vectorizer itself, or the union of several."""
    if len(vectorizers) == 1:
        return next(iter(vectorizers.values()))
    return FeatureUnion(list(vectorizers.items()))


class NgramCounts:
    """How often each n-gram of a vectorizer's kind stands in each text; counted once, fitted on any of its rows."""

    def __init__(self, vectorizer: TfidfVectorizer, texts: Sequence[str]) -> None:
        """Count the n-grams of all texts with the vectorizer's own preprocessing and token pattern."""
        self._vectorizer = vectorizer
        self._counts, self._members, words = count_ngrams(vectorizer, texts)
        # One more, for where an n-gram is shorter than the longest.
        self._words = np.array([*words, ""], dtype=object)
        # In the order of their strings, which is that of their words: a space comes before whatever is in a word.
        place = np.argsort(np.argsort(self._words))
        self._order = np.lexsort([place[each] for each in self._members.T[::-1]])
        self._kept, self._idf = self._order[:0], np.empty(0)

    def fit(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Choose and weight n-grams by the texts numbered `rows`; return the TF-IDF matrix of *all* texts.

        Raises ValueError when no n-gram is left (every text empty, or min_df too high).
        """
        settings = self._vectorizer
        document_frequency = _sum_columns(self._counts, rows, in_texts=True)
        kept = self._order[document_frequency[self._order] >= settings.min_df]
        if not len(kept):
            raise ValueError(f"no word stands in at least {settings.min_df} texts")
        if settings.max_features is not None and len(kept) > settings.max_features:
            counts = _sum_columns(self._counts, rows, in_texts=False)[kept]
            kept = kept[np.sort((-counts).argsort()[: settings.max_features])]
        self._kept = kept
        self._idf = np.log((1 + len(rows)) / (1 + document_frequency[kept])) + 1
        matrix = self._counts[:, kept]
        # Not astype, which would sort each row: sums, and so the model's last bits, depend on the order.
        matrix.data = matrix.data.astype(np.float64)
        transformer = TfidfTransformer(sublinear_tf=settings.sublinear_tf)
        transformer.idf_ = self._idf
        return transformer.transform(matrix, copy=False)

    def weight(self, matrix: sparse.csr_matrix, weight: np.ndarray) -> sparse.csr_matrix:
        """Multiply what fit returned by a weight for each feature, in place, and normalize it again."""
        self._idf = self._idf * weight
        matrix.data *= weight[matrix.indices]
        matrix.sort_indices()
        return normalize(matrix, copy=False)

    def fitted_vectorizer(self) -> TfidfVectorizer:
        """Return the vectorizer as the last fit has it: an ordinary fitted one that takes raw texts.

        Only now are there strings of all n-grams, which take more memory than their counts.
        """
        columns = [self._words[each] for each in self._members[self._kept].T]
        names = (" ".join(words).rstrip(" ") for words in zip(*columns, strict=True))
        self._vectorizer.vocabulary_ = {name: number for number, name in enumerate(names)}
        self._vectorizer.fixed_vocabulary_ = False
        self._vectorizer.idf_ = self._idf
        return self._vectorizer


def _sum_columns(matrix: sparse.csr_matrix, rows: np.ndarray, in_texts: bool) -> np.ndarray:
    """Return in how many of these rows each n-gram stands or, not in_texts, how often."""
    total = np.zeros(matrix.shape[1])
    # Not all rows at once, which would copy the matrix.
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = matrix[rows[start : start + ROWS_AT_ONCE]]
        total += np.bincount(part.indices, None if in_texts else part.data, minlength=len(total))
    return total


def class_spread(matrix: sparse.csr_matrix, rows: np.ndarray, labels: np.ndarray, power: float) -> np.ndarray:
    """Return a weight for each feature that says how unevenly the classes use it, learned from `rows` alone.

    The weight is the standard deviation, over the classes, of the log-count ratio between a class and all others
    (Wang and Manning 2012, "Baselines and Bigrams", equation 1, with TF-IDF for counts), divided by its mean and
    raised to `power`. On 38,193 IT tickets it raised validation accuracy from 84.5% to 85.7%.
    """
    classes, class_of = np.unique(labels, return_inverse=True)
    # Shape (n_classes, n_features), the classes of a feature side by side. Changed in place, since it may be large.
    in_class = np.empty((len(classes), matrix.shape[1]), order="F")
    for number in range(len(classes)):
        mine = matrix[rows[class_of == number]]
        in_class[number] = np.bincount(mine.indices, mine.data, minlength=matrix.shape[1])
    in_class += 1
    outside = in_class.sum(axis=0) - in_class
    outside += 2
    outside -= len(classes)
    for each in (in_class, outside):
        each /= each.sum(axis=1, keepdims=True)
        np.log(each, out=each)
    in_class -= outside
    del outside
    spread = in_class.std(axis=0)
    return (spread / spread.mean()) ** power if spread.any() else np.ones_like(spread)
