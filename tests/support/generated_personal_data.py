"""Many invented tickets with marked personal data: sentences in ten languages, with values written in several ways.

personal_data.jsonl has few findings of each kind; here each has dozens. A fixed hash of a sentence decides which part
all tickets with it belong to, so that "generated held-out" has sentences that the detectors were not tuned on.
"""

import hashlib
import random
from collections.abc import Callable, Iterator

from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer

from support.generated_sentences import SENTENCES

VALUES_EACH = 6
PARTS = ("generated development", "generated held-out")
_GIVEN = "Anna Peter Marie Thomas Julia Karim Lena Pavel Sofia Hassan Ingrid Marco Chloé Jürgen Aïcha Nikolai".split()
_FAMILY = "Smith Dupont Müller García Rossi Novak Haddad O'Brien Lindqvist Kowalski Okafor Petit-Jean Tanaka".split()
_WORDS = "tulip Harbor granite Comet violet Summit basil Falcon quartz Meadow".split()
_ISSUERS = (("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("3528", 16))
_BANKS = {
    "FR": (10, 11, 2),
    "DE": (18,),
    "ES": (20,),
    "IT": (),
    "NL": (),
    "BE": (12,),
    "AT": (16,),
    "PL": (24,),
    "PT": (21,),
}


def generated_tickets() -> Iterator[tuple[str, str]]:
    """Yield tickets, in which findings are written {{kind:the text}}, with their part; always the same ones."""
    for kind, sentences in SENTENCES.items():
        for sentence in sentences:
            held_out = hashlib.sha256(sentence.encode()).digest()[0] % 3 == 0
            source = random.Random(sentence)
            for _ in range(VALUES_EACH if "{}" in sentence else 1):
                marked = f"{{{{{kind.split()[0]}:{VALUES[kind](source)}}}}}" if kind in VALUES else ""
                yield sentence.replace("{}", marked), PARTS[held_out]


def digits(source: random.Random, count: int) -> str:
    return "".join(source.choices("0123456789", k=count))


def letters(source: random.Random, count: int) -> str:
    return "".join(source.choices("BCDFGHJKLMNPRSTVWXYZ", k=count))


def until(valid: Callable[[str], bool], make: Callable[[], str]) -> str:
    """Return the first value with a right checksum."""
    while not valid(value := make()):
        pass
    return value


def grouped(source: random.Random, text: str, *sizes: int) -> str:
    """Return a text in groups, or whole."""
    gap = source.choice(["", " ", " ", "\u00a0", "-", "\u202f", "–"])
    parts, start = [], 0
    for size in sizes:
        parts.append(text[start : start + size])
        start += size
    return gap.join([*parts, text[start:]] if start < len(text) else parts)


def card(source: random.Random) -> str:
    start, length = source.choice(_ISSUERS)
    number = until(luhn.is_valid, lambda: start + digits(source, length - len(start)))
    return grouped(source, number, *((4, 4, 4, 4) if length == 16 else (4, 6, 5)))


def account(source: random.Random) -> str:
    country = source.choice([country for country, sizes in _BANKS.items() if sizes])
    body = digits(source, sum(_BANKS[country]))
    found = (f"{country}{check:02d}{body}" for check in range(2, 99) if iban.is_valid(f"{country}{check:02d}{body}"))
    number = next(found, "GB29NWBK60161331926819")
    return grouped(source, number, *[4] * (len(number) // 4)) if source.random() < 0.7 else number


def email(source: random.Random) -> str:
    name = f"{source.choice(_WORDS).lower()}{source.choice(['.', '_', '-', ''])}{source.choice(_WORDS).lower()}"
    sign = source.choice(["@", "@", "@", " (at) ", "&#64;", "＠", "[at]", "%40"])
    return f"{name}{sign}{source.choice(['example.com', 'mail.example.org', 'example.co.uk', 'example.fr'])}"


def phone(source: random.Random) -> str:
    gap = source.choice([" ", " ", ".", "-", "\u00a0", "\u202f", "–"])
    pairs = [digits(source, 2) for _ in range(4)]
    forms = [
        gap.join([source.choice(["06", "01", "04"]), "39", *pairs[:3]]),
        gap.join(["+33 6", "39", *pairs[:3]]),
        gap.join(["+44 20", "7946", f"0{digits(source, 3)}"]),
        gap.join(["020", "7946", f"0{digits(source, 3)}"]),
        f"+49 30 23125{gap}{digits(source, 3)}",
        f"+1 212{gap}555{gap}01{digits(source, 2)}",
    ]
    return source.choice(forms)


def national_id(source: random.Random) -> str:
    born = f"{source.randrange(50, 99)}0{source.randrange(1, 9)}1{source.randrange(9)}"
    return source.choice(
        [
            until(nir.is_valid, lambda: f"1{born[:4]}75116{digits(source, 5)}"),
            until(nie.is_valid, lambda: f"X{digits(source, 7)}{letters(source, 1)}"),
            until(personnummer.is_valid, lambda: f"19{born}-{digits(source, 4)}"),
            until(
                cpf.is_valid, lambda: f"{digits(source, 3)}.{digits(source, 3)}.{digits(source, 3)}-{digits(source, 2)}"
            ),
        ]
    )


def date(source: random.Random) -> str:
    day, month, year = source.randrange(1, 28), source.randrange(1, 12), source.randrange(1950, 2006)
    months = ["March", "mars", "März", "marzo"]
    return source.choice(
        [
            f"{day:02d}/{month:02d}/{year}",
            f"{day:02d}.{month:02d}.{year}",
            f"{year}-{month:02d}-{day:02d}",
            f"{day}-{month}-{year}",
            f"{day:02d}/{month:02d}/{year % 100:02d}",
            f"{day} {source.choice(months)} {year}",
        ]
    )


def password(source: random.Random) -> str:
    sign, end = source.choice(["", "!", "-", "#", "_"]), source.choice(["", "!", "?x"])
    return f"{source.choice(_WORDS)}{sign}{digits(source, 3)}{end}"


def address(source: random.Random) -> str:
    number = source.randrange(1, 240)
    return source.choice(
        [
            f"{number} rue {source.choice(['des Lilas', 'Victor Hugo', 'de la Gare'])}, {digits(source, 2)}000 Lyon",
            f"{number} {source.choice(['Main', 'Church', 'Oak'])} {source.choice(['Street', 'Road', 'Lane'])}",
            f"{source.choice(['Haupt', 'Bahnhof', 'Garten'])}straße {number}, 1{digits(source, 4)} Berlin",
            f"Calle {source.choice(['Mayor', 'Serrano'])} {number}, 28{digits(source, 3)} Madrid",
            f"Via {source.choice(['Roma', 'Garibaldi'])} {number}, 00{digits(source, 3)} Roma",
        ]
    )


def ip(source: random.Random) -> str:
    if source.random() < 0.3:
        return f"2001:db8:{digits(source, 3)}::{source.randrange(1, 99)}"
    return ".".join(str(source.randrange(40, 220)) for _ in range(4))


def mac(source: random.Random) -> str:
    octets = [f"{source.randrange(256):02x}" for _ in range(5)] + ["ae"]
    whole = "".join(octets)
    forms = [":".join(octets), "-".join(octets).upper(), ".".join((whole[:4], whole[4:8], whole[8:]))]
    return source.choice(forms)


def passport(source: random.Random) -> str:
    forms = [
        digits(source, 9),
        letters(source, 2) + digits(source, 7),
        digits(source, 2) + letters(source, 2) + digits(source, 5),
        letters(source, 1) + digits(source, 8),
    ]
    return source.choice(forms)


def plate(source: random.Random) -> str:
    gap = source.choice(["-", " "])
    forms = [
        gap.join((letters(source, 2), digits(source, 3), letters(source, 2))),
        f"{letters(source, 2)}{digits(source, 2)} {letters(source, 3)}",
        f"{letters(source, 2)}-{letters(source, 2)} {digits(source, 4)}",
        f"{digits(source, 4)} {letters(source, 3)}",
    ]
    return source.choice(forms)


def person(source: random.Random) -> str:
    return f"{source.choice(_GIVEN)} {source.choice(_FAMILY)}"


VALUES = {
    **{"card": card, "iban": account, "email": email, "phone": phone, "national_id": national_id, "birth_date": date},
    **{
        "secret": password,
        "address": address,
        "ip": ip,
        "mac": mac,
        "passport": passport,
        "plate": plate,
        "person": person,
    },
    "national_id dni": lambda source: until(dni.is_valid, lambda: digits(source, 8) + letters(source, 1)),
    "national_id bsn": lambda source: until(bsn.is_valid, lambda: digits(source, 9)),
    "national_id pesel": lambda source: until(pesel.is_valid, lambda: f"85{digits(source, 9)}"),
    "national_id idnr": lambda source: until(idnr.is_valid, lambda: digits(source, 11)),
    "national_id nhs": lambda source: until(nhs.is_valid, lambda: digits(source, 10)),
}
