"""Scores tickets with the arrays of scorer.npz, which callcenterai/artifact/scorer_format.py writes and describes.

The probabilities are those of the scikit-learn pipeline, up to the rounding of the last bits, but no sparse matrix is
built for each ticket: a dictionary finds the n-grams, of words or of characters, and one small product does the rest.
"""

import io
import json
import math
import re
import unicodedata
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np

from callcenterai.text.normal_form import TOKEN_PATTERNS, WORDS, WORDS_OR_CHARACTERS

FORMATS = (1, 2, 3)
# The settings that format 1 leaves out.
WORDS_BEFORE = {"analyzer": "word", "strip_accents": "unicode"}
# An archive of a model becomes two to five times as large when it is unpacked; one that was made to fill the memory,
# hundreds of times.
MOST_EXPANSION, MOST_BYTES = 50, 8 * 2**30
SPACES = re.compile(r"\s\s+")
# What an explanation by characters shows: a word, a character of a script without spaces, or any other sign.
SHOWN = re.compile(rf"{WORDS_OR_CHARACTERS}|\S")
ASCII = frozenset(map(chr, range(128)))


class Vectorizer(NamedTuple):
    """How a text becomes n-grams, and the number of each feature by its n-gram."""

    analyzer: str
    find_words: Callable[[str], list[str]]
    sizes: range
    sublinear: bool
    features: dict[str, int]

    def ngrams(self, text: str) -> list[str]:
        """Return the n-grams of a text, each as often as it occurs."""
        if self.analyzer == "word":
            return _word_ngrams(self.find_words(text), self.sizes)
        return [gram for grams in _character_ngrams(self.read(text), self.sizes) for gram in grams]

    def read(self, text: str) -> str:
        """Return the text whose characters are counted."""
        if self.analyzer == "char_wb":
            # scikit-learn pads each word by itself. One blank is enough here: no feature has a blank inside.
            return f" {' '.join(text.split())} " if text.strip() else ""
        return SPACES.sub(" ", text)


