"""Finds email addresses and phone numbers."""

import re
from collections.abc import Iterator

from phonenumbers import Leniency, PhoneNumberMatch, PhoneNumberMatcher

from callcenterai.privacy.spans import Span, before, is_reference

# Possessive quantifiers (`}+`) prevent backtracking on any text; the lengths are those of RFC 5321. In
# "d'accounts@example.com" the first letter is a French word.
_EMAIL = re.compile(
    r"(?<!\w)(?![DLdl]')\w[\w.+%&'-]{0,63}+@(?:[^\W_](?:[\w-]{0,61}+)\.){1,8}"
    r"(?:xn--[\w-]{2,59}|[^\W\d_]{2,24})(?![\w-])"
)
_WRITTEN_OUT = re.compile(
    r"(?<!\w)\w[\w.+%&'-]{0,63}+ ?[(\[{](?:at|arobase|@)[)\]}] ?[^\W_][\w-]{0,61}+"
    r"(?:(?:\.| ?[(\[{](?:dot|point)[)\]}] ?)[^\W_][\w-]{0,61}+){1,8}",
    re.IGNORECASE,
)
# Not addresses: images for dense screens (logo@2x.png), and git remotes (git@host:path).
_NO_ADDRESS = re.compile(r".*@\dx\.[a-z]{3,4}|git@.*", re.IGNORECASE)

# A letter or digit next to the number, or joined to it by a sign: the number is a part of something longer.
_JOINED = re.compile(r"(?:\w|\w[#=-]|\d[.,])\Z")
_REGIONS = ("FR", "GB", "US")
_DIGIT = re.compile(r"\d")
# phonenumbers reads across these, but they more often separate a list, a table, or a version from a date.
_APART = re.compile(r"#|\s\s|\n|(?<!\d)\d{4}-\d\d-\d\d(?!\d)")
_FEWEST_DIGITS = 7
# With a country code. A shorter number is more likely a counter with leading zeros.
_FEWEST_ABROAD = 10
_CALL_WORD = r"""(?<!\w)(?:t[ée]l|t[ée]l[ée]phon\w{1,4}|phone|mobile|mob|cell|cellphone|gsm|portable|port|fax
    |call\w{0,3}|ring|dial|sms|whatsapp|hotline|landline|reach\ me|appel\w{0,4}|rappel\w{0,4}|joindre|joignable|fixe
    |ligne|standard|direct|directe|ext|extension)(?!\w)"""
_CALL = re.compile(_CALL_WORD, re.IGNORECASE | re.VERBOSE)
_CALLED = re.compile(rf"{_CALL_WORD}[^\d\n]{{0,25}}\Z", re.IGNORECASE | re.VERBOSE)
# French numbers as dialled in France, and British mobiles, including ranges that phonenumbers does not know.
_NATIONAL = re.compile(r"(?<!\d)(?:0[1-9](?:([ .-]?)\d\d)(?:\1\d\d){3}|07\d{3} ?\d{3} ?\d{3})(?!\d)")
_TRUNK = re.compile(r"\(?0\)?[ .-]?[1-9]\d")
_INTERNATIONAL = re.compile(r"\(?(?:\+|00 ?[1-9])")
_AMERICAN = re.compile(r"(?:1[ .-]?)?\(\d{3}\) ?\d{3}[ .-]\d{4}|(?:1[ .-])?\d{3}([.-])\d{3}\1\d{4}")


def emails(text: str) -> Iterator[Span]:
    """Find email addresses, also with "(at)" for "@"."""
    for pattern in (_EMAIL, _WRITTEN_OUT):
        for match in pattern.finditer(text):
            if not _NO_ADDRESS.fullmatch(match[0]):
                yield Span("email", *match.span())


def phones(text: str) -> Iterator[Span]:
    """Find phone numbers: international ones, and those of France, Britain and the United States as dialled there.

    That phonenumbers calls a number valid is not enough, because ten digits are often an order or an employee number:
    it must also be written like a phone number, or be called one.
    """
    if sum(1 for _ in _DIGIT.finditer(text)) < _FEWEST_DIGITS:
        return
    for match in _NATIONAL.finditer(text):
        if not _is_part(text, *match.span()) and not is_reference(text, match.start()):
            yield Span("phone", *match.span())
    readings = [(region, Leniency.VALID) for region in _REGIONS]
    if "+" in text or _CALL.search(text):
        # Britain has numbers of seven to ten digits, so this accepts nearly everything that people call a phone number.
        readings.append(("GB", Leniency.POSSIBLE))
    for region, leniency in readings:
        for found in PhoneNumberMatcher(text, region, leniency=leniency):
            if _is_phone(text, found, region, leniency == Leniency.VALID):
                # phonenumbers includes a "(" even if its ")" is missing.
                opened = found.raw_string.startswith("(") and ")" not in found.raw_string
                yield Span("phone", found.start + opened, found.end)


def _is_phone(text: str, match: PhoneNumberMatch, region: str, valid: bool) -> bool:
    number, start = match.raw_string, match.start
    if _APART.search(number) or _is_part(text, start, match.end):
        return False
    digits = sum(map(str.isdigit, number))
    if _INTERNATIONAL.match(number):
        return valid or digits >= _FEWEST_ABROAD
    if is_reference(text, start):
        return False
    if _CALLED.search(before(text, start)):
        return digits >= _FEWEST_DIGITS
    # Without a trunk prefix or the American way of writing, nine or ten digits could be anything.
    return valid and (_AMERICAN if region == "US" else _TRUNK).match(number) is not None


def _is_part(text: str, start: int, end: int) -> bool:
    """Whether the number is only a part of something longer, such as BT-0199001234."""
    left, right = text[max(0, start - 2) : start], text[end : end + 2]
    return _JOINED.search(left) is not None or _JOINED.search(right[::-1]) is not None
