"""Personal data and secrets are replaced, text that only looks like them stays, and scrubbing takes linear time."""

import csv
import gzip
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callcenterai.privacy.scrub import KINDS, find_personal_data, scrub, without_placeholders
from support.scrubbing_cases import read_cases, score
from support.thoroughness import rounds

# Minimum precision and recall of all kinds with a form or a checksum together, since a part has only a few findings of
# each kind, and of names and addresses, which have neither. The figures, also of the first look at each part, are in
# BENCHMARKS.md. One mistake costs 0.003, 0.006 and 0.02 of the former.
WORDS = {"person", "address"}
LEAST = {"development": (0.98, 0.98), "held-out": (0.97, 0.97), "later": (0.93, 0.85)}
LEAST_OF_WORDS = {"development": (0.95, 0.95), "held-out": (0.9, 0.9), "later": (0.85, 0.75)}

FOUND = [
    ("please write to {} today", "email", "mateo.ortuno+it@example.com"),
    ("écrire à l'adresse {} svp", "email", "léa.martin@example.org"),
    ("mail me, {}, thanks", "email", "jonas (at) example.com"),
    ("call {} after lunch", "phone", "020 7946 0123"),
    ("rappelez-moi au {}", "phone", "01 99 00 12 34"),
    ("mon portable : {}", "phone", "06.39.98.12.34"),
    ("my cell is {}", "phone", "(202) 555-0143"),
    ("from abroad {}", "phone", "+33 (0)1 99 00 12 34"),
    ("ext. {} is dead", "phone", "555-0147"),
    ("card {} was refused", "card", "4111 1111 1111 1111"),
    ("ma carte {} est bloquée", "card", "378282246310005"),
    ("my account is {}, thanks", "iban", "GB29 NWBK 6016 1331 9268 19"),
    ("nouvel iban {} pour la paie", "iban", "FR1420041010050500013M02606"),
    ("mon numéro de sécu {}", "national_id", "1 85 05 78 006 084 91"),
    ("numéro fiscal {}", "national_id", "0701987765493"),
    ("my National Insurance number is {}", "national_id", "QQ 12 34 56 C"),
    ("{} is my NHS number", "national_id", "943 476 5919"),
    ("SSN: {}", "national_id", "078-05-1120"),
    ("cannot ping {} any more", "ip", "192.168.1.254"),
    ("le serveur {} ne répond plus", "ip", "2001:db8::42"),
    ("open https://example.com/reset?lang=en&token={} now", "url", "8f3b2c91aa"),
    ("clone https://{} fails", "url", "build:Tr0ub4dor@git.example.com/heron.git"),
    ("lien https://drive.example.com/d/{} public", "url", "1AbCdEfGhIjKlMnOpQrStUv3xYz"),
    ("password: {}", "secret", "Hunter2024!"),
    ("le mot de passe du compte est {}", "secret", "Accueil2026"),
    ("code PIN {} bloqué", "secret", "7391"),
    ("password {} was refused", "secret", "Tamarin5!"),
    ("j'ai mis {} comme mot de passe", "secret", "Toulouse31"),
    ("user/pass: jdoe/{} fails", "secret", "Welcome1!"),
    ("the key {} is in the log", "secret", "AKIAIOSFODNN7EXAMPLE"),
    ("MAC {} gets no lease", "mac", "00:1A:2B:3C:4D:5E"),
    ("plate {} is not let in", "plate", "AB-123-CD"),
    ("né le {} à Lyon", "birth_date", "14/07/1991"),
    ("my passport number is {} now", "passport", "533401372"),
    ("livrer au {} svp", "address", "12 rue de la République, 69002 Lyon"),
    ("Mit freundlichen Grüßen\n{}", "person", "Jürgen Krause"),
]
STAYS = [
    "INC0012345 and REQ-48213 are the same as order 4500123987",
    "employee number 1002345678, matricule 0123456789, commande 0199004512",
    "Invoice of 1,250.90 EUR, facture de 1 250,90 €, due 24/11/2026 at 09:30, le 01 12 2026 à 09 30",
    "serial 5CG1234XYZ, Numéro de série 0199001234, IMEI 490154203237518",
    "postcodes 69003 Lyon and LS1 4DY, room 4512, poste 4512, extension 4513",
    "version 10.0.19045.3930, firmware 1.0.2.14, chapter 4.2.1.3, lz4>=1.7.4.2",
    "ff:ff:ff:ff:ff:ff, 127.0.0.1, ::1, 0.0.0.0:443, netmask 255.255.255.0, std::vector, DB::add",
    "52,428,800 KB of 49.7 GB, 12 345 678 files, CPU 12:34:56:78, timestamp 1732435200",
    "error 0x80070005, -2147467259, KB5034441, MD5 9e107d9d372bb6826bd81d3542a419d6",
    "4111 1111 1111 1112 and GB29 NWBK 6016 1331 9268 18 have wrong check digits",
    "SIRET 362 521 879 00034, EAN 4006381333931, parcel 00340434161094015902",
    "https://wiki.example.org/display/IT/VPN+setup?page=4&lang=en#install",
    "https://shop.example.com/products/ergonomic-keyboard-with-numeric-pad-2026",
    "logo@2x.png, left-pad@1.3.0, @all, root@srv-leeds-01, git@github.com:org/project.git",
    "My password is expired. Mot de passe : oublié. The password is too short. Password: forgotten again",
    "password policy ISO27001, my password for Windows11, token expired: 2026-11-24T08:15:00Z, mdp Office365 expiré",
    "Edge 1.2.3.4 and Teams 1.7.0.3 installed",
    "Release 0.7.0 - 2021-01-23, CPU 0.0  0.0   24584    2240",
]


