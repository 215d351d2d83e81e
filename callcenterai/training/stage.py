"""The end of every training: evaluate on test once, write model, metadata, metrics and plots, log the MLflow run."""

import hashlib
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from callcenterai.artifact.folder import (
    KINDS,
    METADATA_FILE,
    RUN_FILE,
    VALIDATION_FILE,
    git_state,
    library_versions,
    probabilities_bytes,
)
from callcenterai.core.cli import UserError
from callcenterai.core.files import dvc_md5, json_bytes, sha256, write_files
from callcenterai.data.parts import Part
from callcenterai.tracking import runs, store
from callcenterai.training.evaluation import (
    Predictions,
    TrainingParameters,
    accuracy_interval,
    choose_threshold,
    evaluate_part,
)
from callcenterai.training.plots import draw
from callcenterai.training.reference import reference_files

# The figures that the metadata repeats for services, which have the model folder alone.
HEADLINE = ("accuracy", "macro_f1", "ece", "auto_route")
# Under so many test tickets, training warns that its figures say little.
FEW_TICKETS = 100
# From this share of test tickets on, training warns that the model knows nothing of them.
UNKNOWN_SHARE = 0.05


@dataclass(frozen=True)
class TrainedModel:
    """A finished model that has not seen test yet.

    model answers predict_proba(texts); files are its bytes by name, the model itself first; validation holds the
    predictions of weights that did not learn from validation. held_out are the predictions that the threshold rests on,
    if they are more than those of validation. metrics and metadata are added by this kind of model.
    find_known returns, for each text, whether the model knows anything of it; None if it knows every text.
    unknown_words returns the share of each text's words that the model does not know; None for a model without words.
    """

    model: Any
    files: dict[str, bytes]
    validation: Predictions
    libraries: tuple[str, ...]
    cpu_seconds: float
    refit: bool = False
    held_out: Predictions | None = None
    find_known: Callable[[np.ndarray], np.ndarray] | None = None
    unknown_words: Callable[[np.ndarray], np.ndarray] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def run_training(
    kind: str,
    parts: dict[str, Part],
    params: TrainingParameters,
    folders: dict[str, Path],
    train: Callable[[], TrainedModel],
) -> None:
    """Check the tracking store, train and write the outputs, then log the run."""
    experiment = store.connect(kind)
    started = time.time()
    try:
        trained = train()
        metadata, metrics = evaluate_and_write(kind, trained, parts, params, folders, started)
    except BaseException as error:
        try:
            runs.log_failure(experiment, params.model_dump(), started, error)
        except UserError as unlogged:
            # Only a warning: the training's own error is the one to report.
            print(f"warning: the failed run is not logged: {unlogged}", file=sys.stderr)
        raise
    test = metrics["test"]
    print(f"test: accuracy {test['accuracy']:.4f}, macro F1 {test['macro_f1']:.4f}, on {test['tickets']} tickets")
    try:
        print(f"MLflow run {runs.log_training(experiment, trained.model, metadata, folders)}")
    except UserError as error:
        # Model and figures are written and stay: a failure now would make DVC throw a good training away.
        # The command names whole paths because the stage may run in another folder than its user.
        again = " ".join(f"--{name} {shlex.quote(str(path.resolve()))}" for name, path in folders.items())
        print(
            f"warning: the run is not logged: {error}; then log it with `python scripts/log_run.py {again}`",
            file=sys.stderr,
        )


