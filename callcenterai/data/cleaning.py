"""All rules by which prepare rejects a row, and what people's answers change about the others.

A row can be rejected by itself (reject_row), because of others with the same text (reject_repeated_texts), or together
with its class (reject_rare_classes). table.Reason lists the reasons.
"""

import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from callcenterai.core.cli import UserError
from callcenterai.core.params import PrepareParameters
from callcenterai.data.rejections import count_labels, describe_large_shares, describe_suspicious_labels
from callcenterai.data.split import free_groups
from callcenterai.data.table import Reason, Source, Table, Ticket
from callcenterai.text.normal_form import meaningful_length

# So many classes are named when too few are large enough.
MOST_NAMED = 10


def reject_row(ticket: Ticket, min_text_length: int) -> Reason:
    """Return why a row cannot be used by itself, or Reason.USABLE."""
    if ticket.reason != Reason.USABLE:
        return ticket.reason
    if not (ticket.text and ticket.text.strip()):
        return Reason.NO_TEXT
    if not (ticket.label and ticket.label.strip()):
        return Reason.NO_LABEL
    if meaningful_length(ticket.text.strip(), min_text_length) < min_text_length:
        return Reason.TOO_SHORT
    return Reason.USABLE


def cut(text: str, limit: int) -> str:
    """Shorten a text to at most `limit` characters, at the end of a word if possible."""
    if len(text) <= limit:
        return text
    # One character more than fits: if that is white space, the word before it is complete.
    head = text.strip()[: limit + 1]
    whole_words = re.match(r"(?s).*\S(?=\s)", head)
    return whole_words[0] if whole_words and len(head) > limit else head[:limit]


