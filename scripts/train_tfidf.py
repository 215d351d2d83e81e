"""Train, calibrate and evaluate a TF-IDF + linear SVM classifier on the prepared tickets.

    dvc repro train_tfidf
    dvc exp run -S train_tfidf.C=2.0
    python scripts/train_tfidf.py --params params.yaml --data data/processed --model models/tfidf

Reads the section `train_tfidf` of params.yaml. Everything is chosen on train and validation; test is looked at once,
through the finished pipeline. The run is tracked in MLflow (MLFLOW_TRACKING_URI, by default mlflow.db).
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import UserError, run

# The figures that the metadata repeats, for whoever has the model folder alone: the services.
HEADLINE = ("accuracy", "macro_f1", "ece", "auto_route")

if TYPE_CHECKING:
    from evaluation import Predictions
    from parameters import TrainTfidfParameters
    from prepared_data import Part
    from tfidf_model import Trained


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
    from parameters import TrainTfidfParameters, read_parameters
    from prepared_data import read_part

    params = read_parameters(params_path, "train_tfidf", TrainTfidfParameters)
    parts = {name: read_part(data, name) for name in ("train", "validation", "test")}

    import tracking

    experiment = tracking.connect()
    started = time.time()
    try:
        pipeline, metadata, metrics = train(parts, params, folders, started)
    except BaseException as error:
        tracking.log_failure(experiment, params.model_dump(), started, error)
        raise
    test = metrics["test"]
    print(f"test: accuracy {test['accuracy']:.4f}, macro F1 {test['macro_f1']:.4f}, on {test['tickets']} tickets")
    try:
        print(f"MLflow run {tracking.log_training(experiment, pipeline, metadata, folders)}")
    except UserError as error:
        # The model and its figures are written and stay; failing now would make DVC throw a good training away.
        print(f"warning: the run is not logged: {error}; then log it with `python scripts/log_run.py`", file=sys.stderr)


def train(
    parts: "dict[str, Part]", params: "TrainTfidfParameters", folders: dict[str, Path], started: float
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Train and write model, metadata, metrics and plots together; return the pipeline, metadata and metrics."""
    import tfidf_model
    from evaluation import Predictions, choose_threshold
    from files import json_bytes, write_files
    from model_folder import METADATA_FILE, MODEL_FILE, SCORER_FILE, model_bytes
    from plots import draw
    from scorer_file import scorer_bytes, vectorizers

    trained = tfidf_model.train(parts["train"], parts["validation"], params)
    labels = trained.validation.labels
    threshold = choose_threshold(trained.validation, params.target_accuracy, params.threshold_confidence)
    test = Predictions(labels, parts["test"].labels, trained.pipeline.predict_proba(parts["test"].texts))
    trained_on = [parts["train"].groups] + [parts["validation"].groups] * params.refit
    metrics = {
        "validation": judge(trained.validation, parts["validation"], [parts["train"].groups], threshold, params),
        "test": judge(test, parts["test"], trained_on, threshold, params),
        "converged": int(trained.converged),
        "features": int(sum(len(v.vocabulary_) for v in vectorizers(trained.pipeline))),
    }
    model = {MODEL_FILE: model_bytes(trained.pipeline), SCORER_FILE: scorer_bytes(trained.pipeline)}
    metadata = describe(model, parts, params, trained, threshold, started)
    metadata["metrics"] = {part: {name: metrics[part][name] for name in HEADLINE} for part in ("validation", "test")}
    drawn = draw(test, metrics["test"]["per_class"], threshold)
    # The model first and its metadata last: whoever is killed in between leaves a model that is not vouched for, and
    # never a model with another one's figures.
    files = {folders["model"] / name: content for name, content in model.items()}
    files |= {folders["plots"] / name: content for name, content in drawn.items()}
    files[folders["metrics"]] = json_bytes(metrics)
    write_files(files | {folders["model"] / METADATA_FILE: json_bytes(metadata)})
    return trained.pipeline, metadata, metrics


def judge(
    predictions: "Predictions", part: "Part", trained_on: list, threshold: float | None, params: "TrainTfidfParameters"
) -> dict[str, Any]:
    """Return a part's figures; trained_on holds the near-duplicate groups that the judged model was fitted on."""
    import numpy as np

    from evaluation import evaluate

    seen = np.isin(part.groups, np.concatenate(trained_on))
    return evaluate(predictions, seen, params.target_accuracy, threshold, params.bootstrap_samples, params.random_state)


def describe(
    model: dict[str, bytes],
    parts: "dict[str, Part]",
    params: "TrainTfidfParameters",
    trained: "Trained",
    threshold: float | None,
    started: float,
) -> dict[str, Any]:
    """Return the metadata that vouches for the model: what it is, what it was made from, and by what."""
    import hashlib

    from files import dvc_md5, sha256
    from model_folder import git_state, library_versions
    from tracking import ROOT

    def entry(part: "Part") -> dict[str, Any]:
        path = part.path.resolve()
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        return {"path": shown.as_posix(), "tickets": len(part), "md5": dvc_md5(path), "sha256": sha256(path)}

    return {
        "name": "callcenterai-tfidf-classifier",
        "labels": trained.validation.labels,
        "threshold": threshold,
        "target_accuracy": params.target_accuracy,
        "converged": trained.converged,
        "parameters": params.model_dump(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in model.items()},
        "data": {name: entry(part) for name, part in parts.items()},
        **git_state(ROOT),
        "libraries": library_versions(),
        "python": sys.version.split()[0],
        "started_at": started,
        "fit_cpu_seconds": round(trained.cpu_seconds, 2),
        "seconds": round(time.time() - started, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
