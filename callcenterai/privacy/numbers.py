"""Finds payment cards, bank accounts and national identity numbers."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from stdnum import iban, luhn, numdb
from stdnum.fr import nif, nir
from stdnum.gb import nhs

from callcenterai.privacy.spans import GAP, Span, around, before, is_reference

_CARD = re.compile(
    rf"""(?<!\w)(?<!\d[.,-])(?:
        \d{{13,19}}
        |\d{{4}}({GAP})\d{{4}}\1\d{{4}}\1\d{{4}}(?:\1\d{{3}})?
        |3\d{{3}}({GAP})\d{{6}}\2\d{{4,5}}
    )(?!\w)""",
    re.VERBOSE,
)
# The issuers' first digits and lengths (ISO/IEC 7812): Visa, Mastercard, American Express, Discover, JCB, UnionPay,
# Maestro. Thirteen and fourteen digits are more often an article's or a company's number.
_ISSUED = re.compile(
    r"""4(?:\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}
    |(?:6011|64[4-9]\d|65\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}
    |(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{12}""",
    re.VERBOSE,
)
_ISSUED_SHORT = re.compile(r"4\d{12}|3(?:0[0-5]|[689]\d)\d{11}")
_CARD_WORD = re.compile(r"(?<!\w)(?:cards?|cartes?|visa|mastercard|amex|diners|cb|pan)(?!\w)", re.IGNORECASE)

_IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}\d\d(?:[ \u00a0\u202f.-]?[A-Za-z0-9]){11,30}")
_BBAN = re.compile(r"(\d+)!")


class _NationalId(NamedTuple):
    """How a national number is written, its checksum if it has one, and the words it needs nearby if that is weak."""

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
    # No checksum: HM Revenue & Customs says which letters are used, but with the word in front all of them count.
    _NationalId(
        re.compile(r"(?<!\w)[A-Za-z]{2} ?\d\d ?\d\d ?\d\d ?[A-Da-d](?!\w)"),
        None,
        _words("national insurance|ni|nino|n\\.i\\."),
    ),
    _NationalId(re.compile(r"(?<!\w)\d{3}[ -]?\d{3}[ -]?\d{4}(?![\w-])"), nhs.is_valid, _words("nhs")),
    # stdnum.us.ssn refuses numbers that were never issued or are widely published; somebody may use one all the same.
    _NationalId(
        re.compile(r"(?<![\w-])\d{3}[ -]\d\d[ -]\d{4}(?![\w-])"), None, _words("ssn|ss ?#|itin|social|social security")
    ),
)


def cards(text: str) -> Iterator[Span]:
    """Find payment card numbers: an issuer's digits and length, and the checksum of ISO/IEC 7812 (Luhn)."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if not luhn.is_valid(digits) or is_reference(text, match.start()):
            continue
        short = _ISSUED_SHORT.fullmatch(digits) and _CARD_WORD.search(before(text, match.start()))
        if short or _ISSUED.fullmatch(digits):
            yield Span("card", *match.span())


def ibans(text: str) -> Iterator[Span]:
    """Find bank accounts by country, structure and checksum (ISO 13616)."""
    for match in _IBAN.finditer(text):
        length = _iban_length(match[0][:2].upper())
        places = [place for place, letter in enumerate(match[0]) if letter.isalnum()]
        if length and len(places) >= length:
            end = match.start() + places[length - 1] + 1
            if not text[end : end + 1].isalnum() and iban.is_valid(text[match.start() : end]):
                yield Span("iban", match.start(), end)


@cache
def _iban_length(country: str) -> int:
    """Return how many characters an account of that country has, or 0 for what is no country with accounts."""
    structure = numdb.get("iban").info(country)[0][1].get("bban", "")
    lengths = [int(length) for length in _BBAN.findall(structure)]
    return 4 + sum(lengths) if lengths else 0


def national_ids(text: str) -> Iterator[Span]:
    """Find French NIR and tax numbers, British National Insurance and NHS numbers, American Social Security numbers."""
    for known in _NATIONAL_IDS:
        for match in known.form.finditer(text):
            named = known.words is None or known.words.search(around(text, *match.span()))
            if named and not is_reference(text, match.start()) and (not known.is_valid or known.is_valid(match[0])):
                yield Span("national_id", *match.span())
