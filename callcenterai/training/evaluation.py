"""Evaluate predictions: metrics with intervals, calibration, and the choice of the auto-routing threshold."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, binomtest
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from callcenterai.core.params import TrainTfidfParameters, TrainTransformerParameters

TrainingParameters: TypeAlias = TrainTfidfParameters | TrainTransformerParameters
# The confidence from which a ticket is routed without a person: None if none is, or an array of shape (n_classes,) with
# one for each predicted class, where infinity stands for none.
Threshold: TypeAlias = float | np.ndarray | None
ECE_BINS = 15
# The thresholds tried are those that route 5%, 10%, ... 100% of the tickets.
COVERAGES = np.arange(1, 201) / 200
STARTS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Predictions:
    """A model's predictions of one part: labels (n_classes), true (n,) and probabilities (n, n_classes).

    known, bool of shape (n,), is False where the model knows nothing of the text; None if it knows every text. Such a
    ticket is never routed without a person.
    """

    labels: list[str]
    true: np.ndarray
    probabilities: np.ndarray
    known: np.ndarray | None = None

    def select(self, chosen: np.ndarray) -> "Predictions":
        """Return the predictions of some tickets; chosen is bool of shape (n,)."""
        known = None if self.known is None else self.known[chosen]
        return Predictions(self.labels, self.true[chosen], self.probabilities[chosen], known)

    def last(self, count: int) -> "Predictions":
        """Return the predictions of the last so many tickets."""
        return self.select(np.arange(len(self.true)) >= len(self.true) - count)

    @property
    def true_numbers(self) -> np.ndarray:
        """The index of each true label in labels, shape (n,)."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers[label] for label in self.true], dtype=np.int64)

    @property
    def predicted(self) -> np.ndarray:
        """The most probable label of each ticket, shape (n,)."""
        return np.asarray(self.labels, dtype=object)[self.probabilities.argmax(axis=1)]

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the predicted label, shape (n,)."""
        return self.probabilities.max(axis=1)

    @property
    def routing_confidence(self) -> np.ndarray:
        """The confidence by which tickets are routed, shape (n,): -1 where the model knows nothing of the text."""
        return self.confidence if self.known is None else np.where(self.known, self.confidence, -1.0)

    @property
    def correct(self) -> np.ndarray:
        """Whether each prediction is right, shape (n,), bool."""
        return self.predicted == self.true


class ClassScores(NamedTuple):
    """The scores of each class and its number of tickets (support), arrays of shape (n_classes,)."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray

    def averages(self) -> dict[str, float]:
        """Return the averages over classes; macro averages leave out classes without a ticket."""
        present = self.support > 0
        return {
            "macro_f1": self.f1[present].mean(),
            "weighted_f1": np.average(self.f1, weights=self.support),
            "macro_precision": self.precision[present].mean(),
            "macro_recall": self.recall[present].mean(),
        }

    def by_label(self, labels: list[str]) -> dict[str, dict[str, float]]:
        """Return the scores of each class by its label."""
        return {
            label: {"precision": precision, "recall": recall, "f1": f1, "tickets": int(tickets)}
            for label, precision, recall, f1, tickets in zip(labels, *self, strict=True)
        }


class EvaluatedModel(NamedTuple):
    """A model after its evaluation: its predictions of test, the threshold, all figures, and the metadata."""

    test: Predictions
    threshold: Threshold
    metrics: dict[str, Any]
    metadata: dict[str, Any]


def evaluate_part(
    predictions: Predictions,
    groups: np.ndarray,
    fitted_on: np.ndarray,
    threshold: Threshold,
    params: TrainingParameters,
) -> dict:
    """Return the figures of evaluate for one part, by the parameters of a training.

    groups and fitted_on are the near-duplicate groups of the part and of the tickets the model was fitted on.
    """
    seen = np.isin(groups, fitted_on)
    return evaluate(predictions, seen, params.target_accuracy, threshold, params.bootstrap_samples, params.random_state)


