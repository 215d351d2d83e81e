"""Which rows of raw tickets can be used, which cannot and why, and what people's answers change about them."""

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from callcenterai.data.table import Table
    from callcenterai.formats.reader import Ticket

# In the order in which their tickets are numbered.
SOURCES = ("input", "test_input", "feedback")
INPUT, TEST_INPUT, FEEDBACK = range(len(SOURCES))
USABLE = 0
REASONS = (
    *("usable", "no_text", "no_label", "too_short", "in_official_test", "answered", "conflicting_labels"),
    *("duplicate", "rare_class", "unknown_label"),
)


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


def clean(table: "Table") -> tuple[np.ndarray, np.ndarray]:
    """Return why each ticket is set aside, or that it is usable; and the label that people have given it, or -1.

    Texts that differ only in case, accents or white space are the same here: the model cannot tell them apart. Of
    equal tickets the first stays; where their labels differ none does, since nobody can say which is right, unless
    people were asked: their last answer counts. A text of the official test split is not trained on; the test split
    itself stays whole.
    """
    reasons, corrections = table.reasons.copy(), np.full(len(table.reasons), -1, dtype=np.int32)
    rows, starts = same_texts(table)
    if len(starts):
        sizes = np.diff(np.append(starts, len(rows)))
        decided, stays, given = _decide(table.sources[rows], table.labels[rows], starts)
        reason = np.repeat(decided, sizes)
        reason[table.sources[rows] == TEST_INPUT] = USABLE
        reason[stays[stays >= 0]] = USABLE
        reasons[rows] = reason
        corrected = given >= 0
        corrections[rows[stays[corrected]]] = given[corrected]
    return reasons, corrections


def same_texts(table: "Table") -> tuple[np.ndarray, np.ndarray]:
    """Return the usable tickets whose text others have too, one text after the other, and where each text starts.

    The tickets of one text are in their own order.
    """
    usable = np.flatnonzero(table.reasons == USABLE)
    high, low = table.hashes[usable].T
    order = np.lexsort((low, high))
    new = np.ones(len(order) + 1, dtype=bool)
    new[1:-1] = (high[order[1:]] != high[order[:-1]]) | (low[order[1:]] != low[order[:-1]])
    # Alone is who begins a text and is followed by the next.
    several = ~(new[:-1] & new[1:])
    return usable[order[several]], np.flatnonzero(new[:-1][several])


def _decide(sources: np.ndarray, labels: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each text why its tickets are set aside, which one stays nevertheless, and that one's right label.

    A text's tickets begin at starts; -1 is where none stays, or where nobody was asked for the label.
    """
    last = np.append(starts[1:], len(sources)) - 1
    # Sources ascend within a text: ours first, then the official test split's, then people's.
    in_test = np.logical_or.reduceat(sources == TEST_INPUT, starts)
    answered = (sources[last] == FEEDBACK) & ~in_test
    ours = sources == INPUT
    lowest = np.minimum.reduceat(np.where(ours, labels, np.iinfo(np.int32).max), starts)
    highest = np.maximum.reduceat(np.where(ours, labels, -1), starts)
    conflict = (lowest != highest) & ~in_test & ~answered
    codes = [REASONS.index(each) for each in ("in_official_test", "answered", "conflicting_labels", "duplicate")]
    reasons = np.select([in_test, answered, conflict], codes[:3], codes[3]).astype(np.uint8)
    stays = np.where(lowest == highest, starts, np.where(answered, last, -1))
    stays[in_test] = -1
    return reasons, stays, np.where(answered, labels[last], -1)


def correct(labels: np.ndarray, corrections: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the labels as people have put them right, where theirs is of a class that is kept, and how many."""
    known = (corrections >= 0) & np.isin(corrections, labels)
    right = np.where(known, corrections, labels)
    return right, int((right != labels).sum())
