"""What prepare knows of all tickets, apart from their texts: columns that fit in memory."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np


class _Code(IntEnum):
    """A number in a column; str() gives the name that the outputs use."""

    def __str__(self) -> str:
        return self.name.lower()


class Source(_Code):
    """The file that a ticket comes from. Tickets are numbered in this order."""

    INPUT = 0
    TEST_INPUT = 1
    FEEDBACK = 2


class Reason(_Code):
    """Why a ticket is rejected; USABLE when it is not. cleaning.py has the rules."""

    USABLE = 0
    NO_TEXT = 1
    NO_LABEL = 2
    TOO_SHORT = 3
    IN_OFFICIAL_TEST = 4
    ANSWERED = 5
    CONFLICTING_LABELS = 6
    DUPLICATE = 7
    RARE_CLASS = 8
    UNKNOWN_LABEL = 9
    DROPPED_LABEL = 10
    # The row could not be read: problems.Fault has the same names.
    FIELD_COUNT = 11
    BROKEN_QUOTING = 12
    UNDECODABLE = 13
    OVER_LONG = 14
    NOT_JSON = 15
    NOT_TEXT = 16


class Ticket(NamedTuple):
    """One row as it was read: its number, its text and label (None if missing), and USABLE or why it is unreadable.

    slices has the values of `prepare.slice_columns`; empty for sources without them.
    """

    row: int
    text: str | None
    label: str | None
    reason: Reason = Reason.USABLE
    slices: tuple[str | None, ...] = ()


class Table(NamedTuple):
    """All tickets as arrays of shape (n,), in the order of sources and rows.

    `sources` holds numbers of Source, `reasons` of Reason and `labels` indices into `names`: a usable ticket's label
    is stripped of white space around it, and labels.settle_labels makes it a class; any other stays as it came.
    `lengths` are in characters, of the texts as they are written: a usable text is cut at the limit. `hashes` and
    `draws` come from fingerprints.py. `long` counts the texts, usable or not, that were over the limit, and
    `personal_data` the findings of each kind that were removed from texts. `slices`, of shape (n, n_slice_columns), are
    indices into `slice_values`.
    """

    sources: np.ndarray
    reasons: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray
    hashes: np.ndarray
    draws: np.ndarray
    names: list[str]
    long: int
    personal_data: dict[str, int]
    slices: np.ndarray
    slice_values: list[str]

    def first_of(self, source: int) -> int:
        """Return the number of the source's first ticket, which is its row 1."""
        return int(np.searchsorted(self.sources, source))


class SplitPlan(NamedTuple):
    """Where each ticket goes.

    `reasons`, of shape (n,), is Reason.USABLE for the kept tickets. The other arrays describe the kept tickets only,
    in their order: their numbers, near-duplicate groups, parts (indices into split.PARTS) and labels. `corrected`
    counts the labels that people's answers have changed.
    """

    reasons: np.ndarray
    kept: np.ndarray
    groups: np.ndarray
    parts: np.ndarray
    labels: np.ndarray
    corrected: int
