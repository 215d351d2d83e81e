"""Finds phone numbers."""

import re
from collections.abc import Iterator

from phonenumbers import Leniency, PhoneNumberMatch, PhoneNumberMatcher

from callcenterai.privacy.spans import Span, is_reference, words_before

# A letter or digit next to the number, or joined to it by a sign: the number is a part of something longer.
_JOINED = re.compile(r"(?:\w|\w[#=-]|\d\.)\Z")
_DECIMAL = re.compile(r"\d,\Z")
_REGIONS = ("FR", "GB", "US")
# phonenumbers reads across these, but they more often separate a list, a table, or a version from a date.
_APART = re.compile(r"#|\s\s|\n|(?<!\d)\d{4}-\d\d-\d\d(?!\d)")
_FEWEST_DIGITS = 7
# With a country code. A shorter number is more likely a counter with leading zeros.
_FEWEST_ABROAD = 10
# Fewer digits before or after a comma could be decimals.
_FEWEST_IN_ROW = 9
_CALL_WORD = r"""(?<!\w)(?:t[ée]l|t[ée]l[ée]phon\w{1,4}|tel[ée]fon\w{0,2}|telefoon\w{0,6}|mobiel\w{0,6}|phone|mobile
    |mobil\w{0,4}
    |m[óo]vil|telem[óo]vel|mob|cell|cellphone|cellulare|celular|handy\w{0,6}|gsm|portable|port|fax|durchwahl|r[üu]ckruf
    |call\w{0,3}|ring|dial|sms|whatsapp|hotline|landline|reach\ me|appel\w{0,4}|rappel\w{0,4}|joindre|joignable|fixe
    |ll[áa]m\w{1,6}|anrufen|ruf|bel|chiam\w{1,4}|lig(?:ue|ar)|ligne|standard|direct|directe|ext|extension)(?!\w)"""
_CALLED = re.compile(rf"{_CALL_WORD}[^\d\n]{{0,25}}\Z", re.IGNORECASE | re.VERBOSE)
_BETWEEN = r"(?:[ ]?[./-][ ]?|[ ]?\([ ]?|\)[ ]?|[ ])?"
# A number of any country. It needs a call word before it, or a plus sign or 00 at its start and more digits.
_NUMBER = re.compile(rf"(?<!\w)(?:[+(]{{1,3}}[ ]?)?\d(?:{_BETWEEN}\d){{6,14}}(?!\d)")
_ABROAD = re.compile(r"\(?(?:\+|00(?=[ ]?[1-9]))")
_DIGIT_BEFORE = re.compile(r"\d[ .-]\Z")
# French numbers as dialled in France, and British mobiles, including ranges that phonenumbers does not know.
_NATIONAL = re.compile(
    r"(?<!\d)(?:0[1-9]( ?[.,:;|_/-] ?| {0,2})\d\d(?:\1\d\d){3}|\(0[1-9]\)(?: ?\d\d){4}|07\d{3} ?\d{3} ?\d{3})(?!\d)"
)
_TRUNK = re.compile(r"(?<!\d)\(?0\)?[ .-]?[1-9]\d")
_INTERNATIONAL = re.compile(r"(?<!\d)\(?(?:\+|00 ?[1-9])")
_AMERICAN = re.compile(r"(?:1[ .-]?)?\(\d{3}\) ?\d{3}[ .-]\d{4}|(?:1[ .-])?\d{3}([.-])\d{3}\1\d{4}")
# The digits with what may stand between them in a phone number, and an extension. phonenumbers reads one such stretch
# at a time, because its time for a text grows faster than the text. No row of numbers is longer than the longest.
_STRETCH = re.compile(
    r"[+(]{0,3}\d(?:[ ()./+\[\]~-]{0,4}\d){6,}+(?:[ ,;]{0,2}(?:ext|extension|poste|x)\.? {0,2}\d{1,6})?", re.IGNORECASE
)
_LONGEST_STRETCH = 300


