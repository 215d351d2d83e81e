"""The form of a text in which personal data is looked for, with the way back to the text itself.

People and programs write "jo@example.com" as "jo&#64;example.com", and put no-break or zero-width characters into phone
numbers. The detectors read a form without these, and what they find is cut out of the original text.
"""

import html
import re
import unicodedata
from bisect import bisect_right
from functools import cache

# Characters that nobody sees: soft hyphens, joiners, marks of the writing direction, byte order marks.
_INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
_BLANKS = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010-\u2015\u2043\u2212\ufe58\ufe63"
_SINGLE = {"\ufe52": ".", "\ufe55": ":", "\ufe6b": "@", "\ufe62": "+", "\u2044": "/", "\u2215": "/", "\u2024": "."}
_DOTS_BETWEEN_DIGITS = "\u00b7\u2022\u2027\u2219\u22c5\u30fb"
_SINGLE |= dict.fromkeys(_DOTS_BETWEEN_DIGITS, ".")
# "@" is %40 in a web address, %2540 in one that is a part of another, and \u0040 or \x40 in JSON and programs. Names
# of entities have at most 8 letters here, which includes &commat; and &period;.
_ESCAPE = r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});|%(?:25)?(?:40|2[Bb])|\\(?:u00|x)[2-7][0-9A-Fa-f]"
_SAME_LENGTH = re.compile(rf"[{_BLANKS}{_HYPHENS}\uff01-\uff5e{''.join(_SINGLE)}]|(?![0-9])\d")
_OTHER_LENGTH = re.compile(rf"[{_INVISIBLE}]|{_ESCAPE}")


class DetectionForm:
    """A text as the detectors read it: one character for each blank, hyphen, digit and escape, none for invisible ones.

    Takes time and memory proportional to the length of the text.
    """

    def __init__(self, original: str) -> None:
        """Make the form of a text."""
        # A search is much faster than a translation, which most texts with accents do not need.
        changed = not original.isascii() and _SAME_LENGTH.search(original)
        text = original.translate(_same_length()) if changed else original
        self.text, self._moved = text, False
        if _OTHER_LENGTH.search(text):
            self._replace(text)

    def _replace(self, text: str) -> None:
        """Replace what has another length, and note where in the form and in the original each stretch begins."""
        self._moved = True
        # Starts of stretches that were copied or replaced; a copied one keeps the distance to its start.
        self._starts, self._origins, pieces, end, size = [0], [0], [], 0, 0
        for match in _OTHER_LENGTH.finditer(text):
            character = _character(match[0])
            if character is None:
                continue
            size += match.start() - end + len(character)
            pieces += [text[end : match.start()], character]
            end = match.end()
            self._starts += [size - len(character), size]
            self._origins += [match.start(), end]
        self.text = "".join((*pieces, text[end:]))

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original text of a non-empty span of the form."""
        if not self._moved:
            return start, end
        place, last = self._place(start), self._place(end - 1)
        after = self._origins[last] + end - self._starts[last]
        if last + 1 < len(self._starts) and self._starts[last + 1] == end and last % 2:
            # The last character replaces an escape, which ends where the next stretch begins.
            after = self._origins[last + 1]
        return self._origins[place] + start - self._starts[place], after

    def _place(self, position: int) -> int:
        """Return the number of the stretch that a character of the form belongs to."""
        return bisect_right(self._starts, position) - 1


@cache
def _same_length() -> dict[int, str]:
    """Return what stands for characters that keep their place: blanks, hyphens, full-width characters, digits."""
    # Unicode has no decimal digits beyond these code points.
    characters = "".join(map(chr, range(128, 0x20000)))
    table = dict.fromkeys(map(ord, re.findall(f"[{_BLANKS}]", characters)), " ")
    table |= dict.fromkeys(map(ord, re.findall(f"[{_HYPHENS}]", characters)), "-")
    table |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    table |= {ord(sign): plain for sign, plain in _SINGLE.items()}
    return table | {ord(digit): str(unicodedata.decimal(digit)) for digit in re.findall(r"\d", characters)}


def _character(written: str) -> str | None:
    """Return what an escape or an invisible character stands for, or None if it is only text such as "&foo;"."""
    if len(written) == 1:
        return ""
    character = chr(int(written[-2:], 16)) if written[0] in "%\\" else html.unescape(written)
    if len(character) != 1:
        return None
    plain = character.translate(_same_length())
    return "" if _OTHER_LENGTH.match(plain) else plain
