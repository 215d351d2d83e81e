"""Finds the numbers of payment cards with their security codes, and of bank accounts (IBAN)."""

import re
from collections.abc import Iterator
from functools import cache

from stdnum import iban, luhn, numdb

from callcenterai.privacy.spans import Span, before, is_reference

# Between groups: one to three blanks, or a sign with or without blanks, or a line break, also in a quoted mail.
_LINE = r"[ ]?\r?\n[ >]{0,4}"
_GAP = rf"(?:[ ]?[.,/_|:*-][ ]?|[ \t]{{1,3}}|{_LINE})"
# "12,4111111111111111" is a row of a table, because no number has so many decimals. The lookahead finds a number that
# begins within something that looks like another one.
_CARD = re.compile(
    rf"""(?<!\w)(?<!\d[.-])(?=(?P<number>
        \d{{13,19}}
        |\d{{4}}(?P<gap>{_GAP})\d{{4}}(?:(?P=gap)|[ -]|{_LINE})\d{{4}}(?:(?P=gap)|[ -]
    |{_LINE})\d{{4}}(?P<more>(?P=gap)\d{{3}})?
        |3\d{{3}}({_GAP})\d{{6}}{_GAP}\d{{4,5}}
    )(?!\w))""",
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
# What follows a card number: the month it expires, and its security code of three digits, or four of American Express.
# A number with a unit or a currency after it is an amount.
_BETWEEN = r"[ \t]{0,2}[,;|/\t-]?[ \t]{0,2}\"?"
_SECURITY_CODE = re.compile(
    rf"""\"?{_BETWEEN}(?:(?:exp\w{{0,8}}\.?[ ]?)?(?:0[1-9]|1[0-2])[ ]?[/-]?[ ]?(?:20)?[2-4]\d\"?{_BETWEEN})?
    (?:(?:code|cvv2?|cvc2?|crypto(?:gramme)?)[ ]?:?[ ]?)?
    (?P<code>\d{{3,4}})(?![\w/%-]|\.\d|,\d\d?(?![\d.])|[ ]\d{{3}}|[ ]?(?:[€$£%]|(?:[A-Z]{{3}}|euros?|dollars?|pounds?
    |times|items?|x)(?!\w)))""",
    re.VERBOSE,
)

_IBAN = re.compile(r"(?<!\w)(?=([A-Za-z]{2} ?\d\d(?:[ ._/-]?[A-Za-z0-9]|[ \t]{0,2}\r?\n[ >]{0,4}[A-Za-z0-9]){11,30}))")
_BBAN = re.compile(r"(\d+)!")


def cards(text: str) -> Iterator[Span]:
    """Find payment card numbers by the issuer's digits, the length, and the checksum of ISO/IEC 7812 (Luhn).

    The security code that directly follows a number or its date of expiry is a secret.
    """
    for match in _CARD.finditer(text):
        end = _card_end(text, match)
        if end is not None and not is_reference(text, match.start()):
            yield Span("card", match.start(), end)
            code = _SECURITY_CODE.match(text, end)
            if code and len(code["code"]) == (4 if text.startswith(("34", "37"), match.start()) else 3):
                yield Span("secret", *code.span("code"))


def _card_end(text: str, match: re.Match[str]) -> int | None:
    """Return where the card number ends, which is before a security code that looks like its last group, or None."""
    for end in (match.end("number"), match.start("more")):
        if end >= 0 and _is_card(re.sub(r"\D", "", text[match.start() : end]), text, match.start()):
            return end
    return None


def _is_card(digits: str, text: str, start: int) -> bool:
    short = _ISSUED_SHORT.fullmatch(digits) and _CARD_WORD.search(before(text, start))
    return bool(short or _ISSUED.fullmatch(digits)) and luhn.is_valid(digits)


def ibans(text: str) -> Iterator[Span]:
    """Find bank account numbers (IBAN) by country, structure and checksum (ISO 13616)."""
    for match in _IBAN.finditer(text):
        length = _iban_length(match[1][:2].upper())
        places = [place for place, letter in enumerate(match[1]) if letter.isalnum()]
        if length and len(places) >= length:
            end = match.start() + places[length - 1] + 1
            if not text[end : end + 1].isalnum() and iban.is_valid(re.sub(r"[\W_]", "", text[match.start() : end])):
                yield Span("iban", match.start(), end)


@cache
def _iban_length(country: str) -> int:
    """Return the length of an IBAN of that country, or 0 when the country has none."""
    structure = numdb.get("iban").info(country)[0][1].get("bban", "")
    lengths = [int(length) for length in _BBAN.findall(structure)]
    return 4 + sum(lengths) if lengths else 0