def phones(text: str) -> Iterator[Span]:
    """Find phone numbers: international ones, and those of France, Britain and the United States as dialled there.

    That phonenumbers calls a number valid is not enough, because ten digits are often an order or an employee number:
    it must also be written like a phone number, or be called one.
    """
    found = {
        *(match.span() for match in _NATIONAL.finditer(text) if not _belongs_elsewhere(text, match)),
        *(match.span() for match in _NUMBER.finditer(text) if _is_called_or_abroad(text, match)),
    }
    for start, end in sorted(found):
        yield Span("phone", start + _opened(text[start:end]), end)
    for match in _STRETCH.finditer(text):
        # phonenumbers takes most of the time.
        if match.span() not in found and len(match[0]) <= _LONGEST_STRETCH:
            yield from _in_stretch(text, *match.span())


def _is_called_or_abroad(text: str, match: re.Match[str]) -> bool:
    """Whether a number has a call word before it or an international prefix."""
    if _is_abroad(text, match) or _is_called(text, match.start()):
        return not _belongs_elsewhere(text, match)
    return False


def _is_called(text: str, start: int) -> bool:
    """Whether a word such as "call" is before a number."""
    return _CALLED.search(words_before(text, start)) is not None


def _is_abroad(text: str, match: re.Match[str]) -> bool:
    """Whether a number begins like an international one and has enough digits."""
    if not _ABROAD.match(match[0]) or sum(map(str.isdigit, match[0])) < _FEWEST_ABROAD:
        return False
    return "+" in match[0] or not _DIGIT_BEFORE.search(text[max(0, match.start() - 2) : match.start()])


def _belongs_elsewhere(text: str, match: re.Match[str]) -> bool:
    """Whether the number is a part of another one, of a list, or an order's or the like."""
    whole = _is_part(text, *match.span()) or is_reference(text, match.start())
    return whole or _APART.search(match[0]) is not None


def _in_stretch(text: str, start: int, end: int) -> Iterator[Span]:
    """Find what phonenumbers calls valid between two positions."""
    for region in _regions(text, start, end):
        for found in PhoneNumberMatcher(text[start:end], region, leniency=Leniency.VALID):
            if _is_phone(text, start, found, region):
                yield Span("phone", start + found.start + _opened(found.raw_string), start + found.end)


def _regions(text: str, start: int, end: int) -> tuple[str, ...]:
    """Return the countries whose way of writing numbers occurs between two positions.

    An international number is read the same way for all of them.
    """
    if _is_called(text, start):
        return _REGIONS
    european = _TRUNK.search(text, start, end) or _INTERNATIONAL.search(text, start, end)
    american = _AMERICAN.search(text, start, end)
    return (*(("FR", "GB") if european else ()), *(("US",) if american else ()))


def _opened(number: str) -> int:
    """Return 1 if the number begins with a "(" that is not closed in it, else 0."""
    return number.startswith("(") and ")" not in number


def _is_phone(text: str, first: int, match: PhoneNumberMatch, region: str) -> bool:
    number, start = match.raw_string, first + match.start
    if _APART.search(number) or _is_part(text, start, first + match.end):
        return False
    if _INTERNATIONAL.match(number):
        return True
    if is_reference(text, start):
        return False
    if _is_called(text, start):
        return sum(map(str.isdigit, number)) >= _FEWEST_DIGITS
    # Without a trunk prefix or the American way of writing, nine or ten digits could be anything.
    return (_AMERICAN if region == "US" else _TRUNK).match(number) is not None


def _is_part(text: str, start: int, end: int) -> bool:
    """Whether the number is only a part of something longer, such as BT-0199001234."""
    sides = text[max(0, start - 2) : start], text[end : end + 2][::-1]
    row = sum(map(str.isdigit, text[start:end])) >= _FEWEST_IN_ROW
    if sides[0].endswith("=") and _is_called(text, start):
        sides = "", sides[1]
    return any(_JOINED.search(side) or (not row and _DECIMAL.search(side)) for side in sides)
