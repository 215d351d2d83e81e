"""Finds the numbers of passports, identity cards and driving licences, and licence plates, near a word for them."""

import re
from collections.abc import Iterator

from callcenterai.privacy.spans import Span, contains_any

_DOCUMENT_WORD = r"""(?<!\w)(?:passports?|passeports?|reisepass(?:nummer)?|pass(?:nummer|nr\.?|-nr\.?)|pasaportes?
    |passaport[eoi]|paspoort(?:nummer)?|paszport(?:u)?|pas(?:nummer)|passnummer|паспорт\w{0,2}
    |id[ -]cards?|identity[ ]cards?|cartes?[ ](?:nationale[ ])?d['’]identit[ée]|cni|personalausweis(?:nummer)?
    |ausweis(?:nummer|nr\.?)|carta[ ]d['’]identit[àa]|identiteitskaart|dow[óo]d(?:[ ]osobisty)?
    |driv(?:ing|er['’]?s?)[ ]licen[cs]es?|permis[ ]de[ ]conduire|f[üu]hrerschein(?:nummer)?|carn[ée]t?[ ]de[ ]conducir
    |patente[ ]di[ ]guida|rijbewijs(?:nummer)?)(?!\w)"""
# Letters then digits (most countries), 12AB34567 (France), groups of digits, and mixed (Germany: C01X00T47).
_DOCUMENT_FORM = r"""(?:[A-Z]{1,3}[ -]?\d{6,9}[A-Z]?|[a-z]{1,2}\d{6,9}|\d{6,12}[A-Z]?|\d\d[A-Z]{2}\d{5}
    |\d{2,4}(?:[ ]\d{2,6}){1,3}
    |(?=(?:[A-Z]{0,8}\d){4})[A-Z0-9]{8,18})"""
_PASSPORT = re.compile(
    rf"(?i:{_DOCUMENT_WORD})[^\d\n]{{0,30}}?(?:\n[ ]?)?(?<![\w.,/-])(?P<number>{_DOCUMENT_FORM})(?![\w-]|[.,/]\d)",
    re.VERBOSE,
)
_PASSPORT_AFTER = re.compile(
    rf"(?<![\w.,/-])(?P<number>{_DOCUMENT_FORM})[ ]?(?:[(,:-]|is|est|ist|es)[ ]{{0,2}}(?:[^\W\d_]{{1,10}}[ ]){{0,3}}?"
    rf"(?i:{_DOCUMENT_WORD})",
    re.VERBOSE,
)
_FEWEST_DIGITS = 6
_PLATE_WORD = r"""(?<!\w)(?<!base[ ])(?<!name[ ])(?<!door[ ])(?<!face[ ])(?<!hot[ ])(?<!steel[ ])(?:(?:licen[cs]e
    |number|registration|car|vehicle)[ -]?plates?|plates?|plate[ ](?:no|number)\.?
    |(?:car|vehicle|van|truck)[ ]reg(?:istration|\.)?(?:[ ](?:no|number)\.?)?|reg(?:istration)?\.?[ ](?:no|number)\.?
    |plaques?|immatricul[ée]+e?s?|immatriculation|kennzeichen|nummernschild|matr[íi]culas?|targa|targat[oa]|kenteken
    |rejestracyjny|rejestracja|registreringsnummer|reg\.?nr|nummerplade|placa)(?!\w)"""
# France and Italy (AB-123-CD), France before 2009 (1234 AB 75), Spain (1234 BCD), Britain (AB12 CDE, A123 BCD), Germany
# (M-AB 1234), the Netherlands (12-ABC-3), Poland (WA 12345), the United States (ABC-1234, 7ABC123) and others.
_PLATE_FORM = r"""(?:[A-Z]{2}[ -]?\d{3}[ -]?[A-Z]{2}|[a-z]{2}-?\d{3}-?[a-z]{2}|\d{2,4}[ -]?[A-Z]{2,3}[ -]?\d[\dAB]
    |\d{4}[ -]?[B-DF-HJ-NP-TV-Z]{3}|[A-Z]{2}\d\d[ ]?[A-Z]{3}|[a-z]{2}\d\d[ ]?[a-z]{3}|[A-Z]\d{1,3}[ ]?[A-Z]{3}
    |[A-ZÄÖÜ]{1,3}[ -][A-Z]{1,2}[ -]?\d{1,4}[EH]?|(?=[A-Z-]{0,4}\d)(?=[\d-]{0,4}[A-Z])(?:[A-Z]{1,3}
    |\d{1,3})-[A-Z0-9]{2,3}-[A-Z0-9]{1,3}
    |[A-Z]{1,3}[ -]?\d{3,5}|\d[A-Z]{3}\d{3})"""
_PLATE_BEFORE = re.compile(
    rf"(?i:{_PLATE_WORD})[^\d\n]{{0,25}}?(?<![\w-])(?P<number>{_PLATE_FORM})(?![\w-])", re.VERBOSE
)
_PLATE_AFTER = re.compile(rf"(?<![\w-])(?P<number>{_PLATE_FORM})[ ]?[(,:-]{{1,2}}[ ]?(?i:{_PLATE_WORD})", re.VERBOSE)

# One of these is in every word for a document or a plate, in lower case.
_DOCUMENT_STRINGS = (
    *("pass", "pas", "пасп", "id card", "id-card", "identi", "ausweis", "cni", "dow", "licen", "permis", "hrerschein"),
    *("conducir", "patente", "rijbewijs"),
)
_PLATE_STRINGS = (
    *("plate", "reg", "plaque", "immatricul", "kennzeichen", "nummernschild", "matr", "targa", "kenteken", "rejestrac"),
    *("nummerplade", "placa"),
)


def passports(text: str) -> Iterator[Span]:
    """Find the numbers of passports, identity cards and driving licences next to a word for them."""
    if not contains_any(text, _DOCUMENT_STRINGS):
        return
    for match in (*_PASSPORT.finditer(text), *_PASSPORT_AFTER.finditer(text)):
        if sum(map(str.isdigit, match["number"])) >= _FEWEST_DIGITS or match["number"].isalnum():
            yield Span("passport", *match.span("number"))


def plates(text: str) -> Iterator[Span]:
    """Find licence plates of Europe and America that stand next to a word for them."""
    if not contains_any(text, _PLATE_STRINGS):
        return
    for pattern in (_PLATE_BEFORE, _PLATE_AFTER):
        for match in pattern.finditer(text):
            yield Span("plate", *match.span("number"))
