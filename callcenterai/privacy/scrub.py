"""Replaces personal data and secrets in a ticket by placeholders: [EMAIL], [PHONE] and so on.

Names of people stay: no rule distinguishes them from products and places, and a model that could is larger than the
whole service.
"""

import re
from collections import Counter
from typing import NamedTuple

from callcenterai.privacy.cards_and_accounts import cards, ibans
from callcenterai.privacy.contacts import emails, phones
from callcenterai.privacy.credentials import secrets
from callcenterai.privacy.national_ids import national_ids
from callcenterai.privacy.network import ips, urls
from callcenterai.privacy.spans import Span

# Of overlapping findings, the kind that comes first here is kept, then the longer one, then the earlier one.
_DETECTORS = {
    "url": urls,
    "email": emails,
    "secret": secrets,
    "iban": ibans,
    "card": cards,
    "national_id": national_ids,
    "ip": ips,
    "phone": phones,
}
KINDS = tuple(_DETECTORS)
_ORDER = {kind: place for place, kind in enumerate(KINDS)}
_PLACEHOLDER = re.compile(rf"(\[(?:{'|'.join(KINDS).upper()})\])")


class Scrubbed(NamedTuple):
    """A text without the personal data that was found in it, and the number of findings of each kind."""

    text: str
    counts: dict[str, int]


def scrub(text: str) -> Scrubbed:
    """Replace personal data by placeholders. The data itself is not kept anywhere.

    Scrubbing the result again finds nothing. The time grows linearly with the length of the text.
    """
    counts: Counter[str] = Counter()
    done: list[str] = []
    # The text between placeholders is searched as a text of its own, and again after each finding in it. So a
    # placeholder never changes the meaning of its neighbours, and nothing in the result would be found again.
    waiting = _PLACEHOLDER.split(text)[::-1]
    while waiting:
        part = waiting.pop()
        found = [] if _PLACEHOLDER.fullmatch(part) else find(part)
        if found:
            counts.update(span.kind for span in found)
            waiting.extend(_cut(part, found)[::-1])
        else:
            done.append(part)
    return Scrubbed("".join(done), dict(sorted(counts.items())))


def without_placeholders(text: str) -> str:
    """Return a scrubbed text with an ellipsis for each placeholder: the models must not read words that nobody wrote.

    The ellipsis also keeps a text that consists of a placeholder from becoming empty.
    """
    return _PLACEHOLDER.sub("\N{HORIZONTAL ELLIPSIS}", text)


def find(text: str) -> list[Span]:
    """Return the findings in the order of the text, without overlaps."""
    candidates = [span for detect in _DETECTORS.values() for span in detect(text)]
    candidates.sort(key=lambda span: (_ORDER[span.kind], span.start - span.end, span.start))
    taken = bytearray(len(text))
    found = []
    for span in candidates:
        if not any(taken[span.start : span.end]):
            taken[span.start : span.end] = b"\1" * (span.end - span.start)
            found.append(span)
    return sorted(found, key=lambda span: span.start)


def _cut(text: str, found: list[Span]) -> list[str]:
    """Return the text in pieces, with a placeholder in place of each finding."""
    pieces, end = [], 0
    for span in found:
        pieces += [text[end : span.start], f"[{span.kind.upper()}]"]
        end = span.end
    return [*pieces, text[end:]]
