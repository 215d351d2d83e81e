"""Finds names of people by the words around them, by fields of files, by what stands beside them, and by given names.

A name is written with capital letters here and has at least two words, unless a title such as "Mrs" or a field for
names is before it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from callcenterai.privacy import name_words
from callcenterai.privacy.spans import Span, has_any

_CAPITAL = r"[^\W\d_a-zß-öø-ÿ]"
_WORD = (
    rf"(?:(?:Mc|Mac|[ODLdl]['’]|[Aae]l-|El-){_CAPITAL}?[\w’'-]{{1,20}}"
    rf"|{_CAPITAL}[^\W\d_]{{1,20}}(?:['’-][^\W\d_]{{1,20}}){{0,3}})"
)
_PARTICLE = (
    "(?:van der|van den|van de|van|von der|von|vom|zu|de la|de los|del|de|du|des|da|dos|das|di|della|le|la|el|al"
    "|bin|ben|ter|ten|y|e)"
)
_INITIAL = rf"{_CAPITAL}\."
_SURNAME = rf"(?:{_PARTICLE} ){{0,2}}{_WORD}"
_FULL = rf"(?:{_WORD}|{_INITIAL}(?:-?{_INITIAL})?)(?: {_INITIAL})?(?: {_SURNAME}){{1,3}}"
# Somebody signs for somebody else: "i. A. Jürgen Krause".
_ON_BEHALF = r"(?:(?:[ip]\. ?[AVPOavpo]\.|pp\.?|[pP]/[oO]) ?)?"
_FULL_OR_REVERSED = rf"(?:{_WORD}, {_WORD}(?: {_WORD})?|{_FULL})"
_LETTERS = re.compile(r"[^\W\d_]+")


class _Context(NamedTuple):
    """What a name stands after, and the longest words of its phrases, one of which is in every text that has it."""

    pattern: re.Pattern[str]
    words: frozenset[str]


def _phrases(words: str) -> list[str]:
    """Return the phrases of a list, the longest first, so that a pattern tries "nom de famille" before "nom"."""
    return sorted((" ".join(phrase.split()) for phrase in words.split(",")), key=len, reverse=True)


def _any_of(words: str) -> str:
    return f"(?:{'|'.join(map(re.escape, _phrases(words)))})"


def _context(pattern: str, *words: str) -> _Context:
    longest = (max(_LETTERS.findall(phrase.lower()), key=len) for each in words for phrase in _phrases(each))
    return _Context(re.compile(pattern), frozenset(longest))


_CONTEXTS = (
    # After a line break or a comma, because a sign-off can also be part of a sentence.
    _context(
        rf"(?<!\w)(?i:{_any_of(name_words.SIGN_OFFS)})(?: (?:aus|from|de) {_WORD})? ?[,.!;-]{{0,2}} ?"
        rf"(?:\r?\n[ >\t-]{{0,4}}){{0,3}}(?<=[\n,.!;> -]){_ON_BEHALF}"
        rf"(?P<name>{_FULL})(?= ?(?:[\n\r,;|(<\[/–-]|\.? ?\Z|\. ))",
        name_words.SIGN_OFFS,
    ),
    _context(
        rf"(?<![\w.'’-]){_any_of(name_words.TITLES)} {{1,2}}(?:(?:Dr|Prof)\.? ){{0,2}}"
        rf"(?P<name>(?:(?:{_WORD}|{_INITIAL}) ){{0,2}}?{_SURNAME}(?: {_SURNAME})?)(?!\w)",
        name_words.TITLES,
    ),
    _context(
        rf"(?im:^[ >\t]{{0,4}}{_any_of(name_words.GREETINGS)}) {{1,2}}(?P<name>{_FULL})(?= ?(?:[,:!\n\r-]|\Z))",
        name_words.GREETINGS,
    ),
    _context(
        rf"(?<!\w)(?i:{_any_of(name_words.INTRODUCTIONS)}) {{1,2}}(?P<name>{_FULL})(?!\w| ?[:=])",
        name_words.INTRODUCTIONS,
    ),
    _context(
        rf"(?<![\w-])(?i:{_any_of(name_words.SURNAME_LABELS)})(?: ?[:=]| (?:is|est|ist|es|è|é))[ \t]{{0,3}}[\"']?"
        rf"(?P<name>{_SURNAME})(?!\w)",
        name_words.SURNAME_LABELS,
    ),
    _context(
        rf"(?<!\w)(?i:{_any_of(name_words.HOLDERS)}) ?[:=]? (?!{_any_of(name_words.TITLES)} )"
        rf"(?P<name>(?:{_WORD}|{_CAPITAL})\.? {_SURNAME}(?: {_SURNAME})?)(?!\w)",
        name_words.HOLDERS,
    ),
)
# Only in a text with a colon or an equals sign.
_LABELLED = _context(
    rf"(?:(?<![\w-])(?i:{_any_of(name_words.LABELS)})"
    rf"|(?:^|(?<=\n)|(?<=[;,] ))[ >*\t-]{{0,4}}(?i:{_any_of(name_words.FIRST_LABELS)})) ?[:=][ \t]{{0,3}}[\"']?"
    rf"(?P<name>{_FULL_OR_REVERSED})(?!\w| ?[:=])",
    *(name_words.LABELS, name_words.FIRST_LABELS),
)


def _field(words: str, prefix: str, name: str) -> re.Pattern[str]:
    """Return a pattern for fields of these names in JSON, XML, its attributes and rows of a label and a value."""
    field = rf"{prefix}(?i:{'|'.join(phrase.replace(' ', '[ _-]?') for phrase in _phrases(words))})"
    return re.compile(
        rf"(?:(?<=[\"'])(?:{field})\\?[\"'][ \t]{{0,4}}(?::|=>?|,)\s{{0,8}}\\?[\"']"
        rf"|<(?:\w{{1,20}}:)?(?:{field})(?:[ \t][^<>\n]{{0,100}})?>\s{{0,8}}(?:<!\[CDATA\[)?"
        rf"|(?<=[\s;,])(?:{field})[ ]?=[ ]?[\"'])(?P<name>{name})(?=\\?[\"']|\s{{0,8}}(?:\]\]>)?<)"
    )


_FIELDS = (
    _field(
        name_words.NAME_FIELDS,
        r"[\w.:-]{0,30}?",
        rf"[^\W\d_][^\W\d_.'’-]{{0,30}}(?:[ .'’-]{{1,2}}{_CAPITAL}?[^\W\d_]{{1,30}}){{0,4}}",
    ),
    _field(name_words.FULL_NAME_FIELDS, "", _FULL_OR_REVERSED),
)
# One of the first is around every field, and one of the second, in lower case, is in the name of every field.
_FIELD_MARKS = ('"', "<", "':", "' :", "='", "= '", "',", "'=")
_FIELD_STRINGS = (
    *("name", "nom", "naam", "apell", "nazw", "contact", "caller", "request", "report", "holder", "author", "assign"),
    *("kunde", "ansprech", "demandeur"),
)
# What stands beside a name tells more about the person.
_BESIDE = frozenset(("phone", "email", "address", "birth_date", "iban", "national_id", "passport"))
_BREAK = r"[\"']?[ \t]{0,2}(?:[|,;/:(<\[\t-]|\r?\n)[ >\t\r\n\"']{0,4}"
# "Jürgen Krause - sales - Tel. [PHONE]": at most two short entries, such as a team, are between.
_NAME_BEFORE = re.compile(
    rf"(?:(?<![^\n.!?;,:|\"'>(\t/-])|(?<=[.!?;,:|>/-] )|(?<!\w)(?i:{_any_of(name_words.CONTACT_VERBS)}) )"
    rf"(?P<name>{_FULL}?)"
    rf"(?:{_BREAK}(?:[^|,;/:(<\[\n.!?-]{{1,30}}{_BREAK}){{0,2}}| )"
    rf"(?:(?i:{_any_of(name_words.CONTACT_LABELS)})\.?[\"']?[ ]?:?[ \"']{{0,2}}){{0,2}}[\"'+(]?\Z"
)
_NAME_AFTER = re.compile(
    rf"[>)\"'\]]?(?:[ \t]{{0,2}}[|,;/(-][ \t\"']{{0,2}}| |[.?!]{{0,2}}[ \t]{{0,2}}(?:\r?\n[ >\t]{{0,4}}){{1,3}})"
    rf"(?P<name>{_FULL})(?=[\"']?[ \t]{{0,2}}(?:[\n\r,;|<()-]|\.?\s{{0,4}}\Z))"
)
_FARTHEST = 100
# A name alone on the last line signs the sentences before it.
_LAST_LINE = re.compile(rf"[.!?,][ \t]{{0,2}}(?:\r?\n[ >\t-]{{0,4}}){{1,3}}(?P<name>{_FULL})\s{{0,8}}\Z")
# Not "Daniel's", and not in capitals, which can be any words of a sentence in capitals.
_CAPITALIZED = re.compile(rf"{_CAPITAL}[^\W\d_]+(?!['’]s)")
_GIVEN_AND_SURNAME = re.compile(rf"(?<![\w@.'’-])(?P<name>{_WORD}(?: {_INITIAL})?(?: {_SURNAME}){{1,2}})(?![\w@])")


def names(text: str) -> Iterator[Span]:
    """Find names of people by the words around them, and by given names that are no common words."""
    lower = text.lower()
    if lower == text:
        return
    words = set(_LETTERS.findall(lower))
    contexts = (*_CONTEXTS, _LABELLED) if ":" in text or "=" in text else _CONTEXTS
    for context in contexts:
        if not words.isdisjoint(context.words):
            for match in context.pattern.finditer(text):
                if _may_be_name(match["name"]):
                    yield Span("person", *match.span("name"))
    if has_any(text, _FIELD_MARKS) and has_any(lower, _FIELD_STRINGS):
        yield from (
            Span("person", *match.span("name"))
            for field in _FIELDS
            for match in field.finditer(text)
            if _may_be_name(match["name"])
        )
    if not words.isdisjoint(name_words.GIVEN_NAMES) or not text.isascii():
        yield from _with_given_names(text)


def names_beside(text: str, found: Iterable[Span], ends: bool) -> Iterator[Span]:
    """Find names directly before and after personal data of other kinds and, where the text ends, on its last line."""
    matches = [_LAST_LINE.search(text, max(0, len(text) - _FARTHEST))] if ends and "\n" in text else []
    for span in found:
        if span.kind in _BESIDE:
            matches.append(_NAME_BEFORE.search(text, max(0, span.start - _FARTHEST), span.start))
        if span.kind in ("phone", "email"):
            matches.append(_NAME_AFTER.match(text, span.end))
    for match in filter(None, matches):
        if _may_be_name(match["name"]) and not _begins_with_capitals(match["name"]):
            yield Span("person", *match.span("name"))


def _begins_with_capitals(words: str) -> bool:
    """Whether it can begin with an abbreviation, or be a part of a sentence in capitals: no initial, no given name."""
    first = _LETTERS.findall(words)[0]
    return len(first) > 1 and first.isupper() and _without_accents(first.lower()) not in name_words.GIVEN_NAMES


def _with_given_names(text: str) -> Iterator[Span]:
    """Find a common given name with a surname after it, anywhere in the text."""
    for word in _CAPITALIZED.finditer(text):
        if not word[0].isupper() and _without_accents(word[0].lower()) in name_words.GIVEN_NAMES:
            match = _GIVEN_AND_SURNAME.match(text, word.start())
            if match and _may_be_name(match["name"]):
                yield Span("person", *match.span("name"))


def _may_be_name(words: str) -> bool:
    """Whether no word is one that names do not contain, and all letters have a case, unlike those of Thai."""
    if any(letter.isalpha() and not (letter.isupper() or letter.islower()) for letter in words):
        return False
    return not any(word.lower() in name_words.NO_NAMES for word in _LETTERS.findall(words))


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    return "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
