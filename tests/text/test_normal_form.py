"""The form in which models read a text: equal texts look equal, and no letter of any language is lost."""

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenterai.text.normal_form import MARKS, WORDS, WORDS_OR_CHARACTERS, normalize_text


def test_every_combining_mark_of_unicode_can_stand_inside_a_word():
    marks = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")]
    # Python 3.11 has Unicode 14; marks of later versions are listed when the lowest supported Python knows them.
    missing = [f"{ord(mark):x}" for mark in marks if not re.fullmatch(WORDS, "a" + mark) and _since_unicode_14(mark)]
    assert missing == []


def _since_unicode_14(mark: str) -> bool:
    return unicodedata.unidata_version == "14.0.0" or re.match(r"[\u0000-\uffff]", mark) is not None


def test_no_sign_that_separates_words_can_stand_inside_one():
    separators = [
        chr(code) for code in range(0x110000) if unicodedata.category(chr(code))[0] in "PSZ" and chr(code) != "_"
    ]
    assert [sign for sign in separators if re.match(f"[{MARKS}]", sign)] == []


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Anne\u0301e\r\n\treçue ", "Année reçue"),
        ("a\x07b\x00c", "a b c"),
        ("\ufeffProxy\u00ad-Fehler\u200e", "Proxy-Fehler"),
        ("ガス", "ガス"),
        ("มี\u200bเสื้อ", "มี เสื้อ"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_normal_form(text, normal):
    assert normal == normalize_text(text)


@given(st.text())
def test_the_normal_form_of_a_normal_form_is_itself(text):
    assert normalize_text(normalize_text(text)) == normalize_text(text)


@given(st.text(st.characters(categories=["L", "M", "N"])))
def test_no_letter_mark_or_digit_is_lost(text):
    canonical = [sign for sign in unicodedata.normalize("NFD", text) if sign not in "\u180e"]
    assert canonical == list(unicodedata.normalize("NFD", normalize_text(text)))


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0f73", "\uff9e\u0323"])
def test_no_text_makes_the_sorting_of_marks_slow(marks):
    """Also where a character is a mark only after decomposition, which a scorer may ask for after the normal form."""
    started = time.process_time()
    unicodedata.normalize("NFKD", normalize_text("a" + marks * 25_000))
    assert time.process_time() - started < 1


def test_scripts_without_spaces_are_cut_into_characters_with_their_marks():
    found = re.findall(WORDS_OR_CHARACTERS, "ล้างสมุด bank ハス届き हिन्दी 안녕")
    assert found == ["ล้", "า", "ง", "ส", "มุ", "ด", "bank", "ハ", "ス", "届", "き", "हिन्दी", "안녕"]


def test_more_combining_marks_than_any_language_needs_are_cut():
    """Unicode's Annex 15 sets the limit at 30, because sorting n marks takes n * n steps."""
    assert normalize_text("a" + "\u0315\u0300" * 50_000) == unicodedata.normalize("NFC", "a" + "\u0315\u0300" * 15)
    whole = "क" * 200
    assert normalize_text(whole) == whole
