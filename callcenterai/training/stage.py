"""What every training ends with: test looked at once, metrics, plots, metadata and the MLflow run."""

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from callcenterai.artifact.folder import (
    METADATA_FILE,
    VALIDATION_FILE,
    git_state,
    library_versions,
    probabilities_bytes,
)
from callcenterai.artifact.model_kinds import KINDS
from callcenterai.core.cli import UserError
from callcenterai.core.files import dvc_md5, json_bytes, sha256, write_files
from callcenterai.data.parts import Part
from callcenterai.tracking import runs, store
from callcenterai.training.evaluation import Predictions, choose_threshold, judge
from callcenterai.training.plots import draw

# The figures that the metadata repeats, for whoever has the model folder alone: the services.
HEADLINE = ("accuracy", "macro_f1", "ece", "auto_route")


@dataclass(frozen=True)
class Trained:
    """A finished model that has not seen test yet.

    model answers predict_proba(texts); files are its bytes by name, the model itself first; validation is what
    weights that did not learn from it predicted there. metrics and metadata are what this kind of model adds to both.
    """

    model: Any
    files: dict[str, bytes]
    validation: Predictions
    libraries: tuple[str, ...]
    cpu_seconds: float
    refit: bool = False
    metrics: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def carry_out(
    kind: str,
    parts: dict[str, Part],
    params: Any,
    folders: dict[str, Path],
    train: Callable[[], Trained],
) -> None:
    """Check the tracking store, train and write the outputs, then log the run."""
    experiment = store.connect(kind)
    started = time.time()
    try:
        trained = train()
        metadata, metrics = write(kind, trained, parts, params, folders, started)
    except BaseException as error:
        runs.log_failure(experiment, params.model_dump(), started, error)
        raise
    test = metrics["test"]
    print(f"test: accuracy {test['accuracy']:.4f}, macro F1 {test['macro_f1']:.4f}, on {test['tickets']} tickets")
    try:
        print(f"MLflow run {runs.log_training(experiment, trained.model, metadata, folders)}")
    except UserError as error:
        # The model and its figures are written and stay; failing now would make DVC throw a good training away.
        # Whole paths: the stage may run in another folder than its user does.
        again = " ".join(f"--{name} {path.resolve()}" for name, path in folders.items())
        print(
            f"warning: the run is not logged: {error}; then log it with `python scripts/log_run.py {again}`",
            file=sys.stderr,
        )


def write(
    kind: str, trained: Trained, parts: dict[str, Part], params: Any, folders: dict[str, Path], started: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Judge the model and write it with metadata, metrics and plots together; return metadata and metrics."""
    # For whoever combines models: what was said of validation cannot be had from a model that was fitted on it too.
    said = {VALIDATION_FILE: probabilities_bytes(trained.validation.probabilities)}
    trained = replace(trained, files=trained.files | said)
    threshold = choose_threshold(trained.validation, params.target_accuracy, params.threshold_confidence)
    labels = trained.validation.labels
    test = Predictions(labels, parts["test"].labels, trained.model.predict_proba(parts["test"].texts))
    groups = {name: part.groups for name, part in parts.items()}
    fitted_on = np.concatenate([groups["train"], groups["validation"]]) if trained.refit else groups["train"]
    metrics = {
        "validation": judge(trained.validation, groups["validation"], groups["train"], threshold, params),
        "test": judge(test, groups["test"], fitted_on, threshold, params),
        **trained.metrics,
    }
    metadata = describe(kind, trained, parts, params, started) | {
        "threshold": threshold,
        "metrics": {part: {name: metrics[part][name] for name in HEADLINE} for part in ("validation", "test")},
    }
    drawn = draw(test, metrics["test"]["per_class"], threshold)
    # The model first and its metadata last: whoever is killed in between leaves a model that is not vouched for, and
    # never a model with another one's figures.
    files = {folders["model"] / name: content for name, content in trained.files.items()}
    files |= {folders["plots"] / name: content for name, content in drawn.items()}
    files[folders["metrics"]] = json_bytes(metrics)
    write_files(files | {folders["model"] / METADATA_FILE: json_bytes(metadata)})
    return metadata, metrics


def describe(kind: str, trained: Trained, parts: dict[str, Part], params: Any, started: float) -> dict[str, Any]:
    """Return the metadata that vouches for the model: what it is, what it was made from, and by what."""

    def entry(part: Part) -> dict[str, Any]:
        path = part.path.resolve()
        shown = path.relative_to(store.ROOT) if path.is_relative_to(store.ROOT) else path
        return {"path": shown.as_posix(), "tickets": len(part), "md5": dvc_md5(path), "sha256": sha256(path)}

    return {
        "name": KINDS[kind].registered,
        "labels": trained.validation.labels,
        "target_accuracy": params.target_accuracy,
        **trained.metadata,
        "parameters": params.model_dump(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in trained.files.items()},
        "data": {name: entry(part) for name, part in parts.items()},
        **git_state(store.ROOT),
        "libraries": library_versions(trained.libraries),
        "python": sys.version.split()[0],
        "started_at": started,
        "fit_cpu_seconds": round(trained.cpu_seconds, 2),
        "seconds": round(time.time() - started, 2),
    }
