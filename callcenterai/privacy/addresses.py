"""Finds postal addresses: a house number and a street, with the postal code and the city that follow them."""

import re
from collections.abc import Iterator

from callcenterai.privacy.spans import Span, contains_any

# A word that begins with a capital letter, and small words between such words.
_WORD = r"(?:[^\W\d_a-zß-öø-ÿ][\w'’-]{0,24}\.?)"
_SMALL = r"""(?:de[ ]la|de[ ]l['’]|d['’]|de|du|des|la|le|les|l['’]|y|e|di|del|della|dei|delle|van|von|der|den|da|do
    |dos|das|et|sur)"""
_NUMBER = r"\d{1,4}[a-zA-Z]?(?![\w])"
_CITY = rf"{_WORD}(?:[ -](?:(?:{_SMALL}|am|an|der|on|upon|sur|in)[ -])?{_WORD}){{0,3}}"
_CODED_CITY = rf"(?:[A-Z]{{1,2}}-)?\d{{4,5}}(?:-\d{{3,4}})?[ ]{_CITY}(?:[ ]Cedex(?:[ ]\d\d)?)?"
_NEXT = r"(?:[ ]?[,;·-][ ]?|[ ]?,?[ ]?\r?\n[ >]{0,4}|[ ])"
_BRITISH_CODE = r"[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2}"
_FLAT = r"(?:,?[ ](?i:apt|apartment|suite|ste|unit|flat|floor|\#)\.?[ ]?\d{1,4}[A-Za-z]?)?"

_ENGLISH = rf"""(?<![\w.,/-])\d{{1,5}}[A-Za-z]?[ ](?:[NSEW]\.?[ ])?(?:{_WORD}[ ]|\d{{1,3}}(?:st|nd|rd|th)[ ]){{1,4}}?
    (?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Boulevard|Blvd|Way|Close|Crescent|Terrace|Gardens
    |Grove|Highway|Hwy|Parkway|Pkwy|Row|Mews|Hill|Walk|Quay|Green)(?!\w)\.?(?:[ ][NSEW]{{1,2}}(?!\w))?{_FLAT}
    (?:{_NEXT}(?:{_CITY},?[ ])?(?:[A-Z]{{2}}[ ]\d{{5}}(?:-\d{{4}})?|{_BRITISH_CODE}|[A-Z]{{2,3}}[ ]\d{{4}}
    |[A-Z]\d[A-Z][ ]?\d[A-Z]\d)(?!\w)
        |{_NEXT}{_CODED_CITY})?"""
_FRENCH = rf"""(?<![\w.,/-])\d{{1,4}}(?:[ ]?(?:bis|ter|quater|[A-D])(?!\w))?,?[ ]
    (?i:rue|avenue|av\.|ave|boulevard|bd|blvd|boul\.|place|pl\.|chemin|impasse|all[ée]es?|quai|route|cours|square|passage|faubourg|r[ée]sidence
    |lotissement|rond-point|sentier|villa|cit[ée]|voie|mont[ée]e)[ ]
    (?:{_SMALL}[ ]?){{0,2}}(?:{_WORD}|\d{{1,2}}[ ][a-zé]{{3,9}}[ ]\d{{4}}
    |\d{{1,2}}[ ][a-zéû]{{3,9}})(?:[ -](?:{_SMALL}[ ]?)?{_WORD}){{0,4}}
    (?:{_NEXT}{_CODED_CITY})?"""
_GERMAN = rf"""(?<![\w-])(?:[A-ZÄÖÜ][\wäöüß-]{{1,24}}(?:stra(?:ß|ss)e|str\.|weg|platz|gasse|allee|ring|damm|ufer
    |steig|markt|hof|graben)
    |{_WORD}[ ](?:Stra(?:ß|ss)e|Str\.|Weg|Platz|Allee|Ring|Damm|Ufer)|(?:Am|An[ ]der|Im|Zum|Zur|Unter[ ]den
    |Auf[ ]der)[ ]{_WORD})
    [ ]{_NUMBER}(?:{_NEXT}{_CODED_CITY})?"""
