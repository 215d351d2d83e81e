"""The form in which a model reads a text, in training and in serving alike, and what a word is in any script.

The models' own preprocessing (scikit-learn's, without a function of ours, so that a model loads by itself) does the
rest: lower case, and for TF-IDF a token pattern that is made of WORDS.
"""

import re
import unicodedata

# Combining marks: a vowel of Thai or Devanagari, an accent without a precomposed letter, Arabic vocalisation. To re,
# none of them is part of a word. The zero-width joiners stand inside words of Persian and of Indian languages.
# tests/privacy compares the list with Unicode's categories; gaps between marks hold only letters, digits or nothing.
_MARKS = """
300-36f 483-489 591-5bd 5bf 5c1-5c2 5c4-5c5 5c7 610-61a 64b-65f 670 6d6-6dc 6df-6e8 6ea-6ed 711-7f3 7fd 816-82d 859-85b
898-8e1 8e3-963 981-9e3 9fe-a75 a81-ae3 afa-b63 b82-bd7 c00-c63 c81-c83 cbc-d4d d57-d63 d81-df3 e31-e3a e47-e4e eb1-ecd
f18-f19 f35 f37 f39 f3e-f84 f86-fbc fc6 102b-103e 1056-109d 135d-135f 1712-1734 1752-17d3 17dd 180b-180d 180f-193b
1a17-1a1b 1a55-1a7f 1ab0-1b44 1b6b-1b73 1b80-1bf3 1c24-1c37 1cd0-1cd2 1cd4-1dff 200c-200d 20d0-20f0 2cef-2cf1 2d7f-2dff
302a-302f 3099-309a a66f-a672 a674-a67d a69e-a6f1 a802-a827 a82c a880-a8c5 a8e0-a8f1 a8ff-a92d a947-a953 a980-a9c0
a9e5-aa4d aa7b-aac1 aaeb-aaef aaf5-aaf6 abe3-abea abec-abed fb1e fe00-fe0f fe20-fe2f 101fd-1037a 10a01-10a3f 10ae5-10ae6
10d24-10eac 10f46-10f50 10f82-10f85 11000-11046 11070-110ba 110c2 11100-11134 11145-11173 11180-111c0 111c9-111cc
111ce-111cf 1122c-11237 1123e 112df-11446 1145e-114c3 115af-115c0 115dc-11640 116ab-116b7 1171d-1172b 1182c-1183a
11930-11943 119d1-119e0 119e4-11a3e 11a47-11a99 11c2f-11c3f 11c92-11ef6 16af0-16af4 16b30-16b36 16f4f-16f92 16fe4-16ff1
1bc9d-1bc9e 1cf00-1cf46 1d165-1d169 1d16d-1d172 1d17b-1d182 1d185-1d18b 1d1aa-1d1ad 1d242-1d244 1da00-1da36 1da3b-1da6c
1da75 1da84 1da9b-1daaf 1e000-1e136 1e2ae-1e2ef 1e8d0-1e94a e0100-e01ef
"""
# Scripts that put no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, Japanese kana, Chinese characters.
_UNSPACED = """
e01-e3a e40-ecd edc-edf f40-fbc 1000-103f 1050-109f 1780-17d3 17dc-17dd 3005-3007 3021-302f 3031-3035 3041-309f
30a1-30fa 30fc-30ff 31f0-31ff 3400-4dbf 4e00-9fff a9e0-a9fe aa60-aa7f f900-fad9 ff66-ff9f 1b000-1b16f 20000-323af
"""


def _class(table: str) -> str:
    """Return the inside of a regular expression's character class for ranges of code points in hexadecimal."""
    ranges = (entry.split("-") for entry in table.split())
    return "".join("-".join(chr(int(end, 16)) for end in ends) for ends in ranges)


MARKS = _class(_MARKS)
MOST_MARKS = 30
# Characters that are no marks themselves, but become marks when they are decomposed.
_LIKE_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"
_MANY_MARKS = re.compile(f"[{MARKS}{_LIKE_MARKS}]{{{MOST_MARKS + 1}}}")
# A word: a letter, digit or underscore, then more of them and marks.
WORDS = rf"\w[\w{MARKS}]*"
_UNSPACED_CLASS = _class(_UNSPACED)
UNSPACED = re.compile(f"[{_UNSPACED_CLASS}]")
# The token patterns of our models, the last three those of older ones. Another could take for ever on a ticket.
TOKEN_PATTERNS = frozenset((WORDS, r"\w+", r"\b\w{1,4}", r"(?=(\w{3}))"))
# The same for people to look at and to compare texts by: one character with its marks where a script has no spaces.
# (?!\w): the gaps between marks in the table are letters here.
WORDS_OR_CHARACTERS = (
    rf"[{_UNSPACED_CLASS}](?:(?!\w)[{MARKS}])*|(?![{_UNSPACED_CLASS}])\w(?:(?![{_UNSPACED_CLASS}])[\w{MARKS}])*"
)
# Characters that nobody sees: byte order marks, soft hyphens, marks of the writing direction.
_INVISIBLE = [0xAD, 0x61C, 0x180E, *range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF]
# Control characters separate words, and so does the zero-width space, of which some keyboards write many.
_BLANK = [*range(32), *range(127, 160), 0x200B]
_PLAIN = dict.fromkeys(_INVISIBLE, "") | dict.fromkeys(_BLANK, " ")
# An accent above or below a Latin letter; in other scripts such marks make other letters.
_LATIN_ACCENTS = re.compile("(?<=[A-Za-z])[\u0300-\u036f]+")


def strip_latin_accents(text: str) -> str:
    """Return a text without the accents of Latin letters: people type "reçu" and "recu" for the same word."""
    if text.isascii():
        return text
    return compose(_LATIN_ACCENTS.sub("", unicodedata.normalize("NFD", _limit_marks(text))))


def compose(text: str) -> str:
    """Return a text in NFC, in time linear in its length."""
    return unicodedata.normalize("NFC", _limit_marks(text))


def _limit_marks(text: str) -> str:
    """Return a text with at most MOST_MARKS combining marks in a row, because sorting n of them takes n * n steps.

    No language needs more (Unicode Standard Annex 15, "Stream-Safe Text Format").
    """
    if not _MANY_MARKS.search(text):
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) or character in _LIKE_MARKS else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def normalize_text(text: str) -> str:
    """Return a text in NFC, with single blanks for white space and control characters, without invisible characters.

    Case and accents stay, since words of many languages differ in nothing else.
    """
    text = " ".join(text.split())
    if text.isascii() and text.isprintable():
        return text
    return " ".join(compose(text.translate(_PLAIN)).split())


def meaningful_length(text: str, enough: int) -> int:
    """Return the length of a text in characters, where letters of scripts without capitals count twice.

    Such a letter stands for a syllable or a word (Chinese, Japanese, Korean), or its vowels are marks or not written
    (Thai, Hindi, Arabic): two of them can be a whole ticket, such as the Korean or the Chinese word for "refund".
    """
    if len(text) >= enough or text.isascii():
        return len(text)
    return len(text) + sum(unicodedata.category(character) == "Lo" for character in text)
