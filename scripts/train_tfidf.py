"""Train, calibrate and evaluate a TF-IDF + linear SVM classifier on the prepared tickets.

    dvc repro train_tfidf
    dvc exp run -S train_tfidf.C=2.0
    python scripts/train_tfidf.py --params params.yaml --data data/processed --model models/tfidf

Reads the section `train_tfidf` of params.yaml. Everything is chosen on train and validation; test is evaluated once,
through the finished pipeline. The run is tracked in MLflow (MLFLOW_TRACKING_URI, by default mlflow.db).
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and train; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/tfidf.json"), help="default: %(default)s")
    parser.add_argument("--headline", type=Path, help="a second file, for the most important figures alone")
    parser.add_argument("--plots", type=Path, default=Path("plots/tfidf"), help="folder; default: %(default)s")
    parser.add_argument("--features", type=Path, help="what choose_features.py wrote; default: choose here")
    parser.add_argument("--suspicious", type=Path, help="likely label errors; default: suspicious.csv in --data")
    parser.add_argument("--report", type=Path, help="an HTML page that describes the model, for its owner alone")
    prepared = Path("metrics/prepare.json")
    parser.add_argument("--prepared", type=Path, default=prepared, help="for --report; default: %(default)s")
    args = parser.parse_args(argv)
    folders = {"model": args.model, "metrics": args.metrics, "plots": args.plots}
    folders |= {name: path for name in ("headline", "report") if (path := getattr(args, name))}
    return run(lambda: train(args, folders))


def train(args: argparse.Namespace, folders: dict[str, Path]) -> None:
    """Run the stage."""
    from callcenterai.tfidf.stage import run_tfidf_stage

    run_tfidf_stage(args.params, args.data, folders, args.features, args.suspicious, args.prepared)


if __name__ == "__main__":
    sys.exit(main())
