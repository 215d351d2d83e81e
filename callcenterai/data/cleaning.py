"""All rules by which prepare rejects a row, and what people's answers change about the others.

A row can be rejected by itself (reject_row), because of others with the same text (reject_repeated_texts), or together
with its class (reject_rare_classes). table.Reason lists the reasons.
"""

import re
from collections import Counter

import numpy as np

from callcenterai.core.cli import UserError
from callcenterai.core.params import PrepareParameters
from callcenterai.data.split import free_groups
from callcenterai.data.table import Reason, Source, Table
from callcenterai.formats.reader import Ticket


def reject_row(ticket: Ticket, min_text_length: int) -> Reason:
    """Return why a row cannot be used by itself, or Reason.USABLE."""
    if not (ticket.text and ticket.text.strip()):
        return Reason.NO_TEXT
    if not (ticket.label and ticket.label.strip()):
        return Reason.NO_LABEL
    if len(ticket.text.strip()) < min_text_length:
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


def reject_repeated_texts(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the Reason of each ticket, and the label that people have given it or -1.

    Texts that differ only in case, accents or white space are equal here: the model cannot tell them apart. Of equal
    tickets the first is kept. If their labels differ, none is kept, because nobody can say which one is right, unless
    people were asked: then the last answer counts. A text of the official test split is not trained on; the test split
    itself stays whole.
    """
    reasons, corrections = table.reasons.copy(), np.full(len(table.reasons), -1, dtype=np.int32)
    rows, starts = repeated_texts(table)
    if len(starts):
        sizes = np.diff(np.append(starts, len(rows)))
        reason_of_text, kept, given = _settle_texts(table.sources[rows], table.labels[rows], starts)
        reason = np.repeat(reason_of_text, sizes)
        reason[table.sources[rows] == Source.TEST_INPUT] = Reason.USABLE
        reason[kept[kept >= 0]] = Reason.USABLE
        reasons[rows] = reason
        answered = given >= 0
        corrections[rows[kept[answered]]] = given[answered]
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


def _settle_texts(
    sources: np.ndarray, labels: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each text the Reason of its tickets, the one ticket that is kept nevertheless, and its right label.

    The tickets of a text begin at starts. The kept ticket is -1 if there is none, the label -1 if nobody was asked.
    """
    last = np.append(starts[1:], len(sources)) - 1
    # Within a text, sources ascend: input first, then the official test split, then people's answers.
    in_test = np.logical_or.reduceat(sources == Source.TEST_INPUT, starts)
    answered = (sources[last] == Source.FEEDBACK) & ~in_test
    ours = sources == Source.INPUT
    lowest = np.minimum.reduceat(np.where(ours, labels, np.iinfo(np.int32).max), starts)
    highest = np.maximum.reduceat(np.where(ours, labels, -1), starts)
    conflict = (lowest != highest) & ~in_test & ~answered
    choices = [Reason.IN_OFFICIAL_TEST, Reason.ANSWERED, Reason.CONFLICTING_LABELS]
    reasons = np.select([in_test, answered, conflict], choices, Reason.DUPLICATE).astype(np.uint8)
    kept = np.where(lowest == highest, starts, np.where(answered, last, -1))
    kept[in_test] = -1
    return reasons, kept, np.where(answered, labels[last], -1)


def reject_rare_classes(
    table: Table, reasons: np.ndarray, kept: np.ndarray, groups: np.ndarray, params: PrepareParameters
) -> np.ndarray:
    """Return the reasons after rejecting the tickets of classes that are too small.

    A class needs min_class_count tickets, and enough clearly different ones to be in every part. Raises a UserError
    when fewer than two classes are left, or when the official test split has none of them.
    """
    classes = _large_classes(table, kept, groups, params)
    rare = kept[~np.isin(table.labels[kept], classes)]
    reasons = reasons.copy()
    reasons[rare] = np.where(table.sources[rare] == Source.INPUT, Reason.RARE_CLASS, Reason.UNKNOWN_LABEL)
    if params.official_test and not np.any((table.sources == Source.TEST_INPUT) & (reasons == Reason.USABLE)):
        known = ", ".join(map(repr, sorted(table.names[label] for label in classes)[:20]))
        raise UserError(f"{params.test_input}: no ticket has a class of {params.input}; there are {known}")
    return reasons


def _large_classes(table: Table, kept: np.ndarray, groups: np.ndarray, params: PrepareParameters) -> list[int]:
    """Return the labels that have enough tickets in the input; a UserError when there are fewer than two."""
    needed = 2 if params.official_test else 3
    ours = table.sources[kept] == Source.INPUT
    labels = table.labels[kept][ours]
    counts = Counter(labels.tolist())
    distinct = free_groups(labels, groups[ours])
    classes = [label for label, n in counts.items() if n >= params.min_class_count and distinct[label] >= needed]
    if len(classes) < 2:
        found = ", ".join(f"{table.names[label]!r} ({n})" for label, n in counts.most_common(20)) or "none"
        raise UserError(
            f"{params.input}: a classifier needs at least two classes of {params.min_class_count} usable tickets, "
            f"{needed} of them clearly different; found {found}: add tickets or lower prepare.min_class_count"
        )
    return classes


def correct_labels(labels: np.ndarray, corrections: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the labels with people's corrections, and how many changed; labels of rejected classes are ignored."""
    known = (corrections >= 0) & np.isin(corrections, labels)
    corrected = np.where(known, corrections, labels)
    return corrected, int((corrected != labels).sum())
