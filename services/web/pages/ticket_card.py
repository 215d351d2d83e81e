"""What the review page shows of a waiting ticket: its keys, its age, why it waits, its address in the helpdesk."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from services.common.predictions import Weight
from services.web.clients.agent import Suggestion, WaitingTicket
from services.web.marking import TextPiece
from services.web.words import Words

# The keys 1 to 9, and 0.
MAX_KEYS = 10
# The model knows nothing of the text, so its confidence is no reason.
UNKNOWN_TEXT = "unknown_review"


class Contrast(NamedTuple):
    """The heaviest terms for or against a category; if the model compared it with another one, against that one."""

    terms: list[Weight]
    category: str = ""
    other: str = ""


def assign_keys(labels: list[str], ticket: WaitingTicket) -> dict[str, str]:
    """Return a key for each category: first the most probable ones, then the others, which always keep their order.

    If there are too many, the others have none. Without a suggestion, no category comes first.
    """
    best = [choice["category"] for choice in ticket.suggestion.best] if ticket.suggestion else []
    others = [label for label in labels if label not in best] if len(labels) <= MAX_KEYS else []
    return {category: str(number % 10) for number, category in enumerate((best + others)[:MAX_KEYS], start=1)}


def describe_ticket(ticket: WaitingTicket, template: str | None, words: Words) -> dict[str, Any]:
    """Return what the page shows beside the text; template is the address of a ticket in the helpdesk."""
    suggestion = ticket.suggestion
    return {
        "age": describe_age(ticket.received_at, words),
        "address": helpdesk_address(template, ticket),
        "below": explain_waiting(suggestion, words) if suggestion else None,
        "contrast": find_contrast(suggestion) if suggestion else Contrast([]),
        "probable": {choice["category"]: choice["probability"] for choice in suggestion.best} if suggestion else {},
    }


def describe_age(received_at: str, words: Words) -> str:
    """Return how long ago a ticket arrived, in minutes, hours or days."""
    received = datetime.fromisoformat(received_at)
    minutes = max(0, int((datetime.now(UTC) - received.replace(tzinfo=received.tzinfo or UTC)).total_seconds() // 60))
    if minutes < 60:
        return words("age.minutes", n=minutes)
    return words("age.hours", n=minutes // 60) if minutes < 48 * 60 else words("age.days", n=minutes // (24 * 60))


def explain_waiting(suggestion: Suggestion, words: Words) -> str | None:
    """Return why a ticket waits, by its confidence and the threshold; None if the agent's own reason says more."""
    confidence, threshold = suggestion.confidence, suggestion.threshold
    if threshold is None or confidence >= threshold or suggestion.reason_code == UNKNOWN_TEXT:
        return None
    # As many digits as tell one from the other.
    pairs = [[words.percent(each, digits) for each in (confidence, threshold)] for digits in range(3)]
    shown, asked = next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])
    return words("review.below", confidence=shown, threshold=asked)


def find_contrast(suggestion: Suggestion) -> Contrast:
    """Return what speaks for the first category against the second; tickets of earlier releases do not have it."""
    if suggestion.contrast and len(suggestion.best) > 1:
        return Contrast(suggestion.contrast, *(choice["category"] for choice in suggestion.best[:2]))
    return Contrast(suggestion.explanation or [])


def look_alikes_address(ticket: WaitingTicket, pieces: list[TextPiece]) -> str | None:
    """Return the address of the list of tickets with the same suggestion and the heaviest word for it, if any."""
    telling = max((piece for piece in pieces if piece.kind == "for"), key=lambda piece: piece.strength, default=None)
    if ticket.suggestion is None or telling is None:
        return None
    return "/review/waiting?" + urlencode({"category": ticket.suggestion.category, "text": telling.text})


def helpdesk_address(template: str | None, ticket: WaitingTicket) -> str | None:
    """Return the address of a ticket in the helpdesk, if its settings give one.

    A blind check has none: the helpdesk shows where an audited ticket went, and has no doubtful label of the training.
    """
    # "." and ".." would lead to another folder, even if they were quoted.
    if template is None or ticket.suggestion is None or not ticket.ticket_id.strip("."):
        return None
    return template.replace("{ticket_id}", quote(ticket.ticket_id, safe=""))
