"""The words that speak most for each class, by the coefficients of the linear machine.

A word's weight is what a ticket of this word alone adds to the margin of the class. So models of words and models of
characters, whose features are no words, are described alike.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from callcenterai.artifact.scorer_format import Arrays
from callcenterai.privacy.scrub import scrub
from callcenterai.text.normal_form import WORDS_OR_CHARACTERS, normalize_text, strip_latin_accents

# Words in fewer tickets may be in them by chance, and a word of a single customer is nobody else's business.
FEWEST_TICKETS, MOST_WORDS = 5, 20_000
# So many tickets are enough to find the words, and counting those of a million would take a minute.
MOST_TICKETS = 100_000
WORD = re.compile(WORDS_OR_CHARACTERS)


class TellingWord(NamedTuple):
    """A word and what it adds to the margin of its class."""

    word: str
    weight: float


def find_telling_words(
    pipeline: Any, arrays: Arrays | None, texts: np.ndarray, labels: list[str], most: int = 10
) -> dict[str, list[TellingWord]]:
    """Return the heaviest words of these labels, the heaviest first; nothing for a machine without coefficients.

    texts are those of training, pipeline is the fitted one, and arrays are its content as scorer_format reads it.
    """
    words = frequent_words(texts[:: len(texts) // MOST_TICKETS + 1])
    if arrays is None or not words:
        return {}
    features = pipeline.named_steps["tfidf"].transform(words)
    found = {}
    for label in labels:
        margin, sign = _margin_of(arrays, label)
        # Rounded, so that the last bits of a processor's arithmetic change no order.
        weights = (sign * (features @ arrays.coefficients[:, margin])).round(6)
        heaviest = (at for at in np.argsort(-weights, kind="stable") if weights[at] > 0)
        found[label] = _without_personal_data(((words[at], float(weights[at])) for at in heaviest), most)
    return found


def frequent_words(texts: Iterable[str]) -> list[str]:
    """Return the words of enough tickets that have a letter in them, the most frequent first, in lower case."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(WORD.findall(normalize_text(text).lower())))
    lettered = ((word, count) for word, count in counts.items() if any(map(str.isalpha, word)))
    ordered = sorted(lettered, key=lambda each: (-each[1], each[0]))
    return [word for word, count in ordered[:MOST_WORDS] if count >= FEWEST_TICKETS]


def _margin_of(arrays: Arrays, label: str) -> tuple[int, int]:
    """Return the number of a label's margin and its sign: of two labels, one margin is for the second."""
    number = arrays.labels.index(label)
    return (0, 2 * number - 1) if arrays.coefficients.shape[1] == 1 else (number, 1)


def _without_personal_data(heaviest: Iterable[tuple[str, float]], most: int) -> list[TellingWord]:
    """Return the first words that hold no personal data; spellings that the model takes for one count once."""
    found: dict[tuple[str, float], TellingWord] = {}
    for word, weight in heaviest:
        if len(found) == most:
            break
        if not scrub(word).counts:
            found.setdefault((strip_latin_accents(word), weight), TellingWord(word, weight))
    return list(found.values())
