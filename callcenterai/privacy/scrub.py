"""Replaces personal data and secrets in a ticket by placeholders: [EMAIL], [PHONE] and so on.

A first name alone stays: no rule distinguishes it from a product or a place, and it identifies few people.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from callcenterai.privacy.addresses import addresses
from callcenterai.privacy.birth_dates import birth_dates
from callcenterai.privacy.cards_and_accounts import cards, ibans
from callcenterai.privacy.credentials import credentials
from callcenterai.privacy.detection_form import DetectionForm
from callcenterai.privacy.emails import emails
from callcenterai.privacy.identity_documents import passports, plates
from callcenterai.privacy.names import names, names_beside
from callcenterai.privacy.national_ids import national_ids
from callcenterai.privacy.network import ips, macs, urls
from callcenterai.privacy.phones import phones
from callcenterai.privacy.spans import Span, has_any
from callcenterai.privacy.structured_credentials import structured_credentials

Detector = Callable[[str], Iterator[Span]]
# Of overlapping findings, the kind that comes first here is kept, then the longer one, then the earlier one.
KINDS = (
    *("url", "email", "secret", "iban", "card", "national_id", "ip", "mac"),
    *("birth_date", "passport", "plate", "phone", "address", "person"),
)
_ORDER = {kind: place for place, kind in enumerate(KINDS)}
PLACEHOLDER = re.compile(rf"(\[(?:{'|'.join(KINDS).upper()})\])")

# Most tickets have no digit and no "@", so the detectors that need a digit are called only if there is one, and each of
# the others only if the text contains one of the strings, in lower case, that all its findings are near.
_WITH_DIGITS: tuple[Detector, ...] = (
    *(cards, ibans, national_ids, ips, macs, phones),
    *(birth_dates, passports, plates, addresses),
)
_WITH_STRINGS: tuple[tuple[Detector, tuple[str, ...]], ...] = (
    (urls, ("://", "www.")),
    (emails, ("@", "(a", "[a", "{a", "( a", " at ", " arroba ", " arobase ", " chiocciola ")),
    (structured_credentials, ('"', "'", "<")),
)
_DIGIT = re.compile(r"\d")
# What a secret without a digit contains or follows.
_SECRET = (":", "=", "->", "|", "eyj", "-----", "earer", "asic", "_", "akia", "-u ", "--user", "sk-")
# A piece of a ticket in which there is still something after so many rounds was made to be hard.
_MOST_ROUNDS = 4
# Shorter pieces hold nothing: a date, an address or a name with a title has more characters.
_SHORTEST = 5


class Scrubbed(NamedTuple):
    """A text without the personal data that was found in it, and the number of findings of each kind."""

    text: str
    counts: dict[str, int]


def scrub(text: str) -> Scrubbed:
    """Replace personal data by placeholders. The data itself is not kept anywhere.

    Scrubbing the result again finds nothing. The time grows linearly with the length of the text. This is the function
    for the texts of training and of serving alike; it can be pickled for other processes.
    """
    counts: Counter[str] = Counter()
    parts = PLACEHOLDER.split(text)
    # The text between placeholders is searched as a text of its own, so that of its neighbours a placeholder tells only
    # that they are names. Every second part is a placeholder.
    kinds = ["", *(placeholder[1:-1].lower() for placeholder in parts[1::2]), ""]
    sides = zip(parts[::2], kinds, kinds[1:], strict=False)
    parts[::2] = [_scrub_part(part, counts, before, after) for part, before, after in sides]
    return Scrubbed("".join(parts), dict(sorted(counts.items())))


def _scrub_part(part: str, counts: Counter[str], before: str, after: str, rounds: int = _MOST_ROUNDS) -> str:
    """Return a text that has no placeholders with one for each finding, and count the findings.

    before and after are the kinds of the placeholders beside it, or empty at the ends of the whole text. What is left
    between findings is searched again, because it may mean something else without them. All the pieces of one round are
    together no longer than the text. A piece with findings after the last round is removed as a whole.
    """
    found = find_personal_data(part, before, after) if len(part) >= _SHORTEST else []
    if found and rounds == 0:
        found = [Span(found[0].kind, 0, len(part))]
    counts.update(span.kind for span in found)
    pieces, end = [], 0
    for span in found:
        if end < span.start:
            pieces.append(_scrub_part(part[end : span.start], counts, before, span.kind, rounds - 1))
        pieces.append(f"[{span.kind.upper()}]")
        end, before = span.end, span.kind
    rest = part[end:]
    pieces.append(_scrub_part(rest, counts, before, after, rounds - 1) if found and rest else rest)
    return "".join(pieces)


def without_placeholders(text: str) -> str:
    """Return a scrubbed text with an ellipsis for each placeholder: the models must not read words that nobody wrote.

    The ellipsis also keeps a text that consists of a placeholder from becoming empty.
    """
    return PLACEHOLDER.sub("\N{HORIZONTAL ELLIPSIS}", text)


def find_personal_data(text: str, before: str = "", after: str = "") -> list[Span]:
    """Return the findings in the order of the text, without overlaps.

    before and after are the kinds of what was found directly beside the text.
    """
    form = DetectionForm(text)
    candidates = [span for detect in _detectors(form.text) for span in detect(form.text)]
    if not (candidates or before or after or "\n" in form.text):
        return []
    candidates.sort(key=lambda span: (_ORDER[span.kind], span.start - span.end, span.start))
    taken = bytearray(len(form.text))
    found = _without_overlaps(candidates, taken)
    beside = (Span(before, 0, 0), *found, Span(after, len(form.text), len(form.text)))
    found += _without_overlaps(names_beside(form.text, beside, ends=not after), taken)
    return sorted(
        (Span(span.kind, *form.original_span(span.start, span.end)) for span in found), key=lambda span: span.start
    )


def _without_overlaps(candidates: Iterable[Span], taken: bytearray) -> list[Span]:
    """Return the spans that overlap none before them, and mark their places as taken."""
    found = []
    for span in candidates:
        if not any(taken[span.start : span.end]):
            taken[span.start : span.end] = b"\1" * (span.end - span.start)
            found.append(span)
    return found


def _detectors(form: str) -> Iterator[Detector]:
    """Return the detectors that could find something in a text."""
    lower = form.lower()
    digits = _DIGIT.search(form) is not None
    if digits:
        yield from _WITH_DIGITS
    if digits or has_any(lower, _SECRET):
        yield credentials
    if lower != form:
        yield names
    for detector, strings in _WITH_STRINGS:
        if has_any(lower, strings):
            yield detector
