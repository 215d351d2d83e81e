"""Figures of slices of the tickets, such as one language, and which slices are significantly worse than the rest."""

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import hypergeom

from callcenterai.data.parts import SLICE_PREFIX, Part
from callcenterai.text.language import detect
from callcenterai.training.evaluation import Predictions, Threshold, accuracy_interval, routes

# In characters; a slice of lengths ends before each of these.
LENGTHS = (51, 201, 1001)
LENGTH_NAMES = ("up to 50", "51 to 200", "201 to 1,000", "over 1,000")
# A language shows in so many characters, and longer texts take longer.
LANGUAGE_CHARACTERS = 200
# Of a column, the most frequent values are shown, if they have so many tickets; fewer prove nothing.
MOST_VALUES, LEAST_TICKETS = 20, 20
# The probability of saying at all that a slice is worse when none is.
SIGNIFICANCE = 0.05


class _Finding(NamedTuple):
    """One comparison of a slice with the other tickets; p is the one-sided probability if they were equally good."""

    slicing: str
    value: str
    figure: str
    right: np.ndarray
    inside: np.ndarray
    p: float


def slice_part(part: Part) -> dict[str, np.ndarray]:
    """Return the slice of each ticket, object arrays of shape (n,), by what they are sliced by.

    That is language, length in characters, and each column that `prepare.slice_columns` names.
    """
    lengths = np.digitize([len(text) for text in part.texts], LENGTHS)
    found = {
        "language": np.array([detect(text[:LANGUAGE_CHARACTERS]) for text in part.texts], dtype=object),
        "length": np.array(LENGTH_NAMES, dtype=object)[lengths],
    }
    for name, values in part.columns.items():
        if name.startswith(SLICE_PREFIX):
            found[f"column {name.removeprefix(SLICE_PREFIX)}"] = np.where(values == "", "(none)", values)
    return found


def evaluate_slices(
    predictions: Predictions, slices: dict[str, np.ndarray], threshold: Threshold
) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of each slice, and a line for each that is significantly worse than the other tickets.

    slices is what slice_part returned for the predicted tickets. Shares have exact 95% intervals.
    """
    routed, correct = routes(predictions, threshold), predictions.correct
    figures: dict[str, Any] = {}
    findings = []
    for slicing, values in slices.items():
        names, counts = np.unique(values, return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[:MOST_VALUES]
        figures[slicing] = {}
        for name in names[frequent[counts[frequent] >= LEAST_TICKETS]]:
            inside = values == name
            figures[slicing][name] = {
                "tickets": int(inside.sum()),
                "accuracy": _share(correct[inside]),
                "coverage": _share(routed[inside]),
                "routed_accuracy": _share(correct[inside & routed]),
            }
            findings.append(_compare(slicing, name, "accuracy", correct, inside))
            findings.append(_compare(slicing, name, "accuracy of routed tickets", correct[routed], inside[routed]))
    return figures, describe_worse(findings)


def describe_worse(findings: list[_Finding]) -> list[str]:
    """Return a line for each finding that is significant after Holm's correction for their number (Holm 1979).

    The smallest of m probabilities is compared with SIGNIFICANCE / m, the next with SIGNIFICANCE / (m - 1), and so on
    until one is larger.
    """
    lines = []
    for rank, found in enumerate(sorted(findings, key=lambda finding: finding.p)):
        corrected = found.p * (len(findings) - rank)
        if corrected > SIGNIFICANCE:
            break
        low, high = accuracy_interval(found.right[found.inside])
        lines.append(
            f"{found.slicing} {found.value!r} is worse than the rest: {found.figure} "
            f"{found.right[found.inside].mean():.1%} ({low:.1%} to {high:.1%}) on {found.inside.sum():,} tickets, the "
            f"rest has {found.right[~found.inside].mean():.1%} (p = {corrected:.2g}, corrected)"
        )
    return lines


def _compare(slicing: str, value: str, figure: str, right: np.ndarray, inside: np.ndarray) -> _Finding:
    """Compare the share of right answers inside and outside of a slice by Fisher's exact test, one-sided.

    With as many right answers as there are, those inside follow a hypergeometric distribution if the slice does not
    matter (Fisher 1934; Agresti 2013, "Categorical Data Analysis", section 3.5.1).
    """
    p = float(hypergeom.cdf(right[inside].sum(), len(right), right.sum(), inside.sum())) if len(right) else 1.0
    return _Finding(slicing, value, figure, right, inside, p)


def _share(values: np.ndarray) -> dict[str, float] | None:
    """Return the share of a bool array that is true with its exact 95% interval; None if the array is empty."""
    if not len(values):
        return None
    low, high = accuracy_interval(values)
    return {"share": round(float(values.mean()), 6), "low": round(low, 6), "high": round(high, 6)}
