"""python benchmarks/routing.py FILE --text-column C --label-column C

Measure what the routing policy gains over the better single model, by cross-validation.

    python benchmarks/routing.py tickets.csv.gz --text-column body --label-column topic --folds 10

One split says little: on 7,563 IT tickets the gain of 0.63 points had a standard error of 0.21. Here each ticket is
tested once, by models and a policy that were made without its fold. Each fold runs the stages prepare, train_tfidf,
train_transformer and fit_routing with params.yaml as it is, so this takes both trainings for each fold; it needs the
packages of requirements-transformer.txt. Figures are percentages; the last row is the mean over the folds, with the
standard error of the gain.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _path import ROOT
from stages import stage_commands, tracking_variables, write_params

COLUMNS = (
    "fold",
    "test tickets",
    "TF-IDF",
    "transformer",
    "both, always",
    "the policy",
    "gain",
    "transformer asked for",
    "TF-IDF routes",
    "right of these",
    "the policy routes",
    "right of these",
    "ECE",
)
# The place of the gain among the shares of a row.
GAIN = 4


def main(argv: list[str] | None = None) -> int:
    """Measure each fold and print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="tickets as .csv or .csv.gz")
    parser.add_argument("--text-column", default="text", help="default: %(default)s")
    parser.add_argument("--label-column", default="category", help="default: %(default)s")
    parser.add_argument("--folds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml", help="default: that of the repository")
    args = parser.parse_args(argv)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (rest, fold) in enumerate(split_folds(args), start=1):
            place = Path(folder) / str(number)
            place.mkdir()
            rest.to_csv(place / "rest.csv", index=False)
            fold.to_csv(place / "fold.csv", index=False)
            found.append(fold_figures(run_stages(args, place)))
            print_fold(str(number), found[-1])
    print_mean(found)
    return 0


def split_folds(args: argparse.Namespace) -> Any:
    """Yield, for each fold, the other tickets and the fold; each category has the same share in every fold."""
    import pandas as pd
    from sklearn.model_selection import StratifiedKFold

    tickets = pd.read_csv(args.file, dtype=str, keep_default_na=False)
    folds = StratifiedKFold(args.folds, shuffle=True, random_state=42)
    for rest, fold in folds.split(tickets, tickets[args.label_column]):
        yield tickets.iloc[rest], tickets.iloc[fold]


def run_stages(args: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Run the stages of both pipelines in a folder, with its fold as the test part; return the policy's metrics."""
    columns = {"text_column": args.text_column, "label_column": args.label_column}
    inputs = {"input": str(place / "rest.csv"), "test_input": str(place / "fold.csv")}
    write_params(place, args.params, prepare=columns | inputs)
    for command in stage_commands(place).values():
        subprocess.run(
            [sys.executable, *command],
            cwd=place,
            env=os.environ | tracking_variables(place),
            stdout=sys.stderr,
            check=True,
        )
    figures = {name: (place / f"{name}.json").read_text(encoding="utf-8") for name in ("routing", "tfidf")}
    return {name: json.loads(content) for name, content in figures.items()}


def fold_figures(metrics: dict[str, Any]) -> list[float]:
    """Return the figures of a row: the number of test tickets, and shares of them."""
    policy = metrics["routing"]
    test, models = policy["test"], policy["models"]
    accuracies = [models["tfidf"], models["transformer"], policy["always_both"], test["accuracy"]]
    routes = [part["auto_route"] for part in (metrics["tfidf"]["test"], test)]
    routed = [share or 0.0 for route in routes for share in (route["coverage"], route["accuracy"])]
    return [test["tickets"], *accuracies, policy["gain"], policy["transformer_share"], *routed, test["ece"]]


def print_fold(name: str, numbers: list[float], error: str = "") -> None:
    """Print a line of the table."""
    tickets, *shares = numbers
    accuracies = [f"{100 * share:.2f}" for share in shares[:GAIN]]
    others = [f"{100 * share:.1f}" for share in shares[GAIN + 1 :]]
    cells = [name, f"{tickets:,.0f}", *accuracies, f"{100 * shares[GAIN]:+.2f}{error}", *others]
    print(f"| {' | '.join(cells)} |", flush=True)


def print_mean(found: list[list[float]]) -> None:
    """Print the last row: the mean over the folds."""
    import numpy as np

    rows = np.array(found)
    error = rows[:, 1 + GAIN].std(ddof=1) / np.sqrt(len(rows))
    print_fold("mean", [rows[:, 0].sum(), *rows[:, 1:].mean(axis=0)], f" +-{100 * error:.2f}")


if __name__ == "__main__":
    sys.exit(main())
