"""Finds email addresses, also those that are spelled out."""

import re
from collections.abc import Iterator

from callcenterai.privacy.spans import Span

# Possessive quantifiers (`}+`) prevent backtracking on any text; the lengths are those of RFC 5321. In
# "d'accounts@example.com" the first letter is a French word.
_LOCAL = r"\w[\w.+%&'-]{0,63}+"
_LABEL = r"[^\W_][\w-]{0,61}+"
_EMAIL = re.compile(
    r"(?<!\w)(?![DLdl]')\w[\w.+%&'-]{0,63}+@(?:[^\W_](?:[\w-]{0,61}+)\.){1,8}"
    r"(?:xn--[\w-]{2,59}|[^\W\d_]{2,24})(?![\w-])"
)
_DOT = r"(?:dot|point|punto|punkt|punt|ponto|kropka)"
_BRACKETED = re.compile(
    rf"(?<!\w){_LOCAL} ?[(\[{{](?:at|arobase|arroba|chiocciola|a|@)[)\]}}] ?{_LABEL}"
    rf"(?:(?:\.| ?[(\[{{]{_DOT}[)\]}}] ?){_LABEL}){{1,8}}",
    re.IGNORECASE,
)
# From "at" on; the local part is read backwards from there, because "at" is rarer than words.
_SPOKEN_DOMAIN = re.compile(
    rf" (?:at|arobase|arroba|chiocciola|@) (?P<domain>{_LABEL}(?:(?:\.| {_DOT} ){_LABEL}){{1,8}})(?!\w)", re.IGNORECASE
)
_SPOKEN_LOCAL = re.compile(rf"(?<!\w)\w[\w+-]{{0,63}}(?:(?:\.| {_DOT} )[\w+-]{{1,63}}){{0,4}}\Z", re.IGNORECASE)
# "at noon dot" is no domain: spelled out, the last part must be one that people have their addresses in.
_TOP_LEVEL = re.compile(
    r"""com|org|net|edu|gov|info|biz|io|co|ai|eu|uk|us|ca|au|nz|ie|fr|be|ch|lu|de|at|es|pt|it|nl|pl|cz|se|no|dk|fi|ro|hu
    |gr|br|mx|ar|in|jp|cn|za|test|example""",
    re.IGNORECASE | re.VERBOSE,
)
_LAST_PART = re.compile(r"\w+\Z")
_SPOKEN_DOT = re.compile(rf" {_DOT} ", re.IGNORECASE)
# "jo @ example . com"
_SPACED = re.compile(
    rf"(?<![\w@]){_LOCAL}(?:[ ]@[ ]?|@[ ]){_LABEL}(?:[ ]?\.[ ]?{_LABEL}){{0,7}}"
    rf"[ ]?\.[ ]?(?:{_TOP_LEVEL.pattern})(?![\w-])",
    re.IGNORECASE | re.VERBOSE,
)
_INNER_DOT = re.compile(r"[^\W\d_]\.[^\W\d_]")
_LONGEST_LOCAL = 100
# Not addresses: images for dense screens (logo@2x.png), and git remotes (git@host:path).
_NO_ADDRESS = re.compile(r".*@\dx\.[a-z]{3,4}|git@.*", re.IGNORECASE)


def emails(text: str) -> Iterator[Span]:
    """Find email addresses, also with "(at)" for "@", and "name at example dot com"."""
    for pattern in (_EMAIL, _BRACKETED, _SPACED):
        for match in pattern.finditer(text):
            if not _NO_ADDRESS.fullmatch(match[0]):
                yield Span("email", *match.span())
    yield from _spoken(text)


def _spoken(text: str) -> Iterator[Span]:
    """Find addresses in words. With a real dot in the domain, the name needs one too: "look at example.com"."""
    for match in _SPOKEN_DOMAIN.finditer(text):
        first = max(0, match.start() - _LONGEST_LOCAL)
        name = _SPOKEN_LOCAL.search(text[first : match.start()])
        last = _LAST_PART.search(match["domain"])
        if name is None or last is None or not _TOP_LEVEL.fullmatch(last[0]):
            continue
        if _SPOKEN_DOT.search(match["domain"]) or _INNER_DOT.search(name[0]):
            yield Span("email", first + name.start(), match.end())
