"""Scores tickets with the arrays of scorer.npz, which callcenterai/artifact/scorer_format.py writes and describes.

The probabilities are those of the scikit-learn pipeline, up to the rounding of the last bits, but no sparse matrix is
built for each ticket: a dictionary finds the n-grams, and one small product does the rest.
"""

import io
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

FORMAT = 1
ASCII = frozenset(map(chr, range(128)))


class Vectorizer(NamedTuple):
    """How a text becomes n-grams, and the number of each feature by its n-gram."""

    find_tokens: Callable[[str], list[str]]
    smallest: int
    largest: int
    sublinear: bool
    features: dict[str, int]


class TfidfScorer:
    """A calibrated linear classifier over TF-IDF features."""

    def __init__(self, archive: bytes) -> None:
        """Read the archive; a ValueError when its format is unknown or its model cannot be served."""
        arrays = np.load(io.BytesIO(archive), allow_pickle=False)
        header = json.loads(arrays["header"].tobytes())
        if header["format"] != FORMAT:
            raise ValueError(f"the scorer has format {header['format']}, and this service reads {FORMAT}")
        if "refusal" in header:
            raise ValueError(header["refusal"])
        self.labels: list[str] = header["labels"]
        self._terms = arrays["terms"].tobytes().decode().split("\n")
        self._idf, self._coefficients = arrays["idf"], arrays["coefficients"]
        self._intercepts, self._calibrators = arrays["intercepts"], np.ascontiguousarray(arrays["calibrators"].T)
        self._temperature = header["calibration"] == "temperature"
        self._vectorizers = list(_vectorizers(header["vectorizers"], self._terms))
        margins = 1 if len(self.labels) == 2 else len(self.labels)
        shapes = (len(self._terms),), (len(self._terms), margins), (margins,)
        if (self._idf.shape, self._coefficients.shape, self._intercepts.shape) != shapes:
            raise ValueError("the scorer's arrays do not fit each other")

    def probabilities(self, text: str) -> np.ndarray:
        """Return the calibrated probabilities of a text, shape (n_labels,), in the order of labels."""
        margins = self._intercepts
        columns, weights = self._weigh(text)
        if len(columns):
            margins = weights.dot(self._coefficients.take(columns, axis=0)) + margins
        if self._temperature:
            logits = np.array([-margins[0], margins[0]]) if len(margins) == 1 else margins
            scaled = np.exp(self._calibrators[0, 0] * (logits - logits.max()))
            return scaled / scaled.sum()
        slopes, offsets = self._calibrators
        # The same as 1 / (1 + exp(z)), but exp cannot overflow.
        each = np.exp(-np.logaddexp(0.0, slopes * margins + offsets))
        if len(margins) == 1:
            return np.array([1.0 - each[0], each[0]])
        total = each.sum()
        return each / total if total else np.full(len(each), 1 / len(each))

    def explain(self, text: str, label: int, most: int = 10) -> list[tuple[str, float]]:
        """Return the n-grams that weighed most, for or against a label, and what each added to its margin."""
        columns, weights = self._weigh(text)
        if not len(columns):
            return []
        margin, sign = (0, 2 * label - 1) if len(self._intercepts) == 1 else (label, 1)
        added = sign * weights * self._coefficients[columns, margin]
        order = np.argsort(-np.abs(added), kind="stable")[:most]
        return [(self._terms[columns[place]], float(added[place])) for place in order]

    def _weigh(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of a text and their TF-IDF weights, of length 1 for each vectorizer."""
        text = text.lower()
        if not text.isascii():
            text = _without_accents(text)
        found = [self._weigh_with(vectorizer, text) for vectorizer in self._vectorizers]
        if len(found) == 1:
            return found[0]
        columns, weights = zip(*found, strict=True)
        return np.concatenate(columns), np.concatenate(weights)

    def _weigh_with(self, vectorizer: Vectorizer, text: str) -> tuple[np.ndarray, np.ndarray]:
        grams = _ngrams(vectorizer.find_tokens(text), vectorizer.smallest, vectorizer.largest)
        # Counter counts in C. N-grams that are not features are counted under None.
        counts = Counter(map(vectorizer.features.get, grams))
        counts.pop(None, None)
        columns = np.fromiter(counts, dtype=np.intp, count=len(counts))
        weights = np.fromiter(counts.values(), dtype=float, count=len(counts))
        if vectorizer.sublinear:
            weights = np.log(weights) + 1
        weights *= self._idf.take(columns)
        length = math.sqrt(weights.dot(weights))
        return columns, weights / length if length else weights


def _without_accents(text: str) -> str:
    text = unicodedata.normalize("NFKD", text)
    # A text has few distinct characters, so testing each of those once is faster than testing every position.
    for mark in filter(unicodedata.combining, set(text) - ASCII):
        text = text.replace(mark, "")
    return text


def _ngrams(tokens: list[str], smallest: int, largest: int) -> list[str]:
    grams = list(tokens) if smallest == 1 else []
    for size in range(max(2, smallest), largest + 1):
        grams += map(" ".join, zip(*[tokens[start:] for start in range(size)], strict=False))
    return grams


def _vectorizers(settings: list[dict[str, Any]], terms: list[str]) -> Iterator[Vectorizer]:
    start = 0
    for each in settings:
        end = start + each["features"]
        features = dict(zip(terms[start:end], range(start, end), strict=True))
        smallest, largest = each["ngram_range"]
        find_tokens = re.compile(each["token_pattern"]).findall
        yield Vectorizer(find_tokens, smallest, largest, each["sublinear_tf"], features)
        start = end
