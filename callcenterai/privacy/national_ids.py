"""Finds national identity numbers of France, Britain and the United States."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from stdnum.fr import nif, nir
from stdnum.gb import nhs

from callcenterai.privacy.spans import GAP, Span, around, is_reference


class _NationalId(NamedTuple):
    """How a number is written, its checksum if it has one, and the words that must be near it if that is too weak."""

    form: re.Pattern[str]
    is_valid: Callable[[str], bool] | None
    words: re.Pattern[str] | None


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)


_NIR = rf"[1-478]{GAP}?\d\d{GAP}?(?:0[1-9]|1[0-2]|[2-9]\d){GAP}?(?:\d\d|2[ABab]){GAP}?\d{{3}}{GAP}?\d{{3}}"
_FRENCH_WORDS = _words(r"s[ée]cu|s[ée]curit[ée] sociale|nir|insee|num[ée]ro de s[ée]cu")
_NATIONAL_IDS = (
    _NationalId(re.compile(rf"(?<!\w)(?<!\d[.,-]){_NIR}{GAP}?\d\d(?!\w)"), nir.is_valid, None),
    _NationalId(re.compile(rf"(?<!\w){_NIR}(?!\w)"), None, _FRENCH_WORDS),
    _NationalId(
        re.compile(rf"(?<!\w)[0-3](?:{GAP}?\d){{12}}(?!\w)"), nif.is_valid, _words("fiscal|fiscale|spi|imp[ôo]ts?")
    ),
    # There is no checksum. HM Revenue & Customs does not issue all letters, but after the word any of them counts.
    _NationalId(
        re.compile(r"(?<!\w)[A-Za-z]{2} ?\d\d ?\d\d ?\d\d ?[A-Da-d](?!\w)"),
        None,
        _words("national insurance|ni|nino|n\\.i\\."),
    ),
    _NationalId(re.compile(r"(?<!\w)\d{3}[ -]?\d{3}[ -]?\d{4}(?![\w-])"), nhs.is_valid, _words("nhs")),
    # Without stdnum.us.ssn: it refuses numbers that were never issued, and people may write those as well.
    _NationalId(
        re.compile(r"(?<![\w-])\d{3}[ -]\d\d[ -]\d{4}(?![\w-])"), None, _words("ssn|ss ?#|itin|social|social security")
    ),
)


def national_ids(text: str) -> Iterator[Span]:
    """Find French NIR and tax numbers, British National Insurance and NHS numbers, American Social Security numbers."""
    for known in _NATIONAL_IDS:
        for match in known.form.finditer(text):
            named = known.words is None or known.words.search(around(text, *match.span()))
            if named and not is_reference(text, match.start()) and (not known.is_valid or known.is_valid(match[0])):
                yield Span("national_id", *match.span())
