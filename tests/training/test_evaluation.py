"""Figures checked against scikit-learn and against cases small enough to count by hand."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from callcenterai.training.evaluation import (
    Predictions,
    accuracy_by_coverage,
    accuracy_interval,
    bootstrap_intervals,
    choose_threshold,
    evaluate,
    expected_calibration_error,
)

LABELS = ["a", "b", "c"]


def predictions(count: int, accuracy: float, seed: int = 1) -> Predictions:
    """Return predictions whose confidence says nothing about whether they are right."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet([6, 1, 1], size=count)
    predicted = np.array(LABELS)[probabilities.argmax(axis=1)]
    other = np.where(predicted == "a", "b", "a")
    true = np.where(generator.random(count) < accuracy, predicted, other).astype(object)
    return Predictions(LABELS, true, probabilities)


def test_figures_agree_with_scikit_learn():
    some = predictions(500, 0.8)
    figures = evaluate(some, np.zeros(500, dtype=bool), 0.95, None, 200, 1)
    assert figures["accuracy"] == pytest.approx(accuracy_score(some.true, some.predicted))
    present = sorted(set(some.true))
    expected = f1_score(some.true, some.predicted, labels=present, average="macro")
    assert figures["macro_f1"] == pytest.approx(expected, abs=1e-6)


def test_near_duplicates_are_left_out_of_their_figure():
    some = predictions(100, 0.8)
    figures = evaluate(some, ~some.correct, 0.95, None, 200, 1)
    assert figures["accuracy_without_near_duplicates"] == 1.0
    assert figures["near_duplicates_of_training"] == int((~some.correct).sum())


def test_calibration_error_by_hand():
    confidence = np.array([0.9, 0.9, 0.6, 0.6])
    correct = np.array([True, True, True, False])
    assert expected_calibration_error(confidence, correct) == pytest.approx((2 * 0.1 + 2 * 0.1) / 4)


def test_bootstrap_interval_of_accuracy_is_that_of_a_binomial():
    low, high = bootstrap_intervals(np.array([[450, 50], [50, 450]]), 5000, 1)["accuracy_ci95"].values()
    half = 1.96 * np.sqrt(0.9 * 0.1 / 1000)
    assert (low, high) == (pytest.approx(0.9 - half, abs=0.003), pytest.approx(0.9 + half, abs=0.003))


@pytest.mark.parametrize(
    "right, total, low, high", [(20, 20, 0.8316, 1.0), (0, 10, 0.0, 0.3085), (8, 10, 0.4439, 0.9748)]
)
def test_the_exact_interval_of_an_accuracy_agrees_with_published_tables(right, total, low, high):
    """Such as Altman and others, Statistics with Confidence (2000): 8 of 10 are 44.4% to 97.5%."""
    correct = np.arange(total) < right
    assert accuracy_interval(correct) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_no_threshold_when_accuracy_stays_under_the_target():
    assert choose_threshold(predictions(5000, 0.93), 0.95, 0.95) is None


def test_everything_is_routed_when_accuracy_is_far_above_the_target():
    some = predictions(5000, 0.99)
    threshold = choose_threshold(some, 0.95, 0.95)
    assert (some.confidence >= threshold).mean() > 0.99


def test_a_threshold_at_the_edge_is_chosen_wrongly_at_most_as_often_as_promised():
    """At an accuracy just under the target, any threshold is an error: at most 5% of 200 draws may have one."""
    wrong = sum(choose_threshold(predictions(800, 0.949, seed), 0.95, 0.95) is not None for seed in range(200))
    assert wrong <= 0.05 * 200 + 2 * np.sqrt(200 * 0.05 * 0.95)


def test_accuracy_by_coverage_ends_with_the_accuracy_of_all():
    some = predictions(200, 0.8)
    curve = accuracy_by_coverage(some)
    assert (curve[-1]["coverage"], curve[-1]["accuracy"]) == (1.0, pytest.approx(some.correct.mean()))
