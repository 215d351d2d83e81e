"""Scrubbing takes linear time for texts that were made to be hard, and nothing in a long row escapes it.

Time is the CPU time of this thread, which hardly depends on other processes, and the fastest of several runs. Sixteen
times the text is four doublings: linear time grows by 2.0 each, quadratic time by 4.0, and the limit of 2.3 is at 28
times the time instead of 16. A text that seems slower is measured up to five more times, because a pause of the machine
can only make a run longer; a growth above 3 is no pause.
"""

import time
from functools import partial

import pytest

from callcenterai.privacy.scrub import scrub
from support.thoroughness import rounds

SHORT = 600
DOUBLINGS = 4
GROWTH, HOPELESS = 2.3, 3.0
ATTEMPTS = 6
CARD = "4111 1111 1111 1111"

# What each shape repeats, separated by "¦".
PERIODIC = {
    "digits with separators": f"1¦12 ¦1-¦1.¦1,¦1/¦1 A ¦4111-¦0199001234,¦0199001234.¦+33 1 99 00 55 10 ¦(0)¦+1 ¦{CARD},"
    f"¦{CARD} ¦{CARD}\n¦{CARD} 123 ¦4111111111111111,¦850730-¦14/07/1991 ¦00 1 ¦1.2.3.4 ¦2001:1.2.3¦01997FR14",
    "@, dots and words for them": "@¦a@¦a@b.¦a@b.co ¦a.¦..¦a (at) b.¦a at b dot com ¦a dot ¦a at ",
    "hexadecimal and base64": "deadbeef¦de:¦de:ad:be:ef:00:01 ¦0a-¦2001:¦2001:db8::1 ¦QUJDREVG¦eyJ.¦eyJhbGciOi.¦AKIA"
    "¦-----BEGIN PRIVATE KEY-----¦----",
    "brackets and markup": """(¦[¦{¦()¦[[¦{"¦{"password":"¦"password":¦<password>¦<password a¦<¦key="token" value=\"""",
    "words before findings": "password: ¦password is ¦password:\n¦pin ¦pin 1234 ¦user/pass: a/¦cvv 123 ¦secret "
    "¦passport ¦passport AB1234567 "
    "¦plate ¦plate AB-123-CD ¦born ¦né le ¦born on 14/07/1991 ¦ssn ¦ssn 078-05-1120 ¦DNI 54990951K "
    "¦tel ¦tel 555-0147 ¦order 0199001234 ¦July 4, 1980 ",
    "letters and digits": "GB29 NWBK 6016 1331 9268 19 ¦GB29 ¦AB12¦FR7¦AB-¦RSSMRA85¦X1",
    "web addresses": "http://a/?a=¦http://¦www.¦//¦?a=b&¦http://a:b@",
    "names and addresses": "M. ¦M. Dupont ¦A ¦A. ¦Jean ¦Jean Dupont ¦de la ¦Regards,\n¦Regards, John Smith\n¦Name: "
    "¦Dear John Smith,\n¦Anna-¦O'¦12 rue de la ¦12 rue ¦12 rue a "
    "¦1 rue a b c d e f g h ¦123 Main ¦123 Main Street ¦Via A ¦A Street ",
    "escapes and blanks": "4111·¦\\u0040¦a\\u0040b.co¦a @ a . ¦a @ b . co ",
    "names beside other data": "Ana Ruiz +33 1 99 00 55 10 ¦Ana Ruiz - a - a - ¦a@b.co\nAna Ruiz\n¦a@b.co, ¦Ana Ruiz, "
    """¦{"firstName":"¦{"name": "Ana Ruiz", ¦<name>Ana ¦<lastName>¦name=\"""",
    "other forms": "&#64;¦&#¦&amp;¦%40¦\u200b¦a\u200b¦\u00a0¦１¦4111\u00a0¦[EMAIL]¦[PERSON¦\ud800",
    "single signs": " ¦\n¦\t¦-¦_¦:¦;¦=¦'¦\"¦/¦\\¦|¦>\n",
    "alternating": f"{CARD},a@b.co ¦1a¦(1¦ A¦\n1¦@.¦é\u200b¦Jean de ¦{CARD}, call 020 7946 0123, M. Dupont, pin 1234; ",
}
NESTED = [("(", ")"), ('{"a":', "}"), ("<password>", "</password>"), ("[", "]"), ("«", "»"), ("((1", "))")]


def repeated(size, unit):
    """Return whole units only, because a part of one, such as "%4" of "%40", can be searched in another way."""
    return unit * (size // len(unit))


def nested(size, left, right):
    return repeated(size // 2, left) + repeated(size // 2, right)


def growing(size, unit, separator):
    """Return a text of ever longer words or lines."""
    return separator.join(unit * length for length in range(int((2 * size) ** 0.5)))


SHAPES = {
    **{unit: partial(repeated, unit=unit) for units in PERIODIC.values() for unit in units.split("¦")},
    **{f"{left} in {right}": partial(nested, left=left, right=right) for left, right in NESTED},
    "longer lines": partial(growing, unit="1", separator="\n"),
    "longer words": partial(growing, unit="a", separator=" "),
}


def cpu_seconds(text):
    """Return the CPU time of scrubbing a text."""
    started = time.thread_time()
    scrub(text)
    return time.thread_time() - started


@pytest.mark.parametrize("shape", SHAPES.values(), ids=[ascii(name) for name in SHAPES])
def test_twice_the_text_takes_about_twice_the_time(shape):
    """The growth for a doubling is the fourth root of that for sixteen times the text."""
    size = rounds(SHORT, 4 * SHORT)
    texts = shape(size), shape(size * 2**DOUBLINGS)
    fastest = [float("inf"), float("inf")]
    for _ in range(ATTEMPTS):
        fastest = [min(known, cpu_seconds(text)) for known, text in zip(fastest, texts, strict=True)]
        growth = (fastest[1] / fastest[0]) ** (1 / DOUBLINGS)
        if growth <= GROWTH or growth > HOPELESS:
            break
    assert growth <= GROWTH


def test_four_hundred_card_numbers_take_milliseconds():
    """They took fifteen seconds once. A tenth of a second leaves room for slow machines."""
    text = f"{CARD}," * 400
    assert scrub(text) == ("[CARD]," * 400, {"card": 400})
    assert min(cpu_seconds(text) for _ in range(3)) < 0.1


@pytest.mark.parametrize(("data", "kind"), [(CARD, "card"), ("a@b.co", "email"), ("0199001234", "phone")])
@pytest.mark.parametrize("separator", [",", ", ", ";", "\t", "\n", " | "])
def test_every_entry_of_a_long_row_is_removed_on_its_own(data, kind, separator):
    row = separator.join([data] * 60)
    assert scrub(row) == (separator.join([f"[{kind.upper()}]"] * 60), {kind: 60})