def reject_repeated_texts(table: Table, majority: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the Reason of each ticket, and the label that people have given it or -1.

    Texts that differ only in case, white space or the form of a character are equal here: no model can tell them apart.
    Of equal tickets the first is kept. If their labels differ, a label that at least the share `majority` of them has
    is right, and its first ticket is kept; without such a label none is kept, because nobody can say which one is
    right. If people were asked, the last answer counts instead. A text of the official test split is not trained on;
    the test split itself stays whole.
    """
    reasons, corrections = table.reasons.copy(), np.full(len(table.reasons), -1, dtype=np.int32)
    rows, starts = repeated_texts(table)
    if len(starts):
        sizes = np.diff(np.append(starts, len(rows)))
        settled = _settle_texts(table.sources[rows], table.labels[rows], starts, majority)
        kept, answered = settled.kept, settled.given >= 0
        reason = np.repeat(settled.reasons, sizes)
        outvoted = (reason == Reason.DUPLICATE) & (table.labels[rows] != np.repeat(settled.labels, sizes))
        reason[outvoted] = Reason.CONFLICTING_LABELS
        reason[table.sources[rows] == Source.TEST_INPUT] = Reason.USABLE
        reason[kept[kept >= 0]] = Reason.USABLE
        reasons[rows] = reason
        corrections[rows[kept[answered]]] = settled.given[answered]
    return reasons, corrections


def repeated_texts(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the usable tickets whose text occurs more than once, grouped by text, and where each text starts.

    Within a text, tickets keep their order.
    """
    usable = np.flatnonzero(table.reasons == Reason.USABLE)
    high, low = table.hashes[usable].T
    order = np.lexsort((low, high))
    new = np.ones(len(order) + 1, dtype=bool)
    new[1:-1] = (high[order[1:]] != high[order[:-1]]) | (low[order[1:]] != low[order[:-1]])
    # A text is unique if it starts a run of equal hashes and its successor starts a new one.
    repeated = ~(new[:-1] & new[1:])
    return usable[order[repeated]], np.flatnonzero(new[:-1][repeated])


class _SettledTexts(NamedTuple):
    """What is decided about each text that occurs more than once.

    `reasons` is the Reason of its tickets, except `kept`, the place of the one that is kept or -1; `labels` is the
    right label by majority or -1, `given` the one that people have given or -1.
    """

    reasons: np.ndarray
    kept: np.ndarray
    labels: np.ndarray
    given: np.ndarray


def _settle_texts(sources: np.ndarray, labels: np.ndarray, starts: np.ndarray, majority: float) -> _SettledTexts:
    """Decide about texts; the tickets of a text begin at its place in starts."""
    last = np.append(starts[1:], len(sources)) - 1
    # Within a text, sources ascend: input first, then the official test split, then people's answers.
    in_test = np.logical_or.reduceat(sources == Source.TEST_INPUT, starts)
    answered = (sources[last] == Source.FEEDBACK) & ~in_test
    right, first = _vote(np.where(sources == Source.INPUT, labels, -1), starts, majority)
    conflict = (right < 0) & ~in_test & ~answered
    choices = [Reason.IN_OFFICIAL_TEST, Reason.ANSWERED, Reason.CONFLICTING_LABELS]
    reasons = np.select([in_test, answered, conflict], choices, Reason.DUPLICATE).astype(np.uint8)
    # The label of an answered text is corrected at its ticket in the input if there is a right one to correct.
    kept = np.where(right >= 0, first, np.where(answered, last, -1))
    kept[in_test] = -1
    return _SettledTexts(reasons, kept, right, np.where(answered, labels[last], -1))


def _vote(labels: np.ndarray, starts: np.ndarray, majority: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for each text the label with at least this share of its votes, and the place of its first vote, or -1.

    A label of -1 is no vote. majority is more than a half, so at most one label has it.
    """
    text_of = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(labels))))
    voting = np.flatnonzero(labels >= 0)
    order = voting[np.lexsort((labels[voting], text_of[voting]))]
    text, label = text_of[order], labels[order]
    begins = np.flatnonzero(np.diff(text, prepend=-1).astype(bool) | np.diff(label, prepend=-1).astype(bool))
    votes = np.diff(np.append(begins, len(order)))
    # In floating point, 0.8 of 5 votes may be more than 4.
    needed = majority * np.bincount(text, minlength=len(starts)) - 1e-9
    winners = begins[votes >= needed[text[begins]]]
    right, first = (np.full(len(starts), -1, dtype=np.int64) for _ in range(2))
    right[text[winners]], first[text[winners]] = label[winners], order[winners]
    return right, first


class TooFewClasses(UserError):
    """Fewer than two classes are large enough; `reasons` has the Reason of every ticket, as for a split."""

    def __init__(self, message: str, reasons: np.ndarray) -> None:
        """Keep the reasons, so that the rejected tickets can be listed."""
        super().__init__(message)
        self.reasons = reasons


def reject_rare_classes(
    table: Table, reasons: np.ndarray, kept: np.ndarray, groups: np.ndarray, params: PrepareParameters
) -> np.ndarray:
    """Return the reasons after rejecting the tickets of classes that are too small.

    A class needs min_class_count tickets, and enough clearly different ones to be in every part. Raises TooFewClasses
    when fewer than two classes are left, and a UserError when the official test split has none of them.
    """
    classes = _large_classes(table, kept, groups, params)
    rare = kept[~np.isin(table.labels[kept], classes)]
    before, reasons = reasons, reasons.copy()
    reasons[rare] = np.where(table.sources[rare] == Source.INPUT, Reason.RARE_CLASS, Reason.UNKNOWN_LABEL)
    if len(classes) < 2:
        raise TooFewClasses(_describe_too_few(table, before, kept, groups, params), reasons)
    if params.official_test and not np.any((table.sources == Source.TEST_INPUT) & (reasons == Reason.USABLE)):
        known = ", ".join(map(repr, sorted(table.names[label] for label in classes)[:20]))
        raise UserError(f"{params.test_input}: no ticket has a class of {params.input}; there are {known}")
    return reasons


def _large_classes(table: Table, kept: np.ndarray, groups: np.ndarray, params: PrepareParameters) -> list[int]:
    """Return the labels that have enough tickets in the input."""
    counts, distinct = _class_sizes(table, kept, groups)
    needed = _needed_groups(params)
    return [label for label, n in counts.items() if n >= params.min_class_count and distinct[label] >= needed]


def _class_sizes(table: Table, kept: np.ndarray, groups: np.ndarray) -> tuple[Counter, Counter]:
    """Return the tickets of each label in the input, and those that are clearly different."""
    ours = table.sources[kept] == Source.INPUT
    labels = table.labels[kept][ours]
    return Counter(labels.tolist()), free_groups(labels, groups[ours])


def _needed_groups(params: PrepareParameters) -> int:
    """Return in how many parts each class has to be."""
    return 2 if params.official_test else 3


def _describe_too_few(
    table: Table, reasons: np.ndarray, kept: np.ndarray, groups: np.ndarray, params: PrepareParameters
) -> str:
    """Return what a classifier needs, what was found instead, and the likely cause."""
    counts, distinct = _class_sizes(table, kept, groups)
    needed = _needed_groups(params)
    shown = [
        f"{table.names[label]!r} ({n}{', near-duplicates of each other' if alike else ''})"
        for label, n in counts.most_common(MOST_NAMED)
        for alike in [n >= params.min_class_count and distinct[label] < needed]
    ]
    more = f" and {len(counts) - MOST_NAMED:,} more" if len(counts) > MOST_NAMED else ""
    causes = describe_suspicious_labels(count_labels(table, table.reasons), params)
    causes += describe_large_shares(reasons, params)
    return (
        f"{params.input}: a classifier needs at least two classes of {params.min_class_count} usable tickets, "
        f"{needed} of them clearly different; found {', '.join(shown) or 'none'}{more}: "
        + ("; ".join(causes) or "add tickets or lower prepare.min_class_count")
    )


def correct_labels(labels: np.ndarray, corrections: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the labels with people's corrections, and how many changed; labels of rejected classes are ignored."""
    known = (corrections >= 0) & np.isin(corrections, labels)
    corrected = np.where(known, corrections, labels)
    return corrected, int((corrected != labels).sum())
