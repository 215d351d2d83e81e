"""Estimates the live accuracy from audited tickets, each of which counts 1 / p if it was drawn with probability p.

The estimate is Hájek's ratio: the weights of the right answers over all weights (Särndal, Swensson and Wretman 1992,
section 5.7). The weights undo the sampler's preference for uncertain tickets. The interval is Wilson's score interval
with continuity correction (Newcombe 1998, method 4) for the effective number of answers: as many answers of a simple
random sample would tell as much (Korn and Graubard 1998). It holds its 95% near 1 and for few answers, where 1.96
standard errors to each side do not; tests/services/test_live_accuracy.py simulates it.
"""

import math
from typing import NamedTuple

# The 97.5% quantile of the normal distribution: intervals of 95%.
Z = 1.959964
# The interval was tried from about here on; for a handful of answers it is too narrow, so nothing is concluded.
FEWEST_ANSWERS = 30
# How reviews end that say that the category was wrong. With several categories, it may be one of them.
REFUTING = ("none", "not_ticket")
# More answers than these are never asked for.
MOST_NEEDED = 100_000


class AuditSums(NamedTuple):
    """Sums over the answered audits: their number, their weights w and w**2, and the same of those that are right."""

    answers: int = 0
    weights: float = 0.0
    squares: float = 0.0
    right_weights: float = 0.0
    right_squares: float = 0.0

    def plus(self, other: "AuditSums") -> "AuditSums":
        """Return the sums over both sets of audits."""
        answers, *sums = (one + another for one, another in zip(self, other, strict=True))
        return AuditSums(int(answers), *sums)


class LiveAccuracy(NamedTuple):
    """The accuracy of the tickets that were routed without a person, its 95% interval, and what the answers are worth.

    Without an answer the accuracy is None and the interval is 0 to 1.
    """

    accuracy: float | None
    low: float
    high: float
    effective_answers: float


def estimate_accuracy(sums: AuditSums) -> LiveAccuracy:
    """Return the estimate from the sums over answered audits."""
    if not sums.answers:
        return LiveAccuracy(None, 0.0, 1.0, 0.0)
    # Sums of floats can be off in their last bits.
    accuracy = min(1.0, sums.right_weights / sums.weights)
    effective = effective_answers(sums, accuracy)
    return LiveAccuracy(accuracy, *score_interval(accuracy, effective), effective)


def effective_answers(sums: AuditSums, accuracy: float) -> float:
    """Return how many answers of a simple random sample tell as much: the smaller of two answers to the question.

    Kish's (1965) looks at the weights alone. The other one is the variance of a simple random sample over that of this
    one, and is smaller if the errors are among the tickets with large weights, the sure ones.
    """
    kish = sums.weights**2 / sums.squares
    if sums.answers < 2:
        return kish
    residuals = (1 - 2 * accuracy) * sums.right_squares + accuracy**2 * sums.squares
    variance = residuals / sums.weights**2 * sums.answers / (sums.answers - 1)
    simple = accuracy * (1 - accuracy)
    return min(kish, simple / variance) if simple > 1e-12 and variance > 0 else kish


def score_interval(share: float, number: float) -> tuple[float, float]:
    """Return Wilson's 95% interval with continuity correction for a share of a number of answers above 0."""
    z2, rest = Z * Z, 1 - share
    low = 2 * number * share + z2 - 1 - Z * math.sqrt(max(0.0, z2 - 2 - 1 / number + 4 * share * (number * rest + 1)))
    high = 2 * number * share + z2 + 1 + Z * math.sqrt(max(0.0, z2 + 2 - 1 / number + 4 * share * (number * rest - 1)))
    scale = 2 * (number + z2)
    return (max(0.0, low / scale) if share > 0 else 0.0), (min(1.0, high / scale) if share < 1 else 1.0)


def needed_answers(target: float) -> int:
    """Return the fewest answers that can show a target accuracy: if all are right, the interval's lower end reaches it.

    Below it, nothing that people answer could prove that the promise is kept.
    """
    low, high = 0, MOST_NEEDED
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if score_interval(1.0, middle)[0] >= target else (middle, high)
    return high
