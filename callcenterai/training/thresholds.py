"""The auto-route threshold that the parameters ask for: overall or one for each class, for an accuracy or for costs."""

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binom

from callcenterai.core.cli import UserError
from callcenterai.core.params import ClassCosts, ThresholdParameters
from callcenterai.training.evaluation import (
    STARTS,
    Predictions,
    Threshold,
    candidate_thresholds,
    choose_threshold,
    round_up,
    routes,
)

# The sizes of a set that tickets_needed tries, each 2% larger than the one before, up to 10 million.
SIZES = np.unique((1.02 ** np.arange(100, 815)).astype(np.int64))


class Costs(NamedTuple):
    """What a ticket of each class costs if it is routed wrongly, and if a person decides: shape (n_classes,)."""

    error: np.ndarray
    review: np.ndarray

    def savings(self, predictions: Predictions) -> np.ndarray:
        """Return what routing each ticket saves against a person's decision, shape (n,); less than 0 is a loss."""
        true = predictions.true_numbers
        return self.review[true] - np.where(predictions.correct, 0.0, self.error[true])


class _Goal(NamedTuple):
    """What a threshold has to prove: that the mean loss of the tickets it routes is below a limit.

    losses are those of each ticket if it were routed, between 0 and 1, of shape (n,). factor is that of the p-value.
    """

    losses: np.ndarray
    limit: float
    factor: float

    def p_values(self, mean_losses: np.ndarray | float, tickets: np.ndarray) -> np.ndarray:
        """Return the probability of such low means of so many tickets if the true mean were the limit.

        For losses that are 0 or 1 it is that of the exact binomial test. For others it is Bentkus's bound, which is e
        times as large (Bates and others 2021, "Distribution-Free, Risk-Controlling Prediction Sets", section 3.1).
        """
        # In floating point, 3 of 10 times 10 may be more than 3.
        return self.factor * binom.cdf(np.ceil(tickets * mean_losses - 1e-9), tickets, self.limit)


def read_costs(params: ThresholdParameters, labels: list[str]) -> Costs | None:
    """Return the costs of these classes, None without any; a UserError if a mapping does not name exactly these."""
    if params.cost_of_error is None or params.cost_of_review is None:
        return None
    return Costs(_by_class("error", params.cost_of_error, labels), _by_class("review", params.cost_of_review, labels))


def _by_class(name: str, cost: ClassCosts, labels: list[str]) -> np.ndarray:
    if not isinstance(cost, dict):
        return np.full(len(labels), float(cost))
    if missing := [label for label in labels if label not in cost]:
        raise UserError(
            f"cost_of_{name} in params.yaml has no entry for the class {missing[0]!r}: add one for each class"
        )
    if unknown := sorted(set(cost) - set(labels)):
        raise UserError(
            f"cost_of_{name} in params.yaml names {unknown[0]!r}, which is no class: there are "
            f"{', '.join(map(repr, labels[:20]))}"
        )
    return np.array([cost[label] for label in labels], dtype=float)


def choose_routing_threshold(predictions: Predictions, params: ThresholdParameters) -> Threshold:
    """Return the threshold that params ask for; predictions are of tickets that no model has learned from.

    With `threshold: per_class`, each class has the threshold of the tickets that are predicted as it. For an accuracy,
    the error probability 1 - threshold_confidence is divided by the number of classes (Bonferroni), so that the promise
    holds for all classes together.
    """
    costs = read_costs(params, predictions.labels)
    if costs is not None:
        return choose_by_costs(predictions, costs, params)
    if params.threshold == "overall":
        return choose_threshold(predictions, params.target_accuracy, params.threshold_confidence)
    confidence = _confidence_of_a_class(params, predictions)
    parts = _by_predicted_class(predictions)
    return _as_array([choose_threshold(part, params.target_accuracy, confidence) for part in parts])


def _confidence_of_a_class(params: ThresholdParameters, predictions: Predictions) -> float:
    return 1 - (1 - params.threshold_confidence) / len(predictions.labels)


def _by_predicted_class(predictions: Predictions) -> list[Predictions]:
    predicted = predictions.probabilities.argmax(axis=1)
    return [predictions.select(predicted == number) for number in range(len(predictions.labels))]


def _as_array(thresholds: list[float | None]) -> np.ndarray:
    return np.array([np.inf if threshold is None else threshold for threshold in thresholds])


def choose_by_costs(predictions: Predictions, costs: Costs, params: ThresholdParameters) -> Threshold:
    """Return the threshold with the lowest cost, or none unless routing is proven to save something.

    The best of many thresholds looks better than it is. So what one half of the tickets chooses has to save something
    on the other half, both ways, each with half of the error probability 1 - threshold_confidence.
    """
    per_class = params.threshold == "per_class"
    error, even = (1 - params.threshold_confidence) / 2, np.arange(len(predictions.true)) % 2 == 0
    for half in (even, ~even):
        learned = _cheapest(predictions.select(half), costs, per_class)
        others = predictions.select(~half)
        routed, goal = routes(others, learned), _goal(others, costs, 0.0)
        if not routed.any() or goal.p_values(goal.losses[routed].mean(), routed.sum()) > error:
            return np.full(len(predictions.labels), np.inf) if per_class else None
    return _cheapest(predictions, costs, per_class)


def _cheapest(predictions: Predictions, costs: Costs, per_class: bool) -> Threshold:
    """Return the threshold with the highest saving on these tickets; none where none saves anything."""
    if per_class:
        return _as_array([_cheapest_of_all(part, costs) for part in _by_predicted_class(predictions)])
    return _cheapest_of_all(predictions, costs)


