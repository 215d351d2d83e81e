"""Says what looks wrong with a set of tickets, and what to do: most often a wrong column or repeated texts."""

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np

from callcenterai.core.params import PrepareParameters
from callcenterai.data.labels import with_counts
from callcenterai.data.table import Reason, Source, Table

# From this share of all rows on, a reason is worth a warning.
LARGE_SHARE = 0.25
# More labels are no classes if they are so large a share of the tickets, as numbers of tickets are.
MANY_LABELS, LARGEST_LABEL_SHARE = 20, 0.25
# From this share of the tickets on, a class is worth a warning; a share of labels that are dates is a column of dates.
DOMINANT_SHARE, DATES_SHARE = 0.95, 0.9
# In characters; a longer label is a text.
LONGEST_LABEL = 200
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{2}|\d{4})([T ,].*)?")
# What is said of the rows with each reason; a reason that is missing here never needs a warning.
ADVICE = {
    Reason.NO_TEXT: "have no text: check that prepare.text_column ({text_column!r}) is the right column",
    Reason.NO_LABEL: "have no label: check that prepare.label_column ({label_column!r}) is the right column",
    Reason.TOO_SHORT: (
        "have a text under {min_text_length} characters: check that prepare.text_column ({text_column!r}) is the right "
        "column, or lower prepare.min_text_length"
    ),
    Reason.IN_OFFICIAL_TEST: "stand in the official test split too: check that prepare.test_input is another file",
    Reason.CONFLICTING_LABELS: (
        "have a text that others have with another label: check that prepare.label_column ({label_column!r}) is the "
        "right column, or merge labels that mean the same with prepare.label_map"
    ),
    Reason.DUPLICATE: (
        "repeat the text of another row, and copies of a text count once: check that prepare.text_column "
        "({text_column!r}) is the right column, or add different tickets"
    ),
    Reason.RARE_CLASS: (
        "belong to classes that are too small: check that prepare.label_column ({label_column!r}) is the right column, "
        "merge classes with prepare.label_map, or lower prepare.min_class_count"
    ),
    Reason.UNKNOWN_LABEL: (
        "of the official test split or of people's answers have a label that the input has not: check their labels, or "
        "map them with prepare.label_map"
    ),
}


def describe_large_shares(reasons: np.ndarray, params: PrepareParameters) -> list[str]:
    """Return a line for each Reason that rejects a large share of the rows, the largest first."""
    counts = np.bincount(reasons, minlength=len(Reason))
    large = [reason for reason in ADVICE if counts[reason] >= LARGE_SHARE * len(reasons)]
    names = params.model_dump()
    return [
        f"{counts[reason]:,} of {len(reasons):,} rows {ADVICE[reason].format_map(names)}"
        for reason in sorted(large, key=lambda reason: -counts[reason])
    ]


def describe_suspicious_labels(counts: Mapping[str, int], params: PrepareParameters) -> list[str]:
    """Return what makes labels unlikely to be classes, by the number of usable tickets that each has in the input."""
    tickets, labels = sum(counts.values()), list(counts)
    check = f"check that prepare.label_column ({params.label_column!r}) is the right column"
    found = []
    if len(labels) > MANY_LABELS and len(labels) >= LARGEST_LABEL_SHARE * tickets:
        examples = ", ".join(repr(label[:40]) for label in labels[:3])
        found.append(f"{len(labels):,} different labels in {tickets:,} tickets, such as {examples}: {check}")
    if len(labels) > 1 and sum(bool(DATE.fullmatch(label)) for label in labels) >= DATES_SHARE * len(labels):
        found.append(f"the labels are dates, such as {labels[0]!r}: {check}")
    if long := [label for label in labels if len(label) > LONGEST_LABEL]:
        found.append(f"{len(long):,} labels are longer than {LONGEST_LABEL} characters: {check}")
    return found


def describe_dominant_label(counts: Mapping[str, int]) -> list[str]:
    """Return a line if nearly all usable tickets of the input have one label."""
    tickets, largest = sum(counts.values()), max(counts, key=lambda label: counts[label])
    if counts[largest] < DOMINANT_SHARE * tickets:
        return []
    return [
        f"{counts[largest]:,} of {tickets:,} tickets have the label {largest!r}: a model that always says so has "
        "nearly the best accuracy; look at macro F1, or add tickets of the other classes"
    ]


def describe_left_out(counts: Mapping[str, int], rows: int) -> list[str]:
    """Return a line about classes that are too small, by their tickets; describe_large_shares says it of many rows."""
    if not counts or sum(counts.values()) >= LARGE_SHARE * rows:
        return []
    size = "1 class is" if len(counts) == 1 else f"{len(counts):,} classes are"
    return [
        f"{size} too small and left out: {with_counts(counts)}; add tickets, merge classes with prepare.label_map, or "
        "lower prepare.min_class_count"
    ]


def count_labels(table: Table, reasons: np.ndarray, wanted: Reason = Reason.USABLE) -> Counter[str]:
    """Return how many tickets of the input have this Reason, for each of their labels, the most frequent first."""
    chosen = (reasons == wanted) & (table.sources == Source.INPUT)
    counts = np.bincount(table.labels[chosen], minlength=len(table.names))
    order = np.argsort(-counts, kind="stable")[: int(np.count_nonzero(counts))]
    return Counter({table.names[label]: int(counts[label]) for label in order})
