"""Train, calibrate and evaluate a TF-IDF + linear SVM classifier on the prepared tickets.

    dvc repro train_tfidf
    dvc exp run -S train_tfidf.C=2.0
    python scripts/train_tfidf.py --params params.yaml --data data/processed --model models/tfidf

Reads the section `train_tfidf` of params.yaml. Everything is chosen on train and validation; test is looked at once,
through the finished pipeline. The run is tracked in MLflow (MLFLOW_TRACKING_URI, by default mlflow.db).
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import _path  # noqa: F401
from callcenterai.core.cli import run

if TYPE_CHECKING:
    from callcenterai.core.params import TrainTfidfParameters
    from callcenterai.data.parts import Part
    from callcenterai.training.stage import Trained


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and train; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/tfidf.json"), help="default: %(default)s")
    parser.add_argument("--plots", type=Path, default=Path("plots/tfidf"), help="folder; default: %(default)s")
    args = parser.parse_args(argv)
    folders = {"model": args.model, "metrics": args.metrics, "plots": args.plots}
    return run(lambda: train_and_track(args.params, args.data, folders))


def train_and_track(params_path: Path, data: Path, folders: dict[str, Path]) -> None:
    """Check parameters, data and the tracking store, train and write the outputs, then log the run."""
    from callcenterai.core.params import TrainTfidfParameters, read_parameters
    from callcenterai.data.parts import read_part

    params = read_parameters(params_path, "train_tfidf", TrainTfidfParameters)
    parts = {name: read_part(data, name) for name in ("train", "validation", "test")}

    from callcenterai.training import stage as training

    training.carry_out("tfidf", parts, params, folders, lambda: train(parts, params))


def train(parts: "dict[str, Part]", params: "TrainTfidfParameters") -> "Trained":
    """Return the trained pipeline with its files: itself, and its arrays for the service."""
    from callcenterai.artifact.folder import LIBRARIES, MODEL_FILE, SCORER_FILE
    from callcenterai.artifact.scorer_format import scorer_bytes, vectorizers
    from callcenterai.artifact.skops_writer import model_bytes
    from callcenterai.tfidf import model as tfidf_model
    from callcenterai.training.stage import Trained

    fitted = tfidf_model.train(parts["train"], parts["validation"], params)
    features = sum(len(vectorizer.vocabulary_) for vectorizer in vectorizers(fitted.pipeline))
    return Trained(
        fitted.pipeline,
        {MODEL_FILE: model_bytes(fitted.pipeline), SCORER_FILE: scorer_bytes(fitted.pipeline)},
        fitted.validation,
        LIBRARIES,
        fitted.cpu_seconds,
        refit=params.refit,
        metrics={"converged": int(fitted.converged), "features": features},
        metadata={"converged": fitted.converged},
    )


if __name__ == "__main__":
    sys.exit(main())
