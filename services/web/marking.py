"""Marks the words of an explanation in the ticket, whatever their case and accents there.

Words that weigh next to nothing are not marked, nor are function words, such as "the": nobody can learn from them.
Where a script has no spaces, single characters are marked; other signs, such as an emoji, are marked like words.
"""

import math
import re
import unicodedata
from bisect import bisect_left
from typing import NamedTuple

from callcenterai.text.function_words import FUNCTION_WORDS
from callcenterai.text.normal_form import WORDS_OR_CHARACTERS, normalize_text
from services.common.predictions import Weight

WORD = re.compile(rf"{WORDS_OR_CHARACTERS}|\S")
PLACEHOLDER = re.compile(r"\[[A-Z][A-Z_]*\]")
# How many strengths can be distinguished at a glance.
STRENGTHS = 3
# A word is marked if it weighs more than this share of the heaviest one.
LEAST_SHARE = 0.1


class TextPiece(NamedTuple):
    """A part of the text. Kind is "", "for", "against" or "scrubbed"; strength is from 1 to STRENGTHS, or 0."""

    text: str
    kind: str = ""
    strength: int = 0


class _Word(NamedTuple):
    form: str
    plain: str
    start: int
    end: int


def mark(text: str, explanation: list[Weight], scrubbed: bool) -> list[TextPiece]:
    """Return the text in pieces; joined, they are the text again.

    A word's weight is the sum of the weights of the terms that contain it; its strength is relative to the heaviest
    word. Placeholders such as [EMAIL] are marked if personal data was removed from the text.
    """
    places = [match.span() for match in PLACEHOLDER.finditer(text)] if scrubbed else []
    spans = [(start, end, "scrubbed", 0) for start, end in places]
    words = _words(text)
    weights = _weigh(words, explanation)
    most = max(map(abs, weights.values()), default=0.0)
    for number, weight in weights.items():
        start, end = words[number].start, words[number].end
        if abs(weight) > LEAST_SHARE * most and not _overlaps(places, start, end):
            strength = math.ceil(STRENGTHS * abs(weight) / most)
            spans.append((start, end, "for" if weight > 0 else "against", strength))
    return _cut(text, sorted(spans))


def _overlaps(places: list[tuple[int, int]], start: int, end: int) -> bool:
    """Return whether one of the places, ascending and apart from each other, lies partly between start and end."""
    after = bisect_left(places, (end,))
    return after > 0 and places[after - 1][1] > start


def _weigh(words: list[_Word], explanation: list[Weight]) -> dict[int, float]:
    """Return the summed weight of each word that is part of a term, by the number of the word."""
    forms, plain = [word.form for word in words], [word.plain for word in words]
    weights: dict[int, float] = {}
    for each in explanation:
        term, weight = WORD.findall(each["term"]), each["weight"]
        # Models that strip accents have terms without them. A model of word beginnings, which older folders hold, has
        # terms of up to four letters; they match the words that begin with them.
        places = _find(forms, term) or _find(plain, term) or _find([form[:4] for form in plain], term)
        for number in {place + step for place in places for step in range(len(term))}:
            weights[number] = weights.get(number, 0.0) + weight
    return {number: weight for number, weight in weights.items() if words[number].form not in FUNCTION_WORDS}


def _find(forms: list[str], term: list[str]) -> list[int]:
    size = len(term)
    return [start for start in range(len(forms) - size + 1) if forms[start : start + size] == term]


def _words(text: str) -> list[_Word]:
    """Return the words as a model sees them, with and without accents, and the place of each in the text."""
    found = []
    for match in WORD.finditer(text):
        form = normalize_text(match.group()).lower()
        letters = unicodedata.normalize("NFKD", form)
        plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
        found.append(_Word(form, plain, *match.span()))
    return found


def _cut(text: str, spans: list[tuple[int, int, str, int]]) -> list[TextPiece]:
    pieces, at = [], 0
    for start, end, kind, strength in spans:
        pieces += [TextPiece(text[at:start]), TextPiece(text[start:end], kind, strength)]
        at = end
    return [piece for piece in (*pieces, TextPiece(text[at:])) if piece.text]