def evaluate(
    predictions: Predictions,
    seen_before: np.ndarray,
    target_accuracy: float,
    threshold: Threshold,
    samples: int,
    seed: int,
) -> dict:
    """Return every figure of one part as plain numbers between 0 and 1, rounded to 6 digits.

    seen_before, shape (n,), marks near-duplicates of training tickets; threshold is the auto-route confidence. Of
    thresholds for each class, the figure has those that are finite, by label.
    """
    labels, true, predicted = predictions.labels, predictions.true, predictions.predicted
    by_class = ClassScores(*precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0.0))
    figures = {
        "tickets": len(true),
        "accuracy": predictions.correct.mean(),
        **by_class.averages(),
        "ece": expected_calibration_error(predictions.confidence, predictions.correct),
        "log_loss": log_loss(true, predictions.probabilities, labels=labels),
        **bootstrap_intervals(confusion_matrix(true, predicted, labels=labels), samples, seed),
        "accuracy_without_near_duplicates": _mean_or_none(predictions.correct[~seen_before]),
        "near_duplicates_of_training": int(seen_before.sum()),
        "majority_accuracy": by_class.support.max() / len(true),
        "unknown_texts": 0 if predictions.known is None else int((~predictions.known).sum()),
        "auto_route": {
            "target_accuracy": target_accuracy,
            "threshold": _by_label(threshold, labels),
            **routed(predictions, threshold),
        },
        "per_class": by_class.by_label(labels),
    }
    return _plain(figures)


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return the ECE over 15 bins of equal width (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""
    return float(
        sum(abs(b["confidence"] - b["accuracy"]) * b["tickets"] for b in reliability(confidence, correct))
    ) / len(correct)


def reliability(confidence: np.ndarray, correct: np.ndarray) -> list[dict]:
    """Return mean confidence, accuracy and size of each confidence bin that holds tickets, in ascending order."""
    bins = confidence_bins(confidence)
    return [
        {
            "confidence": float(confidence[bins == b].mean()),
            "accuracy": float(correct[bins == b].mean()),
            "tickets": int((bins == b).sum()),
        }
        for b in np.unique(bins)
    ]


def confidence_bins(confidence: ArrayLike) -> np.ndarray:
    """Return the number of the bin of each confidence, from 0 to ECE_BINS - 1."""
    return np.minimum((np.asarray(confidence) * ECE_BINS).astype(int), ECE_BINS - 1)


def bootstrap_intervals(matrix: np.ndarray, samples: int, seed: int) -> dict[str, dict[str, float]]:
    """Return 95% percentile intervals of accuracy and macro F1 from a confusion matrix of shape (k, k).

    Drawing n tickets with replacement is drawing a multinomial over the cells of the confusion matrix, so all
    samples are drawn at once (Efron and Tibshirani 1993, chapter 13).
    """
    total = matrix.sum()
    drawn = np.random.default_rng(seed).multinomial(total, matrix.ravel() / total, size=samples)
    drawn = drawn.reshape(samples, *matrix.shape)
    hits = np.diagonal(drawn, axis1=1, axis2=2)
    true, predicted = drawn.sum(axis=2), drawn.sum(axis=1)
    f1 = 2 * hits / np.maximum(true + predicted, 1)
    present = true > 0
    macro_f1 = (f1 * present).sum(axis=1) / present.sum(axis=1)
    values = {"accuracy_ci95": hits.sum(axis=1) / total, "macro_f1_ci95": macro_f1}
    return {name: dict(zip(("low", "high"), np.quantile(v, (0.025, 0.975)), strict=True)) for name, v in values.items()}


def accuracy_interval(correct: np.ndarray) -> tuple[float, float]:
    """Return the exact 95% interval (Clopper and Pearson 1934) of an accuracy; correct is bool, of shape (n,).

    Unlike a bootstrap, it says how little a few tickets prove when the model got all of them right.
    """
    return share_interval(int(correct.sum()), len(correct))


def share_interval(right: int, count: int) -> tuple[float, float]:
    """Return the exact 95% interval of a share, of which `right` of `count` were seen; count is above 0."""
    interval = binomtest(right, count).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


def choose_threshold(predictions: Predictions, target_accuracy: float, confidence: float) -> float | None:
    """Return the lowest confidence from which tickets may be routed without a human, or None when none is safe.

    A threshold is safe when the exact lower bound (Clopper and Pearson 1934) of the accuracy above it reaches the
    target. The best of many thresholds looks better than it is; so the bound is corrected by fixed-sequence testing
    with several starts (Angelopoulos et al. 2021, "Learn then Test", section 4): from each of STARTS the thresholds
    are tried from strict to loose until one fails, with the error probability 1 - confidence divided by the starts.
    """
    confidences = predictions.routing_confidence
    if not len(confidences):
        return None
    thresholds, count = candidate_thresholds(confidences)
    right = np.concatenate([[0], np.cumsum(predictions.correct[np.argsort(confidences)][::-1])])[count]
    error = (1 - confidence) / len(STARTS)
    # The bound is 0 where none is right, for which the distribution is not defined.
    bounds = np.where((count > 0) & (right > 0), beta.ppf(error, np.maximum(right, 1), count - right + 1), 0.0)
    safe = []
    for start in STARTS:
        reached = COVERAGES >= start
        proven = np.logical_and.accumulate(bounds[reached] >= target_accuracy)
        safe += thresholds[reached][proven].tolist()
    return round_up(min(safe)) if safe else None


def candidate_thresholds(confidences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the thresholds that route the shares COVERAGES, and how many tickets each routes; both of their shape.

    confidences are routing_confidence of at least one ticket.
    """
    thresholds = np.maximum(0.0, np.quantile(confidences, 1 - COVERAGES, method="lower"))
    return thresholds, len(confidences) - np.searchsorted(np.sort(confidences), thresholds)


def round_up(threshold: float) -> float:
    """Return a threshold with 6 digits, so that a ticket at the rounded threshold is at or above the tested one."""
    return float(np.ceil(threshold * 1e6) / 1e6)


def routes(predictions: Predictions, threshold: Threshold) -> np.ndarray:
    """Return which tickets are routed without a human, bool of shape (n,)."""
    if isinstance(threshold, np.ndarray):
        threshold = threshold[predictions.probabilities.argmax(axis=1)]
    return predictions.routing_confidence >= (np.inf if threshold is None else threshold)


def routed(predictions: Predictions, threshold: Threshold) -> dict[str, float | None]:
    """Return the share of tickets routed without a human and their accuracy, None when no ticket is routed."""
    chosen = routes(predictions, threshold)
    return {"coverage": chosen.mean(), "accuracy": _mean_or_none(predictions.correct[chosen])}


def accuracy_by_coverage(predictions: Predictions) -> list[dict[str, float]]:
    """Return the accuracy of the most confident 1%, 2%, ... 100% of the tickets."""
    correct = predictions.correct[np.argsort(-predictions.confidence, kind="stable")]
    running = np.cumsum(correct) / np.arange(1, len(correct) + 1)
    counts = np.unique(np.maximum(1, np.arange(1, 101) * len(correct) // 100))
    return [{"coverage": float(n / len(correct)), "accuracy": float(running[n - 1])} for n in counts]


def _by_label(threshold: Threshold, labels: list[str]) -> float | dict[str, float] | None:
    if not isinstance(threshold, np.ndarray):
        return threshold
    return {label: limit for label, limit in zip(labels, threshold, strict=True) if np.isfinite(limit)}


def _mean_or_none(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _plain(value: Any) -> Any:
    """Turn numpy numbers into Python's, rounded, so that differences in the last bits between machines do not show."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float | np.floating):
        return round(float(value), 6)
    return int(value) if isinstance(value, np.integer) else value
