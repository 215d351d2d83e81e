"""Routing between the two models: which tickets need the transformer, how both answers combine, and what that gains.

TF-IDF is cheap and answers every ticket. The transformer is asked as well when TF-IDF is less confident than
`ask_below`; then both answers are combined, and without enough confidence a person decides. run_fit_routing learns all
of this on tickets that were held out from both models, and services/agent/routing/policy.py applies it. run_compare
shows how far the models differ on test.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from callcenterai.artifact.folder import check_trained_on, load_model, read_held_out, read_metadata
from callcenterai.core.cli import UserError
from callcenterai.core.files import json_bytes, write_bytes, write_files
from callcenterai.core.params import FitRoutingParameters, read_parameters
from callcenterai.data.parts import Part, read_part, read_parts
from callcenterai.training.evaluation import Predictions, Threshold, choose_threshold, evaluate, routed
from callcenterai.training.thresholds import choose_routing_threshold, describe_threshold

MODELS = ("tfidf", "transformer")
# Probabilities are raised to this before taking logarithms: a linear model may give exactly zero.
LEAST = 1e-6
FOLDS = 5
SHARE_STEP = 0.05
# Candidates for the penalty on the biases; infinity means no biases.
PENALTIES = (1e-4, 1e-3, 1e-2, np.inf)
# Tickets on which the cost of a model is measured.
TIMED_TICKETS = 500


@dataclass(frozen=True)
class Combination:
    """A logarithmic opinion pool: a weight for each model and a bias for each label, shape (n_labels,)."""

    weights: tuple[float, float]
    biases: np.ndarray

    def probabilities(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the probabilities of both models combined; all arrays have shape (n, n_labels)."""
        return softmax(_pool(np.array([*self.weights, *self.biases]), _logarithms(first, second)), axis=1)


class LearnedRouting(NamedTuple):
    """What was learned on tickets that were held out, and the probabilities of the answers there, (n, n_labels)."""

    combination: Combination
    ask_below: float
    threshold: Threshold
    probabilities: np.ndarray


def run_fit_routing(
    folders: dict[str, Path], params_path: Path, data: Path, policy_path: Path, metrics_path: Path
) -> None:
    """Learn the policy, measure it on test, and write both files; folders has the two model folders."""
    params = read_parameters(params_path, "fit_routing", FitRoutingParameters)
    parts = read_parts(data)
    for folder in folders.values():
        for part in parts.values():
            check_trained_on(folder, part.path)
    metadata = {name: read_metadata(folder) for name, folder in folders.items()}
    labels = metadata["tfidf"]["labels"]
    if labels != metadata["transformer"]["labels"]:
        raise UserError("the models have different labels: train both on the same data")
    learned = learn_routing([read_held_out(folder) for folder in folders.values()], labels, parts, params)
    models = [load_model(folder) for folder in folders.values()]
    on_test = [model.predict_proba(list(parts["test"].texts)) for model in models]
    metrics = measure_routing(learned, on_test, labels, parts, params)
    costs = {name: cpu_milliseconds(model, parts["test"]) for name, model in zip(MODELS, models, strict=True)}
    policy = make_policy(learned, metadata, params, costs, metrics["transformer_share"])
    write_files({metrics_path: json_bytes(metrics), policy_path: json_bytes(policy)})
    print_routing(metrics, policy["milliseconds"])


def learn_routing(
    held_out: Sequence[np.ndarray], labels: list[str], parts: dict[str, Part], params: FitRoutingParameters
) -> LearnedRouting:
    """Learn everything from the answers of both models to tickets that each did not learn from, (n, n_labels).

    Their tickets are the last n of train followed by validation; of more answers by one model, those are left out to
    which the other has none.
    """
    count = min(map(len, held_out))
    first, second = (each[-count:] for each in held_out)
    true = np.concatenate([parts["train"].labels, parts["validation"].labels])[-count:]
    numbers = np.array([labels.index(label) for label in true])
    combination = fit_combination(first, second, numbers, params.random_state)
    together = combination.probabilities(first, second)
    ask_below = choose_ask_below(first, together, labels, true, params)
    probabilities, _ = cascade(first, together, ask_below)
    threshold = choose_routing_threshold(Predictions(labels, true, probabilities), params)
    return LearnedRouting(combination, ask_below, threshold, probabilities)


def fit_combination(first: np.ndarray, second: np.ndarray, true: np.ndarray, seed: int) -> Combination:
    """Return the pool with the lowest log loss (Heskes 1998); true holds label numbers, shape (n,).

    The penalty on its biases is chosen by cross-validation on the same tickets.
    """
    logarithms = _logarithms(first, second)
    fold = np.random.default_rng(seed).permutation(len(true)) % FOLDS
    losses = [_cross_validated_loss(logarithms, true, fold, penalty) for penalty in PENALTIES]
    found = _fit_pool(logarithms, true, PENALTIES[int(np.argmin(losses))])
    return Combination((float(found[0]), float(found[1])), found[2:])


