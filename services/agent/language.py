"""Says which language a ticket is in, offline, with the model that comes with py3langid (naive Bayes over bytes).

A ticket of forty letters or more is enough to tell English from French; in a few words such as "planning sprint" the
model is sure of the wrong one, so below MIN_CONFIDENCE there is no answer.
"""

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

# The model knows 140; the fewer there are, the fewer short tickets are mistaken. These are written in Latin letters.
LANGUAGES = ("cs", "da", "de", "en", "es", "fi", "fr", "it", "nl", "no", "pl", "pt", "ro", "sv")
UNKNOWN = "und"
# Of 10,000 sample tickets, a tenth of which are a few words, 0.1% then get a wrong answer and 4% get none.
MIN_CONFIDENCE = 0.6
# Characters; more of a ticket costs time and tells nothing new.
_ENOUGH = 2000
# Placeholders, and words that are no language's: addresses, paths, references, numbers.
_NO_WORDS = re.compile(r"\[[A-Z_]{2,20}\]|[^\s@\d/\\_]{0,100}+[@\d/\\_]\S{0,200}")
_LATIN, _LETTER = re.compile(r"[A-Za-zÀ-ɏ]"), re.compile(r"[^\W\d_]")


def detect(text: str) -> str:
    """Return the language of a text by its ISO 639-1 code, or "und" (ISO 639-2) when there is too little to tell.

    The first call reads the model, which takes a second.
    """
    words = " ".join(_NO_WORDS.sub(" ", text[:_ENOUGH]).split()).lower()
    letters = sum(1 for _ in _LETTER.finditer(words))
    if not letters or 2 * sum(1 for _ in _LATIN.finditer(words)) < letters:
        return UNKNOWN
    return _identifier().classify(words)[0]


@cache
def _identifier() -> LanguageIdentifier:
    """Return the model, restricted to our languages; it answers "und" by itself below the confidence."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    identifier.min_confidence = MIN_CONFIDENCE
    return identifier
