"""How national identity numbers of different countries are written, and the words that people write near them.

python-stdnum verifies checksums. A number without words here is told from an order or a serial number by its form and
checksum alone.
"""

import importlib
import re
from functools import cache
from typing import NamedTuple

_GAP = "[ .-]"


class NationalId(NamedTuple):
    """How a number is written, python-stdnum's module for its checksum, and the words one of which is near it.

    Some have no checksum, and some need no word.
    """

    form: re.Pattern[str]
    module: str
    words: tuple[str, ...]

    def is_valid(self, number: str) -> bool:
        """Whether the checksum is right; always, if the number has none."""
        if not self.module:
            return True
        check = importlib.import_module(f"stdnum.{self.module}").is_valid
        # Not all modules accept all separators, and in Finland "-" stands for a century.
        return check(number) or check(re.sub(r"\W", "", number))


@cache
def words_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern of whole words in any case."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)


def _digits(groups: str) -> str:
    """Return the pattern of groups of digits, such as "3 2 4", with or without the same kind of gap between them."""
    return f"{_GAP}?".join(rf"\d{{{size}}}" for size in groups.split())


def _known(form: str, module: str = "", *words: str) -> NationalId:
    return NationalId(re.compile(rf"(?<!\w)(?<!\d[.,-])(?:{form})(?![\w-])", re.IGNORECASE), module, words)


_NIR = rf"[1-478]{_GAP}?\d\d{_GAP}?(?:0[1-9]|1[0-2]|[2-9]\d){_GAP}?(?:\d\d|2[AB]){_GAP}?\d{{3}}{_GAP}?\d{{3}}"
_ANY_11 = rf"\d(?:{_GAP}?\d){{10}}"
_BIRTH = r"\d\d(?:[05-7]\d|[1-8]\d)\d\d"

NATIONAL_IDS = (
    # France: social security (NIR), with and without its check digits, and tax.
    _known(rf"{_NIR}{_GAP}?\d\d", "fr.nir"),
    _known(_NIR, "", "sécu", "secu", "sécurité sociale", "securité sociale", "securite sociale", "nir", "insee"),
    _known(rf"[0-3](?:{_GAP}?\d){{12}}", "fr.nif", "fiscal", "fiscale", "spi", "impôt", "impôts", "impot", "impots"),
    # Britain. National Insurance numbers have no checksum, and after the word any letters count.
    _known(
        r"[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]",
        "",
        "national insurance",
        "ni",
        "nino",
        "n.i.",
        "insurance number",
        "n.i. no",
    ),
    _known(_digits("3 3 4"), "gb.nhs", "nhs"),
    # United States. stdnum.us.ssn refuses numbers that were never issued, and people may write those as well.
    _known(r"\d{3}[ -]\d\d[ -]\d{4}", "", "ssn", "ss #", "ss#", "itin", "social", "social security"),
    _known(r"\d{9}", "", "ssn", "social security", "socialsecuritynumber", "social_security_number"),
    # With a form or checksum of their own.
    _known(r"[A-Z]{6} ?\d\d[A-Z]\d\d ?[A-Z]\d{3}[A-Z]", "it.codicefiscale"),
    _known(r"[XYZ][ -]?\d{7}[ -]?[A-Z]", "es.nie"),
    _known(r"\d{6}[-+A]\d{3}[0-9A-Z]", "fi.hetu"),
    _known(r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d\d", "ch.ssn"),
    _known(r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d", "be.nn"),
    _known(r"\d{3}\.\d{3}\.\d{3}-\d\d", "br.cpf"),
    _known(r"\d{1,2}\.\d{3}\.\d{3}-[\dK]", "cl.rut"),
    _known(r"(?:19|20)\d{6}[-+]\d{4}", "se.personnummer"),
    _known(r"\d{6}-[1-8]\d{6}", "kr.rrn"),
    _known(r"[1-9]\d{5}(?:19|20)\d{9}[\dX]", "cn.ric"),
    _known(r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d", "mx.curp"),
    # With a word nearby.
    _known(r"\d{8}[ -]?[A-Z]", "es.dni", "dni", "nif", "documento", "identidad"),
    _known(
        _ANY_11,
        "de.idnr",
        *("steuer-id", "steuer-idnr", "steuer-identifikationsnummer", "steuernummer", "steuer id"),
        *("identifikationsnummer", "idnr", "steuerid", "tax id"),
    ),
    _known(_digits("4 6"), "at.vnr", "sozialversicherungsnummer", "svnr", "sv-nummer", "sv-nr", "versicherungsnummer"),
    _known(r"\d{9}|\d{4}\.\d{2}\.\d{3}", "nl.bsn", "bsn", "burgerservicenummer", "sofinummer"),
    _known(_ANY_11, "be.nn", "rijksregisternummer", "registre national", "numéro national", "niss", "insz", "rrn"),
    _known(r"\d{8} ?\d ?[A-Z]{2}\d", "pt.cc", "cartão de cidadão", "cartao de cidadao", "cartão do cidadão", "cc"),
    _known(r"\d{3} ?\d{3} ?\d{3}", "pt.nif", "nif", "contribuinte"),
    _known(_ANY_11, "pl.pesel", "pesel"),
    _known(r"\d{6}[-+ ]?\d{4}", "se.personnummer", "personnummer", "pnr", "personnr"),
    _known(r"\d{6}[- ]?\d{4}", "dk.cpr", "cpr", "cpr-nummer", "cpr-nr", "personnummer"),
    _known(r"\d{6}[ -]?\d{5}", "no.fodselsnummer", "fødselsnummer", "fodselsnummer", "personnummer", "fnr"),
    _known(r"\d{7}[A-W][A-IW]?", "ie.pps", "pps", "ppsn", "pps number"),
    _known(rf"{_BIRTH}/?\d{{3,4}}", "cz.rc", "rodné číslo", "rodne cislo", "rč", "r.č."),
    _known(r"\d{13}", "ro.cnp", "cnp", "cod numeric personal"),
    _known(r"\d{10}", "bg.egn", "егн", "egn"),
    _known(r"\d{11}", "hr.oib", "oib"),
    _known(r"\d{11}", "ee.ik", "isikukood"),
    _known(r"\d{11}", "lt.asmens", "asmens kodas"),
    _known(r"\d{11}", "tr.tckimlik", "kimlik", "tc kimlik", "tckn"),
    _known(r"\d{11}", "gr.amka", "αμκα", "amka"),
    _known(r"\d{11}", "br.cpf", "cpf"),
    _known(r"\d{7,8}-?[\dK]", "cl.rut", "rut"),
    _known(_digits("3 3 3"), "ca.sin", "sin:", "my sin", "social insurance", "nas", "assurance sociale"),
    _known(_digits("3 3 3"), "au.tfn", "tfn", "tax file", "tax file number"),
    _known(_digits("4 4 4"), "in_.aadhaar", "aadhaar", "aadhar", "uidai"),
    _known(r"[A-Z]{5}\d{4}[A-Z]", "in_.pan", "pan", "pan card", "permanent account"),
    _known(r"\d{6}-?\d{4}", "is_.kennitala", "kennitala", "kt"),
    _known(r"\d{8}-?\d", "il.idnr", "teudat zehut", "israeli id", "תעודת זהות", "ת.ז."),
    _known(r"\d{13}", "za.idnr", "id number", "south african id", "sa id", "rsa id"),
    _known(r"\d{6}-?\d\d-?\d{4}", "my.nric", "nric", "mykad", "ic number", "no. ic"),
)