def _cheapest_of_all(predictions: Predictions, costs: Costs) -> float | None:
    if not len(predictions.true):
        return None
    confidences, savings = predictions.routing_confidence, costs.savings(predictions)
    thresholds, counts = candidate_thresholds(confidences)
    saved = np.concatenate([[0.0], np.cumsum(savings[np.argsort(confidences)][::-1])])[counts]
    return round_up(float(thresholds[saved.argmax()])) if saved.max() > 0 else None


def _goal(predictions: Predictions, costs: Costs | None, target: float) -> _Goal:
    """Return what a threshold has to prove: an accuracy of target or, with costs, that routing saves something."""
    if costs is None:
        return _Goal((~predictions.correct).astype(float), 1 - target, 1.0)
    savings, most = costs.savings(predictions), float(costs.review.max())
    # From the highest saving to the largest loss; with the same costs for all classes, losses are 0 or 1.
    width = most - min(0.0, float((costs.review - costs.error).min()))
    losses = (most - savings) / width if width else np.ones(len(savings))
    exact = bool(np.isin(losses, (0.0, 1.0)).all())
    return _Goal(losses, most / width if width else 0.0, 1.0 if exact else np.e)


def tickets_needed(predictions: Predictions, goal: _Goal, error: float) -> float | None:
    """Estimate how many tickets would prove a threshold if they were like these; None if no number would.

    The mean losses of the most confident 25%, 50% and 75% are assumed to stay as they are. error is the error
    probability of one proof.
    """
    losses = goal.losses[np.argsort(-predictions.routing_confidence, kind="stable")]
    found = []
    for share in STARTS:
        first = losses[: round(share * len(losses))]
        proven = goal.p_values(first.mean() if len(first) else 1.0, SIZES) <= error
        if proven.any():
            found.append(SIZES[proven.argmax()] / share)
    return min(found, default=None)


def _estimate(needed: float, given: int) -> int:
    """Round up to two digits; what was not enough is not what is needed, whatever an estimate says."""
    needed = max(needed, given + 1)
    unit = 10 ** max(0, int(np.log10(needed)) - 1)
    return int(np.ceil(needed / unit) * unit)


def describe_missing(predictions: Predictions, params: ThresholdParameters, threshold: Threshold) -> list[str]:
    """Return a line for each threshold that could not be proven, with how many tickets would prove one."""
    costs, error = read_costs(params, predictions.labels), 1 - params.threshold_confidence
    if routes(predictions, threshold).any():
        if costs is not None or not isinstance(threshold, np.ndarray):
            return []
    elif costs is not None:
        # Each half has to prove it.
        why = _why(predictions, _goal(predictions, costs, 0.0), error / 2, 2, "that routing saves anything")
        return [f"no threshold: every ticket goes to a person, since {why}"]
    target = params.target_accuracy
    aim = f"an accuracy of {target:.0%}"
    if not isinstance(threshold, np.ndarray):
        why = _why(predictions, _goal(predictions, None, target), error / len(STARTS), 1, aim)
        return [f"no threshold: every ticket goes to a person, since {why}"]
    lines, error = [], error / len(threshold) / len(STARTS)
    for label, part, limit in zip(predictions.labels, _by_predicted_class(predictions), threshold, strict=True):
        if np.isinf(limit):
            why = _why(part, _goal(part, None, target), error, 1, aim)
            lines.append(f"no threshold for the class {label!r}: its tickets go to a person, since {why}")
    return lines


def _why(predictions: Predictions, goal: _Goal, error: float, proofs: int, aim: str) -> str:
    given, needed = len(predictions.true), tickets_needed(predictions, goal, error)
    if needed is None:
        return f"{given:,} tickets do not show {aim}, and more like them would not either"
    enough = _estimate(proofs * needed, given)
    return f"{given:,} tickets do not prove {aim}; an estimate from these is that {enough:,} would"


def describe_threshold(threshold: Threshold, labels: list[str]) -> dict[str, Any]:
    """Return the threshold as metadata and policy have it.

    `threshold` is None with one for each class: a reader that does not know those then sends every ticket to a person.
    """
    if not isinstance(threshold, np.ndarray):
        return {"threshold": threshold}
    limits = [None if np.isinf(limit) else float(limit) for limit in threshold]
    return {"threshold": None, "class_thresholds": dict(zip(labels, limits, strict=True))}


def target_of(metadata: dict[str, Any]) -> float | None:
    """Return the accuracy that a model's threshold was chosen for, None if it was chosen by costs."""
    by_costs = metadata["parameters"].get("cost_of_error") is not None
    return None if by_costs else metadata["target_accuracy"]


def cost_figures(predictions: Predictions, threshold: Threshold, plain: Threshold, costs: Costs) -> dict[str, float]:
    """Return what 1,000 such tickets cost, in the unit of the costs: by this threshold, all reviewed, and by plain.

    plain is the overall threshold for the target accuracy.
    """
    savings, review = costs.savings(predictions), costs.review[predictions.true_numbers].mean()

    def cost(limit: Threshold) -> float:
        return 1000 * float(review - np.where(routes(predictions, limit), savings, 0.0).mean())

    ours, everything, others = cost(threshold), cost(None), cost(plain)
    figures = {
        "with_threshold": ours,
        "reviewing_everything": everything,
        "with_accuracy_threshold": others,
        "saved_against_reviewing": everything - ours,
        "saved_against_accuracy_threshold": others - ours,
    }
    return {name: round(value, 4) for name, value in figures.items()}