@pytest.mark.parametrize(("around", "kind", "data"), FOUND, ids=[f"{kind} {data}" for _, kind, data in FOUND])
def test_personal_data_is_replaced_by_its_placeholder_and_nothing_else_is(around, kind, data):
    assert scrub(around.format(data)) == (around.format(f"[{kind.upper()}]"), {kind: 1})


@pytest.mark.parametrize("text", STAYS)
def test_text_that_only_looks_like_personal_data_stays(text):
    assert scrub(text) == (text, {})


def test_a_signature_is_scrubbed_and_counted_by_kind():
    text = (
        "Kind regards,\nIngrid\nTel. +44 131 496 0777 / Mobile 07700 900461\n<ingrid@example.com>\n"
        "> Mon numéro : 01.99.00.87.65, carte 5105 1051 0510 5100"
    )
    assert scrub(text).counts == {"card": 1, "email": 1, "phone": 3}
    assert scrub(text).text == (
        "Kind regards,\nIngrid\nTel. [PHONE] / Mobile [PHONE]\n<[EMAIL]>\n> Mon numéro : [PHONE], carte [CARD]"
    )


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("IBAN DE89370400440532013000", {"iban": 1}),
        ("https://example.com/?user=jean@example.com&phone=0199001234", {"url": 1}),
        ("password=0199001234", {"secret": 1}),
        ("4111111111111111@example.com", {"email": 1}),
        ("tel 192.0.2.10", {"ip": 1}),
        ("sécu 1 85 05 78 006 084 91", {"national_id": 1}),
    ],
)
def test_only_one_of_overlapping_findings_is_kept(text, counts):
    assert scrub(text).counts == counts


def test_a_placeholder_in_the_text_is_not_a_finding():
    text = "password: [SECRET], tel [PHONE], " + " ".join(f"[{kind.upper()}]" for kind in KINDS)
    assert scrub(text) == (text, {})


def test_the_models_read_an_ellipsis_in_place_of_each_placeholder():
    assert without_placeholders("call [PHONE] or [EMAIL] about [this]") == "call … or … about [this]"
    every = " ".join(f"[{kind.upper()}]" for kind in KINDS)
    assert set(without_placeholders(every).split()) == {"…"}


ALL_DATA = st.sampled_from([data for _, _, data in FOUND])
PIECES = st.one_of(
    ALL_DATA,
    st.sampled_from([around.partition("{}")[0] for around, _, _ in FOUND]),
    st.sampled_from(
        ["order ", " ", "\n", "@", ".", "-", ":", "/", "[", "]", "(", "+33", "0", "a", "[EMAIL]", "1:", "="]
    ),
    st.text(max_size=5),
)


@settings(max_examples=rounds(60, 300), deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
@example("\ud800\x00\u202e a@example.com \u202c 0199001234\udfff")
@example("a@b.order 0199001234")
@example("tel http://e.fr/?key=abcdefghijklmnopqrstuvwxyz 555-0147")
@example("x" * 70 + "4111111111111111@example.com")
def test_scrubbing_again_finds_nothing(text):
    once = scrub(text)
    assert scrub(once.text) == (once.text, {})
    assert sum(once.counts.values()) + text.count("[EMAIL]") >= once.text.count("[EMAIL]")


@settings(max_examples=rounds(60, 300), deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200), st.text(max_size=50))
def test_any_text_is_scrubbed_and_text_without_findings_stays(text, other):
    scrubbed = scrub(text + other)
    assert scrubbed.counts or scrubbed.text == text + other


HARD = ["1", "@", ".", " ", "a@", "a@b.", "1.", "12 ", "1-", "+1 ", "(", "0199001234 ", "4111 1111 1111 1111 ", "AB12 "]
HARD += [
    "http://a/?a=",
    "a (at) b.",
    "2001:",
    "eyJ.",
    "-----BEGIN PRIVATE KEY-----",
    "password is ",
    "[EMAIL]",
    "\ud800",
]


@pytest.mark.parametrize("unit", HARD)
def test_scrubbing_takes_linear_time(unit):
    """Sixteen times the text takes about sixteen times as long; quadratic time would take 256 times as long."""
    most = rounds(16_000, 48_000)
    short, long = (min(seconds((unit * length)[:length]) for _ in range(3)) for length in (most // 16, most))
    assert long < 64 * short + 0.05


def seconds(text):
    """Return the CPU time of scrubbing, which hardly depends on other processes."""
    started = time.process_time()
    scrub(text)
    return time.process_time() - started


@pytest.mark.parametrize("part", LEAST)
def test_precision_and_recall_on_labelled_tickets(part):
    scores = score((case for case in read_cases() if case.part == part), find_personal_data)
    assert set(scores) == set(KINDS)
    for kinds, least in ((set(KINDS) - WORDS, LEAST), (WORDS, LEAST_OF_WORDS)):
        right, wrong, missed = (sum(column) for column in zip(*(scores[kind] for kind in kinds), strict=True))
        precision, recall = least[part]
        assert right / (right + wrong) >= precision and right / (right + missed) >= recall, scores


def test_tickets_without_digits_and_signs_have_no_findings(shared_data):
    """The real tickets were published without digits and signs: any finding in them would be a false alarm."""
    with gzip.open(shared_data("it_tickets.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        texts = [row["Document"] for row in csv.DictReader(file)][::20]
    assert [text for text in texts if scrub(text).counts] == []
