"""Replaces personal data and secrets in a ticket by what they are: [EMAIL], [PHONE] and so on.

Names of people stay: no rule tells them from products and places, and a model that does is larger than the service.
"""

import re
from collections import Counter
from typing import NamedTuple

from callcenterai.privacy.contacts import emails, phones
from callcenterai.privacy.credentials import secrets
from callcenterai.privacy.network import ips, urls
from callcenterai.privacy.numbers import cards, ibans, national_ids
from callcenterai.privacy.spans import Span

# Where findings overlap, the kind that comes first here is kept, then the longer one, then the earlier one.
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
    """A text without the personal data that was found in it, and how many findings of each kind there were."""

    text: str
    counts: dict[str, int]


def scrub(text: str) -> Scrubbed:
    """Replace what is found by placeholders; what is found is not kept anywhere.

    Scrubbing the result again finds nothing. The time grows linearly with the text.
    """
    counts: Counter[str] = Counter()
    done: list[str] = []
    # What stands between placeholders is looked at as a text of its own, and again after each finding in it: so no
    # placeholder can give its neighbours another meaning, and the result holds nothing that would be found.
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


def as_the_models_read_it(text: str) -> str:
    """Return a scrubbed text without its placeholders, whose words ("phone") nobody wrote, and never an empty one."""
    return _PLACEHOLDER.sub("\N{HORIZONTAL ELLIPSIS}", text)


def find(text: str) -> list[Span]:
    """Return the findings in their order, none of which overlaps another."""
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
    """Return the text in pieces, with a placeholder for each finding."""
    pieces, end = [], 0
    for span in found:
        pieces += [text[end : span.start], f"[{span.kind.upper()}]"]
        end = span.end
    return [*pieces, text[end:]]
