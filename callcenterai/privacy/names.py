"""Finds names of people: after salutations, titles, sign-offs and the labels of forms, and after common given names.

A name is written with capital letters here and has at least two words, unless a title such as "Mrs" is before it.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from callcenterai.privacy import name_words
from callcenterai.privacy.spans import Span

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
        rf"(?<!\w)(?i:{_any_of(name_words.SIGN_OFFS)}) ?[,.!;-]{{0,2}} ?(?:\r?\n[ >\t-]{{0,4}}){{0,3}}(?<=[\n,.!;> -])"
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
    if not words.isdisjoint(name_words.GIVEN_NAMES) or not text.isascii():
        yield from _with_given_names(text)


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
