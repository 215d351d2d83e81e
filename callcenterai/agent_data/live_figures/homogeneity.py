"""Compares the tickets that the agent saw with those that the model was tested on: is it still the same work?

For each figure, a chi-squared test of homogeneity says whether the difference can be chance, corrected for the number
of figures (Holm 1979), and Cohen's w how large it is: the root of the sum of (seen - expected)**2 / expected over the
shares (Cohen 1988, chapter 7). With many tickets every difference is significant, so drift matters only if w reaches
what Cohen calls a medium effect; w**2 is about the population stability index, of which 0.1 is a common limit.

In plain Python, because the agent's image has no SciPy.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

# Fewer tickets say more about chance and the few weekdays than about drift.
FEWEST_TICKETS = 200
SIGNIFICANCE = 0.01
# Cohen's small and medium effects.
SMALL, MEDIUM = 0.1, 0.3
# Expected shares are those of so many more tickets in each class, so that a value that is new has one above 0.
MORE = 0.5


class Share(NamedTuple):
    """How many tickets have a value, in the reference and among those that were seen."""

    value: str
    expected: int
    seen: int


class Drift(NamedTuple):
    """The difference in one figure: its effect size w, the p value after Holm's correction, and whether it matters.

    level is "none", "small" or "large". Shares are by value.
    """

    figure: str
    effect: float
    p_value: float
    level: str
    shares: list[Share]

    @property
    def relative(self) -> list[tuple[str, float, float]]:
        """Each value, and its share of the tickets of the reference and of those that were seen."""
        expected, seen = sum(each.expected for each in self.shares), sum(each.seen for each in self.shares)
        return [(each.value, each.expected / expected, each.seen / seen) for each in self.shares]


def compare_figures(reference: Mapping[str, Any], seen: Mapping[str, Mapping[Any, int]]) -> list[Drift]:
    """Return the drift of each figure of the reference for which tickets with a value were seen."""
    found = {figure: _shares(reference, figure, counts) for figure, counts in seen.items()}
    found = {figure: shares for figure, shares in found.items() if sum(each.seen for each in shares)}
    p_values = correct_for_number([homogeneity_p_value(shares) for shares in found.values()])
    return [
        Drift(figure, effect := effect_size(shares), p_value, _level(effect, p_value), shares)
        for (figure, shares), p_value in zip(found.items(), p_values, strict=True)
    ]


def effect_size(shares: list[Share]) -> float:
    """Return Cohen's w."""
    more = sum(each.expected + MORE for each in shares)
    seen = sum(each.seen for each in shares)
    pairs = [((each.expected + MORE) / more, each.seen / seen) for each in shares]
    return math.sqrt(sum((found - expected) ** 2 / expected for expected, found in pairs))


def correct_for_number(p_values: list[float]) -> list[float]:
    """Return the p values of several tests after Holm's correction, in their order."""
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def homogeneity_p_value(shares: list[Share]) -> float:
    """Return the p value of Pearson's chi-squared test, with Yates's correction for two values."""
    rows = [(each.expected, each.seen) for each in shares if each.expected or each.seen]
    columns = [sum(column) for column in zip(*rows, strict=True)]
    freedom, statistic = len(rows) - 1, 0.0
    for row in rows:
        for count, column in zip(row, columns, strict=True):
            mean = sum(row) * column / sum(columns)
            distance = abs(count - mean)
            statistic += (distance - min(0.5, distance) if freedom == 1 else distance) ** 2 / mean
    return chi_squared_tail(statistic, freedom) if freedom else 1.0


def chi_squared_tail(statistic: float, freedom: int) -> float:
    """Return the probability that chi-squared with these degrees of freedom exceeds a value.

    Of half the degrees of freedom, whole or not, the tail is a finite sum (Abramowitz and Stegun, 26.4.4 and 26.4.5).
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    odd = freedom % 2 / 2
    terms = (math.exp((k + odd) * math.log(half) - half - math.lgamma(k + odd + 1)) for k in range(freedom // 2))
    return min(1.0, math.fsum(terms) + (math.erfc(math.sqrt(half)) if odd else 0.0))


def _level(effect: float, p_value: float) -> str:
    if p_value >= SIGNIFICANCE or effect < SMALL:
        return "none"
    return "large" if effect >= MEDIUM else "small"


def _shares(reference: Mapping[str, Any], figure: str, seen: Mapping[Any, int]) -> list[Share]:
    if figure in reference["counts"]:
        expected = reference["counts"][figure]
        return [Share(value, expected.get(value, 0), seen.get(value, 0)) for value in sorted({*expected, *seen})]
    edges, counts = reference["intervals"][figure]["edges"], reference["intervals"][figure]["counts"]
    names = [f"up to {edge:g}" for edge in edges] + [f"above {edges[-1]:g}" if edges else "any"]
    return [
        Share(name, count, seen.get(place, 0)) for place, (name, count) in enumerate(zip(names, counts, strict=True))
    ]
