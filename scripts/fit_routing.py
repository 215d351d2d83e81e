"""Learn from validation how the agent answers: when it asks the transformer, how it weighs both, when it asks a person.

    dvc --cd transformer repro
    python scripts/fit_routing.py models/tfidf models/transformer --policy models/agent/policy.json

Reads the section `fit_routing` of params.yaml. Both models are judged by what they said of validation before they
learned from it; test is looked at once. The policy names the models that it was learned for: the agent ignores it when
others serve.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import _path  # noqa: F401
from callcenterai.core.cli import UserError, run

if TYPE_CHECKING:
    import numpy as np

    from callcenterai.core.params import FitRoutingParameters
    from callcenterai.data.parts import Part

MODELS = ("tfidf", "transformer")
# Enough tickets to say what one costs.
TIMED_TICKETS = 500


class Learned(NamedTuple):
    """What was learned on validation, and what it gives there: probabilities (n, n_labels) and who needed both (n,)."""

    combination: Any
    ask_below: float
    threshold: float | None
    probabilities: "np.ndarray"
    asked: "np.ndarray"


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and learn the policy; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tfidf", type=Path, help="folder with the model that is always asked")
    parser.add_argument("transformer", type=Path, help="folder with the model that is asked when the first is unsure")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--policy", type=Path, default=Path("models/agent/policy.json"), help="default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/routing.json"), help="default: %(default)s")
    args = parser.parse_args(argv)
    folders = dict(zip(MODELS, (args.tfidf, args.transformer)))
    return run(lambda: fit(folders, args.params, args.data, args.policy, args.metrics))


def fit(folders: dict[str, Path], params_path: Path, data: Path, policy_path: Path, metrics_path: Path) -> None:
    """Learn the policy, judge it on test, and write both files."""
    from callcenterai.artifact.folder import check_trained_on, load_model, read_metadata, read_validation
    from callcenterai.core.files import json_bytes, write_files
    from callcenterai.core.params import FitRoutingParameters, read_parameters
    from callcenterai.data.parts import read_part

    params = read_parameters(params_path, "fit_routing", FitRoutingParameters)
    parts = {name: read_part(data, name) for name in ("train", "validation", "test")}
    for folder in folders.values():
        for part in parts.values():
            check_trained_on(folder, part.path)
    metadata = {name: read_metadata(folder) for name, folder in folders.items()}
    labels = metadata["tfidf"]["labels"]
    if labels != metadata["transformer"]["labels"]:
        raise UserError("the models know other labels: train both on the same data")
    learned = learn([read_validation(folder) for folder in folders.values()], labels, parts["validation"], params)
    models = [load_model(folder) for folder in folders.values()]
    said = [model.predict_proba(list(parts["test"].texts)) for model in models]
    metrics = judge(learned, said, labels, parts, params)
    costs = {name: milliseconds(model, parts["test"]) for name, model in zip(MODELS, models)}
    policy = describe(learned, metadata, params, costs, metrics["transformer_share"])
    write_files({metrics_path: json_bytes(metrics), policy_path: json_bytes(policy)})
    report(metrics, policy["milliseconds"])


def learn(said: "list[np.ndarray]", labels: list[str], validation: "Part", params: "FitRoutingParameters") -> Learned:
    """Learn everything from what both models said of validation, each of shape (n, n_labels)."""
    import numpy as np

    from callcenterai import routing
    from callcenterai.training.evaluation import Predictions, choose_threshold

    true = np.array([labels.index(label) for label in validation.labels])
    combination = routing.fit_combination(*said, true, params.random_state)
    together = combination.probabilities(*said)
    ask_below = routing.choose_ask_below(said[0], together, true, params.largest_transformer_share)
    probabilities, asked = routing.cascade(said[0], together, ask_below)
    predictions = Predictions(labels, validation.labels, probabilities)
    threshold = choose_threshold(predictions, params.target_accuracy, params.threshold_confidence)
    return Learned(combination, ask_below, threshold, probabilities, asked)


def judge(
    learned: Learned,
    said: "list[np.ndarray]",
    labels: list[str],
    parts: "dict[str, Part]",
    params: "FitRoutingParameters",
) -> dict[str, Any]:
    """Return the figures of validation, on which all was learned, and of test."""
    import numpy as np

    from callcenterai import routing
    from callcenterai.training.evaluation import Predictions, evaluate

    together = learned.combination.probabilities(*said)
    probabilities, asked = routing.cascade(said[0], together, learned.ask_below)
    found = {"validation": learned.probabilities, "test": probabilities}
    trained_on = {"validation": [parts["train"]], "test": [parts["train"], parts["validation"]]}
    figures = {}
    for part, each in found.items():
        seen = np.isin(parts[part].groups, np.concatenate([other.groups for other in trained_on[part]]))
        predictions = Predictions(labels, parts[part].labels, each)
        rules = params.target_accuracy, learned.threshold, params.bootstrap_samples, params.random_state
        figures[part] = evaluate(predictions, seen, *rules)
    alone = {name: accuracy(labels, parts["test"], each) for name, each in zip(MODELS, said)}
    return figures | {
        "models": alone,
        "always_both": accuracy(labels, parts["test"], together),
        "gain": round(figures["test"]["accuracy"] - max(alone.values()), 6),
        "transformer_share": round(float(asked.mean()), 6),
    }


def accuracy(labels: list[str], part: "Part", probabilities: "np.ndarray") -> float:
    """Return the accuracy of probabilities, shape (n, n_labels), on a part."""
    from callcenterai.training.evaluation import Predictions

    return round(float(Predictions(labels, part.labels, probabilities).correct.mean()), 6)


def milliseconds(model: Any, part: "Part") -> float:
    """Return what one ticket costs a model when tickets come one by one, CPU milliseconds."""
    texts = list(part.texts[:TIMED_TICKETS])
    started = time.process_time()
    for text in texts:
        model.predict_proba([text])
    return 1000 * (time.process_time() - started) / len(texts)


def describe(
    learned: Learned,
    metadata: dict[str, dict[str, Any]],
    params: "FitRoutingParameters",
    costs: dict[str, float],
    share: float,
) -> dict[str, Any]:
    """Return the policy as the agent reads it."""
    # As the services name a model: by the hash of its first file.
    hashes = {name: next(iter(known["files"].values())) for name, known in metadata.items()}
    mean = costs["tfidf"] + share * costs["transformer"]
    return {
        "format": 1,
        "labels": metadata["tfidf"]["labels"],
        "models": hashes,
        "ask_below": learned.ask_below,
        "weights": dict(zip(MODELS, (round(weight, 6) for weight in learned.combination.weights))),
        "biases": [round(float(bias), 6) for bias in learned.combination.biases],
        "threshold": learned.threshold,
        "target_accuracy": params.target_accuracy,
        "parameters": params.model_dump(),
        "milliseconds": {name: round(cost, 3) for name, cost in (costs | {"mean": mean}).items()},
    }


def report(metrics: dict[str, Any], costs: dict[str, float]) -> None:
    """Print what the policy reaches on test."""
    test, alone = metrics["test"], metrics["models"]
    route = test["auto_route"]
    singles = ", ".join(f"{name} alone {100 * value:.2f}%" for name, value in alone.items())
    print(f"test: accuracy {100 * test['accuracy']:.2f}% ({singles}), gain {100 * metrics['gain']:+.2f} points")
    print(f"transformer asked for {100 * metrics['transformer_share']:.1f}% of {test['tickets']} tickets")
    if route["threshold"] is None:
        print("every ticket goes to a person: validation proves no threshold")
    else:
        print(f"without a person: {100 * route['coverage']:.1f}% of the tickets, {100 * route['accuracy']:.2f}% right")
    print(", ".join(f"{name} {cost:.2f} ms" for name, cost in costs.items()) + " of CPU time a ticket")


if __name__ == "__main__":
    sys.exit(main())
