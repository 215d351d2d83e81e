"""Draws the tickets of the audit: a random share of those that are routed without a person.

Each ticket is drawn independently of the others, with a probability that is kept with it (Poisson sampling). The
probability is proportional to the standard deviation of "the answer is right", which for a calibrated confidence c is
sqrt(c (1 - c)): for a given number of audits, this makes the estimate of the accuracy most precise (Neyman 1934;
Särndal, Swensson and Wretman 1992, section 3.6.2). So tickets near the threshold are drawn more often than sure ones.
"""

import math
from secrets import SystemRandom

# No ticket counts as surer than this deviation, a confidence of 0.99: an overconfident model must not escape the audit.
LEAST_DEVIATION = 0.1
# The mean deviation before the first ticket, and how many of the last tickets the mean follows.
FIRST_MEAN, MEAN_OVER = 0.2, 1000
# The first mean counts as this many tickets.
FIRST_COUNT = 50


class AuditSampler:
    """Decides which tickets are audited. It is used by one thread."""

    def __init__(self, share: float, random: SystemRandom | None = None) -> None:
        """share is the expected share of the automatically routed tickets, from 0 to 1."""
        self.share, self._random = share, random or SystemRandom()
        self._mean, self._count = FIRST_MEAN, FIRST_COUNT

    def draw(self, confidence: float) -> float | None:
        """Return the probability with which a ticket was drawn, or None for a ticket that is not audited."""
        probability = self._inclusion_probability(confidence)
        return probability if self._random.random() < probability else None

    def _inclusion_probability(self, confidence: float) -> float:
        """Return the probability for the next ticket; it depends on earlier tickets only through their mean."""
        deviation = max(LEAST_DEVIATION, math.sqrt(max(0.0, confidence * (1 - confidence))))
        # With a share of 1, every ticket is wanted, however sure.
        probability = min(1.0, self.share * deviation / self._mean) if self.share < 1 else 1.0
        self._count = min(self._count + 1, MEAN_OVER)
        self._mean += (deviation - self._mean) / self._count
        return probability