_DUTCH = rf"""(?<![\w-])[A-Z][\w-]{{1,24}}(?:straat|laan|weg|plein|gracht|kade|singel|dijk|steeg|hof)[ ]{_NUMBER}
    (?:{_NEXT}\d{{4}}[ ]?[A-Z]{{2}}(?:[ ]{_CITY})?|{_NEXT}{_CODED_CITY})?"""
_SOUTHERN = rf"""(?<![\w-])(?:(?i:calle|c/|avenida|avda\.?|av\.|plaza|pza\.?|paseo|camino|carretera|ronda|via|viale
    |piazza|piazzale|corso|largo
    |vicolo|strada|rua|travessa|praça|alameda|estrada|ul\.|ulica|al\.|aleja|os\.))[ ]?
    (?:{_SMALL}[ ]?){{0,2}}{_WORD}(?:[ ](?:{_SMALL}[ ]?){{0,2}}{_WORD}){{0,3}},?[ ](?:n?[º°.]?[ ]?
    |n[ºo°.][ ]?){_NUMBER}(?:/\d{{1,3}})?
    (?:,?[ ]\d{{1,2}}[ºª°][ ]?[A-Za-z]?(?!\w))?(?:{_NEXT}(?:\d\d-\d{{3}}[ ]{_CITY}|{_CODED_CITY}))?"""
# People also write addresses without capital letters; then only one word of the name can be told from the sentence.
# With a postal code there can be more.
_LOWER_CASE = rf"""(?:(?<![\w.,/-])\d{{1,4}}(?:[ ]?(?:bis|ter))?,?[ ]
        (?:rue|avenue|boulevard|bd|impasse|chemin|all[ée]e|quai)[ ](?:{_SMALL}[ ]?){{0,3}}
        (?:(?:[a-zà-ÿ’'-]{{2,20}},?[ ]){{1,4}}(?=\d{{5}}[ ])|[a-zà-ÿ][a-zà-ÿ’'-]{{2,20}})
    |(?<![\w.,/-])\d{{1,5}}[ ][a-z]{{3,15}}[ ](?:street|avenue|boulevard)
    |(?<![\w-])[a-zäöüß]{{3,20}}stra(?:ß|ss)e[ ]{_NUMBER})(?:(?:(?<=[ ])|{_NEXT})\d{{5}}[ ][A-Za-zÀ-ÿ-]{{2,30}})?"""
# With strings in lower case one of which is in every address of the pattern, or none where a digit comes first.
_STREETS = tuple(
    (strings, re.compile(rf"{pattern}(?!\w)", re.VERBOSE))
    for strings, pattern in (
        ((), _ENGLISH),
        ((), _FRENCH),
        (
            (
                *(
                    "stra",
                    "str.",
                    "weg ",
                    "platz ",
                    "gasse",
                    "allee",
                    "ring ",
                    "damm ",
                    "ufer ",
                    "steig ",
                    "markt ",
                    "hof ",
                ),
                *("graben", "am ", "an der ", "im ", "zum ", "zur ", "unter den ", "auf der "),
            ),
            _GERMAN,
        ),
        (("straat", "laan", "weg ", "plein", "gracht", "kade", "singel", "dijk", "steeg", "hof "), _DUTCH),
        (
            (
                *(
                    "calle",
                    "c/",
                    "avenida",
                    "avda",
                    "av.",
                    "plaza",
                    "pza",
                    "paseo",
                    "camino",
                    "carretera",
                    "ronda",
                    "via",
                ),
                *(
                    "piazza",
                    "corso",
                    "largo",
                    "vicolo",
                    "strada",
                    "rua",
                    "travessa",
                    "praça",
                    "alameda",
                    "ul",
                    "al",
                    "os.",
                ),
            ),
            _SOUTHERN,
        ),
        (("rue", "avenue", "boulevard", "bd", "impasse", "chemin", "all", "quai", "street", "stra"), _LOWER_CASE),
    )
)


def addresses(text: str) -> Iterator[Span]:
    """Find addresses as they are written in English, French, German, Dutch, Spanish, Italian, Portuguese and Polish."""
    for strings, pattern in _STREETS:
        if not strings or contains_any(text, strings):
            for match in pattern.finditer(text):
                yield Span("address", *match.span())
