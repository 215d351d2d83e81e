"""Finds the numbers of payment cards and bank accounts (IBAN)."""

import re
from collections.abc import Iterator
from functools import cache

from stdnum import iban, luhn, numdb

from callcenterai.privacy.spans import GAP, Span, before, is_reference

_CARD = re.compile(
    rf"""(?<!\w)(?<!\d[.,-])(?:
        \d{{13,19}}
        |\d{{4}}({GAP})\d{{4}}\1\d{{4}}\1\d{{4}}(?:\1\d{{3}})?
        |3\d{{3}}({GAP})\d{{6}}\2\d{{4,5}}
    )(?!\w)""",
    re.VERBOSE,
)
# The issuers' first digits and lengths (ISO/IEC 7812): Visa, Mastercard, American Express, Discover, JCB, UnionPay,
# Maestro. Numbers of 13 and 14 digits are more often those of an article or a company.
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


def cards(text: str) -> Iterator[Span]:
    """Find payment card numbers by the issuer's digits, the length, and the checksum of ISO/IEC 7812 (Luhn)."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if not luhn.is_valid(digits) or is_reference(text, match.start()):
            continue
        short = _ISSUED_SHORT.fullmatch(digits) and _CARD_WORD.search(before(text, match.start()))
        if short or _ISSUED.fullmatch(digits):
            yield Span("card", *match.span())


def ibans(text: str) -> Iterator[Span]:
    """Find bank account numbers (IBAN) by country, structure and checksum (ISO 13616)."""
    for match in _IBAN.finditer(text):
        length = _iban_length(match[0][:2].upper())
        places = [place for place, letter in enumerate(match[0]) if letter.isalnum()]
        if length and len(places) >= length:
            end = match.start() + places[length - 1] + 1
            if not text[end : end + 1].isalnum() and iban.is_valid(text[match.start() : end]):
                yield Span("iban", match.start(), end)


@cache
def _iban_length(country: str) -> int:
    """Return the length of an IBAN of that country, or 0 when the country has none."""
    structure = numdb.get("iban").info(country)[0][1].get("bban", "")
    lengths = [int(length) for length in _BBAN.findall(structure)]
    return 4 + sum(lengths) if lengths else 0
