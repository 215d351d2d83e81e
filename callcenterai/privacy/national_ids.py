"""Finds national identity, tax and social security numbers."""

import re
from collections.abc import Iterator

from callcenterai.privacy.national_id_forms import NATIONAL_IDS, NationalId, words_pattern
from callcenterai.privacy.spans import Span, around, has_any, is_reference

# No form without words is shorter than this.
_LONG = re.compile(
    r"\d(?:[ .-]?\d){8}|[A-Z]{6} ?\d\d[A-Z]|[XYZ][ -]?\d{7}|\d{6}[-+A]\d{3}|[A-Z]{4}\d{6}|2[AB][ .-]?\d{3}",
    re.IGNORECASE,
)
# The shortest number has six digits. Some have letters before or between the digits.
_ENOUGH = re.compile(r"\d(?:[ ./-]?\d){5}|[A-Za-z]{6} ?\d\d[A-Za-z]|[A-Za-z]{4,5}\d{4}|\d{6}[-+A]\d", re.IGNORECASE)


def national_ids(text: str) -> Iterator[Span]:
    """Find numbers by their form and checksum and, where these are too weak, by a word for them nearby."""
    if not _ENOUGH.search(text):
        return
    lower, long = text.lower(), _LONG.search(text) is not None
    for known in NATIONAL_IDS:
        if has_any(lower, known.words) if known.words else long:
            for match in known.form.finditer(text):
                if _is_national_id(known, text, match):
                    yield Span("national_id", *match.span())


def _is_national_id(known: NationalId, text: str, match: re.Match[str]) -> bool:
    if known.words and not words_pattern(known.words).search(around(text, *match.span())):
        return False
    # A word and a checksum are enough: in "national id number" the last two words could also mean an article's number.
    if not (known.words and known.module) and is_reference(text, match.start()):
        return False
    return known.is_valid(match[0])
