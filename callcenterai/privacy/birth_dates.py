"""Finds dates of birth, which are dates near a word for birth."""

import re
from collections.abc import Iterator

from callcenterai.privacy.spans import Span, before, contains_any

_YEAR = r"(?:18|19|20)\d\d"
# English, French, German, Spanish, Italian, Portuguese, Dutch, Polish, Swedish and Danish.
_MONTH = r"""(?:jan|f[ée]b|fev|f[ée]v|m[aä]r|maa|mrt|mei|apr|avr|abr|ma[iyjg]|mag|maggio|ju[nl]|jui|giu|lug|aug|ao[uû]
    |ago|sep|set|o[ck]t|out|ott|nov|d[eéi][czs]|gen|ene|stycz|lut|kwi|czerw|lip|sierp
    |wrze|pa[zź]dz|grud)[^\W\d_]{0,8}\.?"""
_AMERICAN_DATE = rf"{_MONTH}[ ]\d{{1,2}}(?:st|nd|rd|th)?,?[ ]{_YEAR}"
_OTHER_DATE = rf"""(?:\d{{1,2}}[ ]?[./ -][ ]?\d{{1,2}}[ ]?[./ -][ ]?(?:{_YEAR}|\d\d)
    |{_YEAR}[./ -]\d{{1,2}}[./ -]\d{{1,2}}
    |\d{{1,2}}(?:\.|er|st|nd|rd|th|[ºª°])?[ -]?(?:of[ ]|de[ ]|d')?{_MONTH}[ ,-]{{1,2}}(?:de[ ]|del[ ])?{_YEAR}
    |{_YEAR}年[ ]?\d{{1,2}}月[ ]?\d{{1,2}}日
    |\d{{8}})"""
_DATES = tuple(
    re.compile(rf"(?<![\w/.-]){date}(?!\w|[./-]\d)", re.IGNORECASE | re.VERBOSE)
    for date in (_AMERICAN_DATE, _OTHER_DATE)
)
_NOUN = r"""(?:(?<![^\W_])(?:d\.?o\.?b\.?|dates?[ _]?of[ _]?birth|birth[ _-]?(?:dates?|days?)|birth|(?:date|ddn
    |jour)[ ](?:de[ ])?naissance|ddn
    |date[ ]naiss|geburtsdat(?:um|en)|geburtstag|(?:fecha|f\.)[ ]de[ ]nacimiento|nacimiento|fec\.?[ ]nac
    |data[ ]di[ ]nascita
    |data[ ]de[ ]nascimento|nascimento|geboortedatum|geb\.?datum|data[ ]urodzenia|f[öo]delse(?:datum|dag)|f[øo]dselsdato
    |дата[ ]рождения|г\.р)(?!\w)|生年月日|出生日期)"""
_VERB = r"""(?<!\w)(?:born|née?|n[ée]e?\(e\)|n[ée]+(?:\(e\)|\(ée\)|[.]e)?[ ]le|geboren|geb|nacid[oa]|nat[oa][ ](?:il|a)
    |nascid[oa]|urodzon[ya]|ur
    |f[öo]dt|f[öo]dd|родил(?:ся|ась))(?!\w)"""
# The word before the date, also on the line before, or after it: "14/07/1991 (date of birth)". A place may be between.
_WORD_BEFORE = re.compile(
    rf"(?:{_NOUN}[^\d\n]{{0,40}}(?:\n[^\w\n]{{0,4}})?|{_VERB}[^\d\n]{{0,25}})\Z", re.IGNORECASE | re.VERBOSE
)
_WORD_AFTER = re.compile(
    rf"""[ ]?[(,:-]?[ ]?(?:is|est|ist|es|era|was)?[^\w\n]{{0,2}}
    (?:(?:his|her|my|their|sa|ma|mein|ihr|mi|su|as|the|la|comme)[ ])?{_NOUN}""",
    re.IGNORECASE | re.VERBOSE,
)
# One of these is in every word for birth, in lower case.
_STRINGS = (
    *("dob", "d.o.b", "birth", "born", "naiss", "ddn", "né", "nee", "ne(", "ne ", "gebor", "geburt", "geb", "nacim"),
    *(
        "nacid",
        "nac",
        "nat",
        "nasc",
        "urodz",
        "ur ",
        "ur.",
        "ur:",
        "föd",
        "fod",
        "fød",
        "рожд",
        "роди",
        "г.р",
        "生年",
        "出生",
    ),
)
_IMPOSSIBLE = re.compile(r"00|\d{1,2}[./ -]{1,3}00|(?:1[3-9]|[2-9]\d)[./ -]{1,3}(?:1[3-9]|[2-9]\d)[./ -]{1,3}")


def birth_dates(text: str) -> Iterator[Span]:
    """Find dates next to a word for birth, in ten languages."""
    if not contains_any(text, _STRINGS):
        return
    for pattern in _DATES:
        for match in pattern.finditer(text):
            if _IMPOSSIBLE.match(match[0]):
                continue
            if _WORD_BEFORE.search(before(text, match.start())) or _WORD_AFTER.match(text, match.end()):
                yield Span("birth_date", *match.span())