def evaluate_and_write(
    kind: str,
    trained: TrainedModel,
    parts: dict[str, Part],
    params: TrainingParameters,
    folders: dict[str, Path],
    started: float,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Evaluate the model and write it with metadata, metrics and plots together; return metadata and metrics."""
    # fit_routing.py needs these predictions: a model that was fitted on validation too cannot give them any more.
    held_out = {VALIDATION_FILE: probabilities_bytes(trained.validation.probabilities)}
    trained = replace(trained, files=trained.files | held_out)
    basis = trained.held_out or trained.validation
    threshold = choose_threshold(basis, params.target_accuracy, params.threshold_confidence)
    labels = trained.validation.labels
    texts = parts["test"].texts
    known = trained.find_known(texts) if trained.find_known else None
    test = Predictions(labels, parts["test"].labels, trained.model.predict_proba(texts), known)
    trained = replace(trained, files=trained.files | reference_files(kind, test, texts, trained.unknown_words))
    warn_of_unknown_texts(kind, test)
    few = describe_few_tickets(test)
    for line in few:
        print(f"warning: {line}", file=sys.stderr)
    groups = {name: part.groups for name, part in parts.items()}
    fitted_on = np.concatenate([groups["train"], groups["validation"]]) if trained.refit else groups["train"]
    metrics = {
        "validation": evaluate_part(trained.validation, groups["validation"], groups["train"], threshold, params),
        "test": evaluate_part(test, groups["test"], fitted_on, threshold, params),
        "threshold_tickets": len(basis.true),
        **trained.metrics,
        **({"warnings": few} if few else {}),
    }
    metadata = make_metadata(kind, trained, parts, params) | {
        "threshold": threshold,
        "metrics": {part: {name: metrics[part][name] for name in HEADLINE} for part in ("validation", "test")},
    }
    plots = draw(test, metrics["test"]["per_class"], threshold)
    write_outputs(trained, metadata, metrics, plots, folders, started)
    return metadata, metrics


def write_outputs(
    trained: TrainedModel,
    metadata: dict[str, Any],
    metrics: dict[str, Any],
    plots: dict[Path, bytes],
    folders: dict[str, Path],
    started: float,
) -> None:
    """Write everything that a training leaves, all of it or nothing."""
    described = json_bytes(metadata)
    # The model first and its metadata last: a process that is killed in between leaves a model whose hash is not the
    # recorded one, and never a model with the figures of another.
    files: dict[Path, bytes | Iterable[bytes]] = {
        folders["model"] / name: content for name, content in trained.files.items()
    }
    files |= {folders["plots"] / name: content for name, content in plots.items()}
    files[folders["metrics"]] = json_bytes(metrics)
    files[folders["model"] / RUN_FILE] = json_bytes(describe_run(described, started, trained.cpu_seconds))
    write_files(files | {folders["model"] / METADATA_FILE: described})


def warn_of_unknown_texts(kind: str, test: Predictions) -> None:
    """Warn on stderr when the model knows nothing of many test tickets."""
    unknown = 0 if test.known is None else int((~test.known).sum())
    if unknown >= UNKNOWN_SHARE * len(test.true):
        mend = "try train_tfidf.features: characters, or give more tickets" if kind == "tfidf" else "give more tickets"
        print(
            f"warning: the model knows nothing of {unknown} of {len(test.true)} test tickets, which go to a person: "
            f"{mend}",
            file=sys.stderr,
        )


def describe_few_tickets(test: Predictions) -> list[str]:
    """Return a line if there are too few test tickets to judge a model by."""
    if len(test.true) >= FEW_TICKETS:
        return []
    low, high = accuracy_interval(test.correct)
    return [
        f"figures of so few tickets say little: by {len(test.true)} test tickets, accuracy is between {low:.1%} and "
        f"{high:.1%} (95% interval); label more tickets"
    ]


def make_metadata(
    kind: str, trained: TrainedModel, parts: dict[str, Part], params: TrainingParameters
) -> dict[str, Any]:
    """Return what the model is, from which data and parameters it was made, and the hashes of its files.

    Nothing in it may differ when the same training runs again, on another day or in another clone.
    """

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
        "libraries": library_versions(trained.libraries),
    }


def describe_run(metadata: bytes, started: float, cpu_seconds: float) -> dict[str, Any]:
    """Return when, from which commit and at what cost the training with this metadata ran."""
    return {
        "metadata_sha256": hashlib.sha256(metadata).hexdigest(),
        **git_state(store.ROOT),
        "python": sys.version.split()[0],
        "started_at": started,
        "fit_cpu_seconds": round(cpu_seconds, 2),
        "seconds": round(time.time() - started, 2),
    }
