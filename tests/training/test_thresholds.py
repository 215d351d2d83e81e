"""Thresholds for each class and by costs: what is chosen, what it promises, and how those who route apply it."""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest

import predict_batch
from callcenterai.training.evaluation import Predictions, choose_threshold, routed, routes
from callcenterai.training.thresholds import (
    Costs,
    choose_routing_threshold,
    cost_figures,
    describe_missing,
    read_costs,
)
from support.tfidf import parameters
from support.tfidf_project import WORDS, Project

LABELS = ["a", "b"]
COSTS = {"cost_of_error": 10.0, "cost_of_review": 1.0}


def calibrated(count: int, seed: int = 1, lowest: float = 0.5) -> Predictions:
    """Return predictions whose confidence is the probability that they are right."""
    generator = np.random.default_rng(seed)
    of_a = generator.uniform(lowest, 1, count)
    of_a = np.where(generator.random(count) < 0.5, of_a, 1 - of_a)
    true = np.where(generator.random(count) < of_a, "a", "b").astype(object)
    return Predictions(LABELS, true, np.stack([of_a, 1 - of_a], axis=1))


def test_the_threshold_by_costs_is_where_an_error_costs_as_much_as_a_review():
    """An error costs 10 reviews: routing pays from a confidence of 90% on."""
    chosen = choose_routing_threshold(calibrated(20_000), parameters(**COSTS))
    assert chosen == pytest.approx(0.9, abs=0.03)
    each = choose_routing_threshold(calibrated(20_000), parameters(**COSTS, threshold="per_class"))
    assert each == pytest.approx([0.9, 0.9], abs=0.04)


def test_a_class_whose_errors_are_dear_makes_the_other_class_harder_to_route():
    """What is predicted as b and is a costs 40 reviews, what is predicted as a and is b 4: 97.5% and 75%."""
    costs = {"cost_of_error": {"a": 40.0, "b": 4.0}, "cost_of_review": 1.0}
    chosen = choose_routing_threshold(calibrated(40_000), parameters(**costs, threshold="per_class"))
    assert chosen == pytest.approx([0.75, 0.975], abs=0.04)


def test_costs_are_reported_as_counted_by_hand():
    """Of four tickets, the threshold routes three, of which one is wrong."""
    of_a = np.array([0.9, 0.8, 0.7, 0.6])
    predictions = Predictions(LABELS, np.array(list("aaba"), dtype=object), np.stack([of_a, 1 - of_a], axis=1))
    figures = cost_figures(predictions, 0.65, 0.85, Costs(np.array([10.0, 5.0]), np.array([1.0, 2.0])))
    assert figures == {
        "with_threshold": 1000 * (5 + 1) / 4,
        "reviewing_everything": 1000 * (1 + 1 + 2 + 1) / 4,
        "with_accuracy_threshold": 1000 * (1 + 2 + 1) / 4,
        "saved_against_reviewing": 1000 * (5 - 6) / 4,
        "saved_against_accuracy_threshold": 1000 * (4 - 6) / 4,
    }


@pytest.mark.parametrize("changes", [{"threshold": "per_class"}, COSTS, COSTS | {"threshold": "per_class"}])
def test_what_cannot_be_kept_is_promised_at_most_as_often_as_the_confidence_allows(changes):
    """Every ticket has an accuracy just under what either promise needs: of 100 draws, at most 5% may route any."""

    def routes_any(seed: int) -> bool:
        generator = np.random.default_rng(seed)
        of_a = generator.uniform(0.5, 1, 600)
        of_a = np.where(generator.random(600) < 0.5, of_a, 1 - of_a)
        predicted = np.where(of_a > 0.5, "a", "b")
        true = np.where(generator.random(600) < 0.899, predicted, np.where(of_a > 0.5, "b", "a")).astype(object)
        predictions = Predictions(LABELS, true, np.stack([of_a, 1 - of_a], axis=1))
        chosen = choose_routing_threshold(predictions, parameters(**{"target_accuracy": 0.9} | changes))
        return bool(routes(predictions, chosen).any())

    assert sum(map(routes_any, range(100))) <= 0.05 * 100 + 2 * np.sqrt(100 * 0.05 * 0.95)


