"""What all detectors share: the span of a finding, and the words around a number that tell what it is."""

import re
from collections.abc import Iterator
from typing import NamedTuple

# How many characters before and after a finding are searched for words that tell what it is.
BEFORE, AFTER = 60, 30
# The separators between groups of digits, as people and word processors write them.
GAP = "[ \u00a0\u202f.-]"

# Words for other kinds of numbers, directly before the number: "order no. 0199001234".
_REFERENCE = re.compile(
    r"""(?<![^\W\d_])(?:
        orders?|p\.?o|purchase|invoices?|tickets?|serials?|s/n|sn|ref|refs|references?|part|parts|item|asset|article
        |employee|customer|client|contract|supplier|vendor|account|case|tracking|parcel|meeting|conference|sample|badge
        |imei|siret|siren|iccid|sim|duns|isbn|ean|id|version|build|model|job|batch|document|transaction|routing
        |commandes?|factures?|avoirs?|dossiers?|demandes?|s[ée]rie|r[ée]f|r[ée]fs|r[ée]f[ée]rences?|matricule|contrat
        |fournisseur|colis|suivi|r[ée]union|conf[ée]rence|compteur|barre|code|devis|bon|[ée]tiquette|inventaire
    )(?:[ \u00a0]?(?:no|nr|num|number|numbers|num[ée]ro|n[°ºo]|id|code|de|of|the|client|is|est)){0,4}
    [^\w\n]{0,4}\Z""",
    re.IGNORECASE | re.VERBOSE,
)

_LAST_DIGIT = re.compile(r"(?s:.*)[\d\n]")
_LETTER = re.compile(r"[^\W\d_]")


class Span(NamedTuple):
    """The kind of a finding, and its place: text[start:end]."""

    kind: str
    start: int
    end: int


def spans(kind: str, pattern: re.Pattern[str], text: str, group: int = 0) -> Iterator[Span]:
    """Return a span for each match of the pattern, or of one of its groups."""
    return (Span(kind, *match.span(group)) for match in pattern.finditer(text))


def contains_any(text: str, strings: tuple[str, ...]) -> bool:
    """Whether the text contains one of the strings, which are in lower case, in any case.

    This is some hundred times faster than a search for words, so detectors ask it first.
    """
    return has_any(text.lower(), strings)


def has_any(lower: str, strings: tuple[str, ...]) -> bool:
    """Whether a text in lower case contains one of the strings."""
    # A loop takes half the time of any() with a generator, and this is asked a hundred times for a ticket.
    for string in strings:  # noqa: SIM110
        if string in lower:
            return True
    return False


def before(text: str, start: int) -> str:
    """Return the text closely before a position."""
    return text[max(0, start - BEFORE) : start]


def words_before(text: str, start: int) -> str:
    """Return what is closely before a position and after the last digit and line break there."""
    near = before(text, start)
    last = _LAST_DIGIT.match(near)
    return near[last.end() :] if last else near


def around(text: str, start: int, end: int) -> str:
    """Return the text closely around a span, without the span itself."""
    return f"{before(text, start)}\n{text[end : end + AFTER]}"


def is_reference(text: str, start: int) -> bool:
    """Whether the words before a number call it an order, a serial number or the like."""
    words = words_before(text, start)
    return _LETTER.search(words) is not None and _REFERENCE.search(words) is not None