def choose_ask_below(
    first: np.ndarray, together: np.ndarray, labels: list[str], true: np.ndarray, params: FitRoutingParameters
) -> float:
    """Return the confidence of the first model below which the second is asked.

    The candidates ask for 0%, SHARE_STEP, ... largest_transformer_share of the tickets. The one that routes most
    tickets without a person wins, since people cost far more than a second opinion; of several that route as many, the
    most accurate, and then the one that asks for the fewest tickets.
    """
    confidence = first.max(axis=1)
    best, chosen = (-1.0, -1.0), 0.0
    for share in np.arange(0, params.largest_transformer_share + 1e-9, SHARE_STEP):
        ask_below = 0.0 if share == 0 else float(np.quantile(confidence, share, method="lower"))
        predictions = Predictions(labels, true, cascade(first, together, ask_below)[0])
        threshold = choose_threshold(predictions, params.target_accuracy, params.threshold_confidence)
        coverage = routed(predictions, threshold)["coverage"] or 0.0
        found = (float(coverage), float(predictions.correct.mean()))
        if found > best:
            best, chosen = found, ask_below
    # Rounded down, so that no ticket is asked for that was not counted here.
    return float(np.floor(chosen * 1e6) / 1e6)


def cascade(first: np.ndarray, together: np.ndarray, ask_below: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the final probabilities, shape (n, n_labels), and which tickets needed both models, shape (n,)."""
    asked = first.max(axis=1) < ask_below
    return np.where(asked[:, None], together, first), asked


def _logarithms(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.stack([first, second]), LEAST))


def _pool(parameters: np.ndarray, logarithms: np.ndarray) -> np.ndarray:
    return np.tensordot(parameters[:2], logarithms, axes=1) + parameters[2:]


def _fit_pool(logarithms: np.ndarray, true: np.ndarray, penalty: float) -> np.ndarray:
    """Return weights and biases in one array."""
    tickets, has_biases = np.arange(len(true)), np.isfinite(penalty)
    labels = logarithms.shape[2]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scores = log_softmax(_pool(parameters, logarithms), axis=1)
        # The gradient of the log loss with respect to the scores: predicted minus true probabilities.
        residuals = np.exp(scores)
        residuals[tickets, true] -= 1
        biases = parameters[2:]
        ridge = penalty * (biases @ biases) if has_biases else 0.0
        by_weight = np.tensordot(logarithms, residuals, axes=2) / len(true)
        by_bias = residuals.mean(axis=0) + 2 * penalty * biases if has_biases else np.zeros(labels)
        return -scores[tickets, true].mean() + ridge, np.concatenate([by_weight, by_bias])

    # A negative weight would trust a model for being wrong.
    bounds = [(0, None)] * 2 + [(None, None)] * labels
    return minimize(loss, np.r_[0.5, 0.5, np.zeros(labels)], jac=True, bounds=bounds, method="L-BFGS-B").x


def _cross_validated_loss(logarithms: np.ndarray, true: np.ndarray, fold: np.ndarray, penalty: float) -> float:
    losses = np.empty(len(true))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold == number), fold != number
        found = _fit_pool(logarithms[:, outside], true[outside], penalty)
        scores = log_softmax(_pool(found, logarithms[:, inside]), axis=1)
        losses[inside] = -scores[np.arange(len(inside)), true[inside]]
    return float(losses.mean())


def measure_routing(
    learned: LearnedRouting,
    on_test: Sequence[np.ndarray],
    labels: list[str],
    parts: dict[str, Part],
    params: FitRoutingParameters,
) -> dict[str, Any]:
    """Return the figures on validation, which is among the tickets that everything was learned on, and on test."""
    together = learned.combination.probabilities(*on_test)
    probabilities, asked = cascade(on_test[0], together, learned.ask_below)
    answers = {"validation": learned.probabilities[-len(parts["validation"]) :], "test": probabilities}
    trained_on = {"validation": [parts["train"]], "test": [parts["train"], parts["validation"]]}
    figures = {}
    for part, answer in answers.items():
        seen = np.isin(parts[part].groups, np.concatenate([other.groups for other in trained_on[part]]))
        predictions = Predictions(labels, parts[part].labels, answer)
        rules = params.target_accuracy, learned.threshold, params.bootstrap_samples, params.random_state
        figures[part] = evaluate(predictions, seen, *rules)
    alone = {name: _accuracy(labels, parts["test"], each) for name, each in zip(MODELS, on_test, strict=True)}
    return figures | {
        "threshold_tickets": len(learned.probabilities),
        "models": alone,
        "always_both": _accuracy(labels, parts["test"], together),
        "gain": round(figures["test"]["accuracy"] - max(alone.values()), 6),
        "transformer_share": round(float(asked.mean()), 6),
    }


def _accuracy(labels: list[str], part: Part, probabilities: np.ndarray) -> float:
    return round(float(Predictions(labels, part.labels, probabilities).correct.mean()), 6)


def cpu_milliseconds(model: Any, part: Part) -> float:
    """Return the CPU time in milliseconds that a model needs for one ticket, when tickets come one by one."""
    texts = list(part.texts[:TIMED_TICKETS])
    started = time.process_time()
    for text in texts:
        model.predict_proba([text])
    return 1000 * (time.process_time() - started) / len(texts)


def make_policy(
    learned: LearnedRouting,
    metadata: dict[str, dict[str, Any]],
    params: FitRoutingParameters,
    costs: dict[str, float],
    share: float,
) -> dict[str, Any]:
    """Return the policy in the agent's format."""
    # The services identify a model by the hash of its first file.
    hashes = {name: next(iter(known["files"].values())) for name, known in metadata.items()}
    mean = costs["tfidf"] + share * costs["transformer"]
    weights = (round(weight, 6) for weight in learned.combination.weights)
    return {
        "format": 1,
        "labels": metadata["tfidf"]["labels"],
        "models": hashes,
        "ask_below": learned.ask_below,
        "weights": dict(zip(MODELS, weights, strict=True)),
        "biases": [round(float(bias), 6) for bias in learned.combination.biases],
        **describe_threshold(learned.threshold, metadata["tfidf"]["labels"]),
        "target_accuracy": params.target_accuracy,
        "parameters": params.model_dump(),
        "milliseconds": {name: round(cost, 3) for name, cost in (costs | {"mean": mean}).items()},
    }


def print_routing(metrics: dict[str, Any], costs: dict[str, float]) -> None:
    """Print the policy's figures on test."""
    test, alone = metrics["test"], metrics["models"]
    route = test["auto_route"]
    singles = ", ".join(f"{name} alone {100 * value:.2f}%" for name, value in alone.items())
    print(f"test: accuracy {100 * test['accuracy']:.2f}% ({singles}), gain {100 * metrics['gain']:+.2f} points")
    print(f"transformer asked for {100 * metrics['transformer_share']:.1f}% of {test['tickets']} tickets")
    if route["accuracy"] is None:
        print("every ticket goes to a person: the held-out tickets prove no threshold")
    else:
        print(f"without a person: {100 * route['coverage']:.1f}% of the tickets, {100 * route['accuracy']:.2f}% right")
    print(", ".join(f"{name} {cost:.2f} ms" for name, cost in costs.items()) + " of CPU time a ticket")


def run_compare(first: Path, second: Path, data: Path, metrics: Path | None) -> None:
    """Compare the models in two folders on test; print the figures and, if metrics names a file, write them there."""
    part = read_part(data, "test")
    for folder in (first, second):
        check_trained_on(folder, part.path)
    models = [load_model(folder) for folder in (first, second)]
    labels = [list(model.classes_) for model in models]
    if labels[0] != labels[1]:
        raise UserError(f"{first} and {second} have different labels: train both on the same data")
    figures = agreement([model.predict_proba(list(part.texts)) for model in models], labels[0], part.labels)
    if metrics:
        write_bytes(metrics, json_bytes(figures))
    for name, value in figures.items():
        print(f"{name.replace('_', ' ')}: {value if isinstance(value, int) else f'{100 * value:.2f}%'}")


def agreement(probabilities: Sequence[np.ndarray], labels: list[str], true: np.ndarray) -> dict[str, Any]:
    """Return how far two models agree; probabilities are two arrays of shape (n, n_labels), true holds n labels.

    "together" is the label with the highest mean of both logarithmic probabilities.
    """
    names = np.array(labels, dtype=object)
    first, second = (names[each.argmax(axis=1)] for each in probabilities)
    mean = _logarithms(*probabilities).mean(axis=0)
    first_right, second_right = first == true, second == true
    shares = {
        "first_accuracy": first_right,
        "second_accuracy": second_right,
        "together_accuracy": names[mean.argmax(axis=1)] == true,
        "agreement": first == second,
        "accuracy_where_they_agree": first_right[first == second],
        "only_first_right": first_right & ~second_right,
        "only_second_right": second_right & ~first_right,
        "both_wrong": ~first_right & ~second_right,
    }
    return {"tickets": len(true)} | {name: round(float(np.mean(each)), 6) for name, each in shares.items() if len(each)}
