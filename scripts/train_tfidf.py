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
    args = parser.parse_args(argv)
    folders = {"model": args.model, "metrics": args.metrics, "plots": args.plots}
    folders |= {"headline": args.headline} if args.headline else {}
    return run(lambda: train(args.params, args.data, folders, args.features, args.suspicious))


def train(params: Path, data: Path, folders: dict[str, Path], features: Path | None, suspicious: Path | None) -> None:
    """Run the stage."""
    from callcenterai.tfidf.stage import run_tfidf_stage

    run_tfidf_stage(params, data, folders, features, suspicious)


if __name__ == "__main__":
    sys.exit(main())