class TfidfScorer:
    """A calibrated linear classifier over TF-IDF features."""

    def __init__(self, archive: bytes) -> None:
        """Read the archive; a ValueError when its format is unknown or its model cannot be served."""
        _check_sizes(archive)
        arrays = np.load(io.BytesIO(archive), allow_pickle=False)
        header = json.loads(arrays["header"].tobytes())
        if header["format"] not in FORMATS:
            raise ValueError(f"the scorer has format {header['format']}, and this service reads up to {FORMATS[-1]}")
        if "refusal" in header:
            raise ValueError(header["refusal"])
        self.labels: list[str] = header["labels"]
        self._terms = _read_terms(arrays)
        self._idf, self._coefficients = arrays["idf"], arrays["coefficients"]
        self._intercepts, self._calibrators = arrays["intercepts"], np.ascontiguousarray(arrays["calibrators"].T)
        self._temperature = header["calibration"] == "temperature"
        self._scaling = arrays.get("scaling")
        settings = [WORDS_BEFORE | each for each in header["vectorizers"]]
        # A model has the same preprocessing for all its vectorizers.
        self._strips_accents = settings[0]["strip_accents"] == "unicode"
        self._vectorizers = list(_vectorizers(settings, self._terms))
        margins = 1 if len(self.labels) == 2 else len(self.labels)
        shapes = (len(self._terms),), (len(self._terms), margins), (margins,)
        if (self._idf.shape, self._coefficients.shape, self._intercepts.shape) != shapes:
            raise ValueError("the scorer's arrays do not fit each other")

    def probabilities(self, text: str) -> np.ndarray:
        """Return the calibrated probabilities of a text, shape (n_labels,), in the order of labels."""
        return self.score(text)[0]

    def score(self, text: str) -> tuple[np.ndarray, bool]:
        """Return the probabilities, and whether the model knows anything of the text."""
        columns, weights = self._weigh(text)
        return self._calibrate(columns, weights), len(columns) > 0

    def unknown_words(self, text: str) -> float | None:
        """Return the share of the words that the model does not know; None if it counts none, or there is none."""
        for vectorizer in self._vectorizers:
            if vectorizer.analyzer == "word" and vectorizer.sizes.start == 1:
                words = vectorizer.find_words(self._plain(text))
                return sum(word not in vectorizer.features for word in words) / len(words) if words else None
        return None

    def _calibrate(self, columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
        margins = self._intercepts
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
        probabilities = each / total if total else np.full(len(each), 1 / len(each))
        if self._scaling is None:
            return probabilities
        logits = self._scaling[0] * np.log(probabilities) + self._scaling[1:]
        scaled = np.exp(logits - logits.max())
        return scaled / scaled.sum()

    def explain(self, text: str, label: int, most: int = 10, against: int | None = None) -> list[tuple[str, float]]:
        """Return what weighed most, for or against a label, and what each added to its margin.

        With `against`, it is what each added to the difference between the margins of the two labels.

        A model of words shows its words and pairs of words; one of characters shares their weight out among whole
        words, or characters of a script without spaces, and other signs. The sum is the margin without the intercept,
        but for features that are nothing but blanks.
        """
        plain = self._plain(text)
        only_words = all(vectorizer.analyzer == "word" for vectorizer in self._vectorizers)
        added: dict[str, float] = defaultdict(float)
        for vectorizer in self._vectorizers:
            columns, weights = self._weigh_with(vectorizer, plain)
            contributions = (weights * self._direction(columns, label, against)).tolist()
            of_column = dict(zip(columns.tolist(), contributions, strict=True))
            if vectorizer.analyzer != "word":
                _share_out(vectorizer, plain, of_column, added)
                continue
            for column, weight in of_column.items():
                term = self._terms[column]
                # Beside characters, a pair of words is shown as its words.
                words = [term] if only_words else SHOWN.findall(term)
                for word in words:
                    added[word] += weight / len(words)
        return sorted(added.items(), key=lambda each: -abs(each[1]))[:most]

    def _direction(self, columns: np.ndarray, label: int, against: int | None) -> np.ndarray:
        """Return the coefficients of features for a label, less those for another one if it is named."""
        if len(self._intercepts) == 1:
            # Of two labels, what speaks for the one speaks against the other.
            return (2 * label - 1) * self._coefficients[columns, 0]
        own = self._coefficients[columns, label]
        return own if against is None else own - self._coefficients[columns, against]

    def _plain(self, text: str) -> str:
        text = text.lower()
        return _without_accents(text) if self._strips_accents and not text.isascii() else text

    def _weigh(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of a text and their TF-IDF weights, of length 1 for each vectorizer."""
        plain = self._plain(text)
        found = [self._weigh_with(vectorizer, plain) for vectorizer in self._vectorizers]
        if len(found) == 1:
            return found[0]
        columns, weights = zip(*found, strict=True)
        return np.concatenate(columns), np.concatenate(weights)

    def _weigh_with(self, vectorizer: Vectorizer, text: str) -> tuple[np.ndarray, np.ndarray]:
        # Counter counts in C. N-grams that are not features are counted under None.
        counts = Counter(map(vectorizer.features.get, vectorizer.ngrams(text)))
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


def _word_ngrams(words: list[str], sizes: range) -> list[str]:
    grams = list(words) if sizes.start == 1 else []
    for size in range(max(2, sizes.start), sizes.stop):
        grams += map(" ".join, zip(*[words[start:] for start in range(size)], strict=False))
    return grams


def _character_ngrams(text: str, sizes: range) -> Iterator[list[str]]:
    """Yield the n-grams of each size in the order of their first characters."""
    for size in sizes:
        yield [text[start : start + size] for start in range(len(text) - size + 1)]


def _share_out(vectorizer: Vectorizer, plain: str, of_column: dict[int, float], added: dict[str, float]) -> None:
    """Add to each shown word or character its share of what each feature of characters adds, by the feature's number.

    A feature's weight is divided evenly among its occurrences and, in each, among the characters that are not blank.
    """
    text = vectorizer.read(plain)
    solid = np.array([not character.isspace() for character in text], dtype=bool)
    before = np.concatenate([[0], np.cumsum(solid)])
    found = [list(map(vectorizer.features.get, grams)) for grams in _character_ngrams(text, vectorizer.sizes)]
    counts = Counter(chain.from_iterable(found))
    of_feature: dict[int | None, float] = {column: weight / counts[column] for column, weight in of_column.items()}
    # The sum over all n-grams up to a character, from where each begins and ends.
    steps = np.zeros(len(text) + 1)
    for size, columns in zip(vectorizer.sizes, found, strict=True):
        weights = np.array([of_feature.get(column, 0.0) for column in columns])
        starts = np.arange(len(columns))
        letters = before[starts + size] - before[starts]
        each = np.divide(weights, letters, out=np.zeros(len(weights)), where=letters > 0)
        steps[: len(each)] += each
        steps[size : size + len(each)] -= each
    of_character = np.where(solid, np.cumsum(steps[:-1]), 0.0)
    total = np.concatenate([[0.0], np.cumsum(of_character)])
    for match in SHOWN.finditer(text):
        added[match.group()] += float(total[match.end()] - total[match.start()])


def _check_sizes(archive: bytes) -> None:
    """Raise a ValueError when an archive says that it becomes far larger than models do."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        size = sum(member.file_size for member in packed.infolist())
    # zipfile gives no member more bytes than it declares.
    if size > min(MOST_BYTES, MOST_EXPANSION * len(archive)):
        raise ValueError(f"the scorer would take {size // 2**20:,} MB of memory, which no model of this size does")


def _read_terms(arrays: Any) -> list[str]:
    text = arrays["terms"].tobytes().decode()
    if "lengths" not in arrays:
        return text.split("\n")
    ends = np.cumsum(arrays["lengths"], dtype=np.int64).tolist()
    return [text[start:end] for start, end in pairwise([0, *ends])]


def _vectorizers(settings: list[dict[str, Any]], terms: list[str]) -> Iterator[Vectorizer]:
    start = 0
    for each in settings:
        end = start + each["features"]
        features = dict(zip(terms[start:end], range(start, end), strict=True))
        smallest, largest = each["ngram_range"]
        # One of characters does not use its pattern, which is scikit-learn's default.
        pattern = each["token_pattern"] if each["analyzer"] == "word" else WORDS
        if pattern not in TOKEN_PATTERNS:
            raise ValueError("the scorer has a token pattern that no training of ours writes")
        find_words = re.compile(pattern).findall
        yield Vectorizer(each["analyzer"], find_words, range(smallest, largest + 1), each["sublinear_tf"], features)
        start = end
