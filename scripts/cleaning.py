"""Which rows of raw tickets can be used, which cannot and why, and what people's answers change about them."""

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from near_duplicates import fold

if TYPE_CHECKING:
    from parameters import PrepareParameters
    from ticket_reader import Ticket


class Row(NamedTuple):
    """A usable ticket: its source ("input", "test_input" or "feedback"), its number there, its label and text."""

    source: str
    row: int
    label: str
    text: str


class Rejected(NamedTuple):
    """A row set aside and why."""

    source: str
    row: int
    reason: str
    label: str | None
    text: str | None


def clean(
    tickets: "dict[str, list[Ticket]]", params: "PrepareParameters"
) -> tuple[list[Row], list[Rejected], dict[Row, str]]:
    """Separate usable rows from unusable ones; return with them the labels that people have given to usable rows.

    An official test split is only checked for text and a known label.
    """
    rejected: list[Rejected] = []
    usable: list[Row] = []
    for source, items in tickets.items():
        minimum = 1 if source == "test_input" else params.min_text_length
        for ticket in items:
            reason = unusable(ticket, minimum)
            if reason:
                rejected.append(Rejected(source, ticket.row, reason, ticket.label, ticket.text))
            else:
                usable.append(Row(source, ticket.row, ticket.label.strip(), cut(ticket.text, params.max_text_length)))
    repeated, corrections = repetitions(usable)
    rejected += [Rejected(row.source, row.row, repeated[row], row.label, row.text) for row in usable if row in repeated]
    return [row for row in usable if row not in repeated], rejected, corrections


def unusable(ticket: "Ticket", minimum: int) -> str | None:
    """Return why a single row cannot be used, or None."""
    if not (ticket.text and ticket.text.strip()):
        return "no_text"
    if not (ticket.label and ticket.label.strip()):
        return "no_label"
    if len(ticket.text.strip()) < minimum:
        return "too_short"
    return None


def cut(text: str, limit: int) -> str:
    """Shorten a text to at most `limit` characters, at a word's end where there is one."""
    if len(text) <= limit:
        return text
    # One character more than fits: white space there means that the last word is whole.
    head = text.strip()[: limit + 1]
    whole_words = re.match(r"(?s).*\S(?=\s)", head)
    return whole_words[0] if whole_words and len(head) > limit else head[:limit]


def repetitions(rows: list[Row]) -> tuple[dict[Row, str], dict[Row, str]]:
    """Return the reason for each row that is set aside since its text stands elsewhere, and the labels put right.

    Texts that differ only in case, accents or white space are the same here: the model cannot tell them apart. Of
    equal tickets the first stays; where their labels differ none does, since nobody can say which is right, unless
    people were asked: their last answer counts. A text of the official test split is not trained on; the test split
    itself stays whole.
    """
    same_text: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        same_text[" ".join(fold(row.text).split())].append(row)
    reasons: dict[Row, str] = {}
    corrections: dict[Row, str] = {}
    for same in same_text.values():
        ours = [row for row in same if row.source != "test_input"]
        people = [row for row in ours if row.source == "feedback"]
        if len(ours) < len(same):
            reasons |= dict.fromkeys(ours, "in_official_test")
        elif people:
            asked = [row for row in ours if row.source == "input"]
            stays = asked[0] if len({row.label for row in asked}) == 1 else people[-1]
            corrections[stays] = people[-1].label
            reasons |= dict.fromkeys((row for row in ours if row is not stays), "answered")
        elif len({row.label for row in ours}) > 1:
            reasons |= dict.fromkeys(ours, "conflicting_labels")
        else:
            reasons |= dict.fromkeys(ours[1:], "duplicate")
    return reasons, corrections


def correct(rows: list[Row], corrections: dict[Row, str]) -> tuple[list[Row], int]:
    """Return the rows with the labels that people have given, where they are of a class that is kept, and how many."""
    labels = {row.label for row in rows}
    right = [row._replace(label=corrections[row]) if corrections.get(row) in labels else row for row in rows]
    return right, sum(old != new for old, new in zip(rows, right))
