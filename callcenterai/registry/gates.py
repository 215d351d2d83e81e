"""The gates that a version must pass before it serves; each returns what it found and, if it refuses, what to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from callcenterai.artifact.folder import thresholds_of
from callcenterai.core.cli import UserError
from callcenterai.core.files import dvc_md5
from callcenterai.core.params import RegistryParameters
from callcenterai.data.parts import Part, read_part

# Texts such as people and machines also send: a model must answer each with a probability for every label.
SMOKE_TEXTS = (
    "I cannot log in, please reset my password",
    "Mon écran reste noir depuis ce matin, merci de votre aide",
    "",
    " \t\r\n",
    "🙂🔥",
    "اَلْعَرَبِيَّةُ",
    "\x00\x1f",
    "word " * 20_000,
)
# The overall figures that are compared: their names for people and in the metrics.
OVERALL = (("accuracy", "accuracy"), ("macro F1", "macro_f1"))
BETTER = "train a better one, or pass the gate with --force --reason"
# Differences in binary floating point: 0.9385 - 0.9335 is slightly more than 0.005.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Verdict:
    """The result of one gate; message tells what was found and, if it refuses, what to do.

    --force passes a gate unless it is final: the version could not serve, or nothing would serve any more.
    """

    gate: str
    passed: bool
    message: str
    final: bool = False


class PromotionRefused(Exception):
    """At least one gate refused; holds every verdict."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        """Keep all verdicts, including those that passed."""
        super().__init__("a gate refused")
        self.verdicts = verdicts


@dataclass(frozen=True)
class Measurement:
    """Figures on the test data: accuracy, macro F1, the F1 of each class (between 0 and 1) and its tickets.

    coverage is the share that the version's own threshold routes, and promise what that threshold keeps: coverages
    compare only if the promises are equal.
    """

    accuracy: float
    macro_f1: float
    f1: dict[str, float]
    tickets: dict[str, int]
    coverage: float
    promise: tuple[Any, ...]


@dataclass(frozen=True)
class Reference:
    """What a candidate must not be worse than: its name, its figures, and the advice that a refusal gives."""

    name: str
    figures: Measurement
    advice: str


def read_test_part(data: Path) -> Part:
    """Return the test data on which versions are compared."""
    part = read_part(data, "test")
    if len(set(part.labels)) < 2:
        raise UserError(f"{part.path} has one class only: nothing to compare versions on")
    return part


def measure(pipeline: Any, metadata: dict[str, Any], part: Part) -> Measurement:
    """Return the figures of a fitted pipeline on the tickets of part; labels it does not know count as errors.

    metadata is that of its folder.
    """
    # Late: scikit-learn takes a second to import, and the commands that only read the registry do not need it.
    from sklearn.metrics import f1_score

    labels = sorted(set(part.labels))
    probabilities = pipeline.predict_proba(part.texts)
    best = probabilities.argmax(axis=1)
    predicted = np.asarray(pipeline.classes_, dtype=object)[best]
    f1 = f1_score(part.labels, predicted, labels=labels, average=None, zero_division=0.0)
    tickets = {label: int((part.labels == label).sum()) for label in labels}
    accuracy = float(np.mean(predicted == part.labels))
    by_class = dict(zip(labels, map(float, f1), strict=True))
    coverage = float(np.mean(probabilities.max(axis=1) >= thresholds_of(metadata)[best]))
    return Measurement(accuracy, float(f1.mean()), by_class, tickets, coverage, promise_of(metadata))


def promise_of(metadata: dict[str, Any]) -> tuple[Any, ...]:
    """Return what the threshold of a model keeps: the accuracy, how surely, of each class or overall, or the costs."""
    parameters = metadata.get("parameters", {})
    others = (parameters.get(name) for name in ("threshold_confidence", "cost_of_error", "cost_of_review"))
    return metadata.get("target_accuracy"), parameters.get("threshold", "overall"), *others


def check_smoke_texts(pipeline: Any) -> Verdict:
    """Check that the pipeline answers texts of every kind with probabilities."""
    probabilities = np.asarray(pipeline.predict_proba(list(SMOKE_TEXTS)))
    right_shape = probabilities.shape == (len(SMOKE_TEXTS), len(pipeline.classes_))
    sums_to_one = right_shape and np.allclose(probabilities.sum(axis=1), 1)
    if sums_to_one and np.isfinite(probabilities).all():
        return Verdict("smoke", True, f"answers {len(SMOKE_TEXTS)} texts of every kind")
    return Verdict("smoke", False, "does not give a probability for every label; train it again with `dvc repro`")


def check_test_data(recorded: str | None, part: Part) -> Verdict:
    """Check that the test data is the test part of the split from which the version was trained.

    On another split, the version may have been trained on some of these tickets.
    """
    if recorded == dvc_md5(part.path):
        return Verdict("test data", True, f"{part.path} took no part in its training")
    message = (
        f"{part.path} is not the test part of its training, so it may have learned some of these tickets: train again "
        "with `dvc repro` and register that"
    )
    return Verdict("test data", False, message)


def check_minimum(figures: Measurement, params: RegistryParameters) -> list[Verdict]:
    """Check that accuracy and macro F1 reach the minimum in params."""
    return [
        _check_at_least("minimum accuracy", figures.accuracy, params.minimum_accuracy, "registry.minimum_accuracy"),
        _check_at_least("minimum macro F1", figures.macro_f1, params.minimum_macro_f1, "registry.minimum_macro_f1"),
    ]


def _check_at_least(gate: str, value: float, least: float, name: str) -> Verdict:
    if value >= least:
        return Verdict(gate, True, f"{value:.4f}, at least {least:.4f}")
    return Verdict(
        gate, False, f"{value:.4f} is {least - value:.4f} under {least:.4f}: train a better one or lower {name}"
    )


def check_regression(candidate: Measurement, reference: Reference, params: RegistryParameters) -> list[Verdict]:
    """Check that the candidate is not worse on the same tickets, overall and per class, beyond the tolerance."""
    pairs = [(title, getattr(candidate, name), getattr(reference.figures, name)) for title, name in OVERALL]
    overall = [_check_figure(title, value, before, params.tolerance, reference) for title, value, before in pairs]
    return [*overall, _check_classes(candidate, reference, params), _check_coverage(candidate, reference, params)]


def _check_coverage(candidate: Measurement, reference: Reference, params: RegistryParameters) -> Verdict:
    if candidate.promise != reference.figures.promise:
        gate = f"coverage against {reference.name}"
        return Verdict(gate, True, "not compared: the thresholds keep different accuracies, confidences or costs")
    before = reference.figures.coverage
    return _check_figure("coverage", candidate.coverage, before, params.coverage_tolerance, reference)


def _check_figure(metric: str, value: float, before: float, tolerance: float, reference: Reference) -> Verdict:
    gate, loss = f"{metric} against {reference.name}", before - value
    shown = f"{value:.4f}, {reference.name} has {before:.4f} on the same tickets"
    if loss <= tolerance + ROUNDING:
        return Verdict(gate, True, shown)
    return Verdict(gate, False, f"{shown}: {loss:.4f} worse, {tolerance:.4f} is allowed; {reference.advice}")


def _check_classes(candidate: Measurement, reference: Reference, params: RegistryParameters) -> Verdict:
    gate, tolerance = f"F1 per class against {reference.name}", params.class_tolerance
    # A class that the candidate does not know has an F1 of 0.
    losses = {
        label: f1 - candidate.f1.get(label, 0.0)
        for label, f1 in reference.figures.f1.items()
        if reference.figures.tickets[label] >= params.min_class_tickets
    }
    worse = [label for label, loss in losses.items() if loss > tolerance + ROUNDING]
    if not worse:
        return Verdict(gate, True, f"{len(losses)} classes compared, none worse by more than {tolerance:.4f}")
    named = ", ".join(f"{label} by {losses[label]:.4f}" for label in sorted(worse, key=lambda label: -losses[label]))
    allowed = f"{len(worse)} of {len(losses)} classes worse by more than the {tolerance:.4f} allowed"
    return Verdict(gate, False, f"{allowed}: {named}; {reference.advice}")
