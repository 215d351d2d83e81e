"""Tickets that the page shows: those that the model is most wrongly sure of, and labels that look wrong.

Only the texts that are left after personal data was removed, and of those the beginning.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np

from callcenterai.data.cleaning import cut
from callcenterai.data.parts import Part
from callcenterai.privacy.scrub import scrub
from callcenterai.training.evaluation import Predictions
from callcenterai.training.label_errors import SuspiciousLabel

MOST_ERRORS, MOST_SUSPICIOUS = 15, 10
# Of the same mistake, so that the errors are of many kinds.
MOST_ALIKE = 3
LONGEST_TEXT = 200


class ShownTicket(NamedTuple):
    """A ticket on the page: its row in a file, its label, another class with the model's probability, and its text."""

    source: str
    row: str
    label: str
    other: str
    probability: float
    text: str


def confident_errors(predictions: Predictions, part: Part) -> list[ShownTicket]:
    """Return the wrong predictions with the highest confidence, the most confident first.

    The part has the predicted tickets, with the columns source and row.
    """
    # Rounded, so that the last bits of a processor's arithmetic change no order.
    confidence, predicted = predictions.confidence.round(6), predictions.predicted
    wrong = np.flatnonzero(~predictions.correct)
    ordered = wrong[np.argsort(-confidence[wrong], kind="stable")]
    return [
        ShownTicket(
            part.columns["source"][at],
            part.columns["row"][at],
            predictions.true[at],
            predicted[at],
            float(confidence[at]),
            shown_text(part.texts[at]),
        )
        for at in islice(_varied(ordered, list(zip(predictions.true, predicted, strict=True))), MOST_ERRORS)
    ]


def shown_suspicious(suspicious: list[SuspiciousLabel]) -> list[ShownTicket]:
    """Return the likeliest label errors, with the class that the model suggests."""
    return [
        ShownTicket(
            each.source,
            str(each.row),
            each.label,
            each.suggested_label,
            each.suggested_probability,
            shown_text(each.text),
        )
        for each in suspicious[:MOST_SUSPICIOUS]
    ]


def shown_text(text: str) -> str:
    """Return the beginning of a text in one line, without personal data."""
    # Removed before the text is cut: half an address is not found any more.
    plain = " ".join(scrub(text).text.split())
    return plain if len(plain) <= LONGEST_TEXT else f"{cut(plain, LONGEST_TEXT)}…"


def _varied(tickets: Iterable[int], mistakes: list[tuple[str, str]]) -> Iterable[int]:
    seen: Counter[tuple[str, str]] = Counter()
    for at in tickets:
        seen[mistakes[at]] += 1
        if seen[mistakes[at]] <= MOST_ALIKE:
            yield at
