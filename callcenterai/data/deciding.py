"""Which tickets are kept, which belong together and to which part they go, decided without a look at their texts."""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from callcenterai.core.cli import UserError
from callcenterai.data.cleaning import FEEDBACK, INPUT, REASONS, TEST_INPUT, USABLE, clean, correct
from callcenterai.data.near_duplicates import near_duplicate_groups
from callcenterai.data.split import PARTS, free_groups, split

if TYPE_CHECKING:
    from callcenterai.core.params import PrepareParameters
    from callcenterai.data.spill import Spill
    from callcenterai.data.table import Table


class Split(NamedTuple):
    """What was decided: for each ticket why it is set aside, or USABLE; of the kept ones, in their order, the rest.

    Their numbers, near-duplicate groups, parts (numbers in PARTS) and labels, of which people have corrected so many.
    """

    reasons: np.ndarray
    kept: np.ndarray
    groups: np.ndarray
    parts: np.ndarray
    labels: np.ndarray
    corrected: int


def decide(table: "Table", spill: "Spill", params: "PrepareParameters") -> Split:
    """Decide which tickets are kept, which belong together and where they go, without their texts."""
    reasons, corrections = clean(table)
    kept = np.flatnonzero(reasons == USABLE)
    groups = group(spill, kept, params.near_duplicate_similarity)
    reasons = drop_rare(table, reasons, kept, groups, params)
    groups, kept = groups[reasons[kept] == USABLE], np.flatnonzero(reasons == USABLE)
    parts = assign(table, kept, groups, params)
    # Only now, so that a ticket whose label a person has put right stays in its part, and all others in theirs.
    labels, corrected = correct(table.labels[kept], corrections[kept])
    return Split(reasons, kept, groups, parts, labels, corrected)


def group(spill: "Spill", kept: np.ndarray, similarity: float) -> np.ndarray:
    """Return each kept ticket's near-duplicate group, with a progress bar on stderr when it takes long."""
    from tqdm import tqdm

    def progress(bands: Iterable[int]) -> Iterable[int]:
        return tqdm(bands, desc="finding near-duplicates", unit="band", delay=3, file=sys.stderr)

    return near_duplicate_groups(spill.signed(kept), similarity, progress)


def drop_rare(
    table: "Table", reasons: np.ndarray, kept: np.ndarray, groups: np.ndarray, params: "PrepareParameters"
) -> np.ndarray:
    """Set aside classes with too few tickets, or with too few different ones to have some in every part."""
    needed = 2 if params.official_test else 3
    ours = table.sources[kept] == INPUT
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
    rare = kept[~np.isin(table.labels[kept], classes)]
    reasons = reasons.copy()
    names = np.where(table.sources[rare] == INPUT, REASONS.index("rare_class"), REASONS.index("unknown_label"))
    reasons[rare] = names
    if params.official_test and not np.any((table.sources == TEST_INPUT) & (reasons == USABLE)):
        known = ", ".join(map(repr, sorted(table.names[label] for label in classes)[:20]))
        raise UserError(f"{params.test_input}: no ticket has a class of {params.input}; there are {known}")
    return reasons


def assign(table: "Table", kept: np.ndarray, groups: np.ndarray, params: "PrepareParameters") -> np.ndarray:
    """Return each row's part: test for an official test split; for feedback that of its near-duplicates, or train."""
    test = 0.0 if params.official_test else params.test_size
    shares = dict(zip(PARTS, (1 - test - params.validation_size, params.validation_size, test)))
    if params.official_test:
        del shares["test"]
    sources, rows = table.sources[kept], kept[table.sources[kept] == INPUT]
    ours, people = sources == INPUT, sources == FEEDBACK
    parts = np.full(len(kept), PARTS.index("test"), dtype=np.uint8)
    parts[ours] = split(table.draws[rows], table.labels[rows], groups[ours], shares)
    of_group = np.full(groups.max() + 1, PARTS.index("train"), dtype=np.uint8)
    of_group[groups[ours]] = parts[ours]
    parts[people] = of_group[groups[people]]
    return parts