def test_each_class_keeps_the_accuracy_by_itself():
    """b is predicted well and a badly, so that one threshold for both would route too many of a."""
    generator = np.random.default_rng(1)
    of_a = np.where(generator.random(20_000) < 0.5, 0.9, 0.1) + generator.uniform(-0.05, 0.05, 20_000)
    is_a = np.where(of_a > 0.5, generator.random(20_000) < of_a, generator.random(20_000) < 0.01)
    predictions = Predictions(LABELS, np.where(is_a, "a", "b").astype(object), np.stack([of_a, 1 - of_a], axis=1))
    assert routed(predictions, choose_threshold(predictions, 0.94, 0.95))["coverage"] > 0.9
    chosen = choose_routing_threshold(predictions, parameters(threshold="per_class", target_accuracy=0.94))
    for number in (0, 1):
        of_class = predictions.select(predictions.probabilities.argmax(axis=1) == number)
        assert (routed(of_class, chosen)["accuracy"] or 1.0) >= 0.94
    assert 0.4 < routed(predictions, chosen)["coverage"] < 0.7


@pytest.mark.parametrize("changes", [{}, {"threshold": "per_class"}, COSTS])
def test_the_estimate_of_the_tickets_needed_is_about_right(changes):
    """So many tickets of the same kind prove a threshold, and a third of them do not."""
    params = parameters(**{"target_accuracy": 0.95} | changes)
    few = calibrated(60, lowest=0.9)
    lines = describe_missing(few, params, choose_routing_threshold(few, params))
    estimates = [int(line.split("an estimate from these is that ")[1].split()[0].replace(",", "")) for line in lines]
    many = calibrated(4 * sum(estimates), lowest=0.9)
    assert describe_missing(many, params, choose_routing_threshold(many, params)) == []


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ({"cost_of_error": 5.0}, "cost_of_error and cost_of_review belong together: set both, or both to null"),
        (
            {"cost_of_error": {"Access": 5.0}, "cost_of_review": 1.0},
            "cost_of_error in params.yaml has no entry for the",
        ),
        (
            {"cost_of_error": 5.0, "cost_of_review": dict.fromkeys([*WORDS, "Storage"], 1.0)},
            "cost_of_review in params.yaml names 'Storage', which is no class",
        ),
        ({"cost_of_error": {"Access": -5.0}, "cost_of_review": 1.0}, "cost_of_error.Access: input should be greater"),
        ({"threshold": "each"}, "train_tfidf.threshold: input should be 'overall' or 'per_class'"),
    ],
)
def test_a_wrong_cost_is_one_error_line_before_training(project, error_line, cost, message):
    assert project.train(**cost) == 2
    assert message in error_line()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("costs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder.as_posix()}/mlflow.db")
        yield Project(folder)


@pytest.mark.slow
def test_a_model_with_thresholds_by_class_is_written_and_applied_by_batch_scoring(project, capsys):
    costs = {"cost_of_error": {"Access": 4.0, "HR Support": 2.0, "Hardware": 2.0}, "cost_of_review": 1.0}
    assert project.train(threshold="per_class", features="words", **costs) == 0
    metadata, metrics = project.metadata(), project.metrics()
    limits = metadata["class_thresholds"]
    assert metadata["threshold"] is None and list(limits) == sorted(WORDS)
    assert metrics["test"]["auto_route"]["threshold"] == {k: v for k, v in limits.items() if v is not None}
    figures = metrics["cost_of_1000_tickets"]
    assert figures["with_threshold"] < figures["reviewing_everything"] == 1000
    assert f"test: 1,000 tickets cost {figures['with_threshold']:,.2f}; reviewing" in capsys.readouterr().out
    tickets, output = project.folder / "archive.csv", project.folder / "predictions"
    with tickets.open("w", encoding="utf-8", newline="") as file:
        texts = [f"{' '.join(words[:2])} {words[4]}" for words in WORDS.values()] + ["screen password", "leave login"]
        csv.writer(file).writerows([["text"], *([text] for text in texts)])
    assert predict_batch.main([str(tickets), str(output), "--model", project.at("model"), "--workers", "1"]) == 0
    rows = [row for path in sorted(output.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert len(rows) == 5
    for row in rows:
        limit = limits[row["category"]]
        assert row["needs_review"] == (limit is None or row["confidence"] < limit)


def test_read_costs_orders_a_mapping_by_class():
    costs = read_costs(parameters(cost_of_error={"b": 2.0, "a": 3.0}, cost_of_review=1.0), LABELS)
    assert costs.error.tolist() == [3.0, 2.0] and costs.review.tolist() == [1.0, 1.0]
