"""Say how two models differ on the test tickets: how often they agree, who is right, and what both together reach.

    python scripts/compare_models.py models/tfidf models/transformer
    python scripts/compare_models.py models/tfidf models/transformer --metrics metrics/agreement.json

Two models that are wrong about other tickets help each other. "together" is the label with the highest mean of the two
logarithmic probabilities, weighted alike: a rule without a number that could have been chosen by looking at test.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import _path  # noqa: F401
from callcenterai.core.cli import UserError, run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="folder with a model")
    parser.add_argument("second", type=Path, help="folder with another")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, help="write the figures to this file too")
    args = parser.parse_args(argv)
    return run(lambda: report(args.first, args.second, args.data, args.metrics))


def report(first: Path, second: Path, data: Path, metrics: Path | None) -> None:
    """Compare the models of two folders and print, and on request write, the figures."""
    from callcenterai.artifact.folder import check_trained_on, load_model
    from callcenterai.core.files import json_bytes, write_bytes
    from callcenterai.data.parts import read_part

    part = read_part(data, "test")
    for folder in (first, second):
        check_trained_on(folder, part.path)
    models = [load_model(folder) for folder in (first, second)]
    labels = [list(model.classes_) for model in models]
    if labels[0] != labels[1]:
        raise UserError(f"{first} and {second} know other labels: train both on the same data")
    figures = compare([model.predict_proba(list(part.texts)) for model in models], labels[0], part.labels)
    if metrics:
        write_bytes(metrics, json_bytes(figures))
    for name, value in figures.items():
        print(f"{name.replace('_', ' ')}: {value if isinstance(value, int) else f'{100 * value:.2f}%'}")


def compare(probabilities: list[Any], labels: list[str], true: Any) -> dict[str, Any]:
    """Return the figures; probabilities are two arrays of shape (n, n_labels), true holds n labels."""
    import numpy as np

    from callcenterai.routing import LEAST

    names = np.array(labels, dtype=object)
    first, second = (names[each.argmax(axis=1)] for each in probabilities)
    mean = np.mean([np.log(np.maximum(each, LEAST)) for each in probabilities], axis=0)
    right = first == true, second == true
    shares = {
        "first_accuracy": right[0],
        "second_accuracy": right[1],
        "together_accuracy": names[mean.argmax(axis=1)] == true,
        "agreement": first == second,
        "accuracy_where_they_agree": (right[0])[first == second],
        "only_first_right": right[0] & ~right[1],
        "only_second_right": right[1] & ~right[0],
        "both_wrong": ~right[0] & ~right[1],
    }
    return {"tickets": len(true)} | {name: round(float(np.mean(each)), 6) for name, each in shares.items() if len(each)}


if __name__ == "__main__":
    sys.exit(main())
