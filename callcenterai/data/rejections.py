"""Says when many rows are rejected for one reason, and what to do: most often a wrong column or repeated texts."""

import numpy as np

from callcenterai.core.params import PrepareParameters
from callcenterai.data.table import Reason

# From this share of all rows on, a reason is worth a warning.
LARGE_SHARE = 0.25
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
