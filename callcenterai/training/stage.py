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
    HELD_OUT_FILE,
    KINDS,
    METADATA_FILE,
    RUN_FILE,
    library_versions,
    probabilities_bytes,
)
from callcenterai.core.cli import UserError, print_lines
from callcenterai.core.files import dvc_md5, json_bytes, make_own_folder_private, sha256, write_files
from callcenterai.core.git import git_state
from callcenterai.data.parts import Part
from callcenterai.tracking import runs, store
from callcenterai.training.evaluation import (
    EvaluatedModel,
    Predictions,
    Threshold,
    TrainingParameters,
    accuracy_interval,
    choose_threshold,
    evaluate_part,
    routed,
)
from callcenterai.training.plots import draw
from callcenterai.training.reference import reference_files
from callcenterai.training.slices import evaluate_slices, slice_part
from callcenterai.training.thresholds import (
    choose_routing_threshold,
    cost_figures,
    describe_missing,
    describe_threshold,
    read_costs,
    target_of,
)

# The figures that the metadata repeats for services, which have the model folder alone.
METADATA_FIGURES = ("accuracy", "macro_f1", "ece", "auto_route")
# Under so many test tickets, training warns that its figures say little.
FEW_TICKETS = 100
# From this share of test tickets on, training warns that the model knows nothing of them.
UNKNOWN_SHARE = 0.05
# Sets with more tickets have so many in validation that the routing policy needs no others.
MOST_HELD_OUT = 200_000


@dataclass(frozen=True)
class TrainedModel:
    """A finished model that has not seen test yet.

    model answers predict_proba(texts); files are its bytes by name, the model itself first; validation holds the
    predictions of weights that did not learn from validation. held_out are the predictions that the threshold rests on,
    if they are more than those of validation. metrics and metadata are added by this kind of model.
    find_known returns, for each text, whether the model knows anything of it; None if it knows every text.
    unknown_words returns the share of each text's words that the model does not know; None for a model without words.
    tables are further files to write, outside the model's folder, and notes what to say on stderr. report returns the
    page that describes the evaluated model; None if there is none.
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
    tables: dict[Path, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    report: Callable[[EvaluatedModel], bytes] | None = None


def run_training(
    kind: str,
    parts: dict[str, Part],
    params: TrainingParameters,
    folders: dict[str, Path],
    train: Callable[[], TrainedModel],
) -> None:
    """Check the costs and the tracking store, train and write the outputs, then log the run.

    folders are those of evaluate_and_write.
    """
    read_costs(params, sorted({*parts["train"].labels, *parts["validation"].labels}))
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
        logged = [name for name in ("model", "metrics", "plots", "report") if name in folders]
        again = " ".join(f"--{name} {shlex.quote(str(folders[name].resolve()))}" for name in logged)
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
    """Evaluate the model and write it with metadata, metrics and plots together; return metadata and metrics.

    folders: "model" and "plots" are folders, "metrics" is the file of all figures. Two files may be missing:
    "headline", that of the most important figures, and "report", the page that describes the model.
    """
    # fit_routing.py needs these predictions: a model that was fitted on these tickets cannot give them any more.
    trained = replace(trained, files=trained.files | {HELD_OUT_FILE: held_out_bytes(trained, parts)})
    basis = trained.held_out or trained.validation
    threshold = choose_routing_threshold(basis, params)
    texts = parts["test"].texts
    test = predict_test(trained, parts["test"])
    trained = replace(trained, files=trained.files | reference_files(kind, test, texts, trained.unknown_words))
    warn_of_unknown_texts(kind, test)
    metrics = measure_training(trained, test, parts, threshold, params)
    print_lines("warning", metrics.get("warnings", []))
    print_lines("note", describe_missing(basis, params, threshold) + trained.notes)
    metadata = make_metadata(kind, trained, parts, params) | {
        **describe_threshold(threshold, test.labels),
        "metrics": {part: {name: metrics[part][name] for name in METADATA_FIGURES} for part in ("validation", "test")},
    }
    write_outputs(trained, EvaluatedModel(test, threshold, metrics, metadata), folders, started)
    return metadata, metrics


def held_out_bytes(trained: TrainedModel, parts: dict[str, Part]) -> bytes:
    """Return the content of HELD_OUT_FILE: the answers to all of train and validation, or to validation alone.

    The latter where only these were held out, and where a set is so large that they are enough.
    """
    every, held_out = len(parts["train"]) + len(parts["validation"]), trained.held_out
    if held_out is None or len(held_out.true) < every or every > MOST_HELD_OUT:
        held_out = trained.validation
    return probabilities_bytes(held_out.probabilities)


def predict_test(trained: TrainedModel, part: Part) -> Predictions:
    """Return the finished model's predictions of test."""
    known = trained.find_known(part.texts) if trained.find_known else None
    return Predictions(trained.validation.labels, part.labels, trained.model.predict_proba(part.texts), known)


def measure_training(
    trained: TrainedModel, test: Predictions, parts: dict[str, Part], threshold: Threshold, params: TrainingParameters
) -> dict[str, Any]:
    """Return all figures of a training, with the warnings that they are worth."""
    basis, groups = trained.held_out or trained.validation, {name: part.groups for name, part in parts.items()}
    fitted_on = np.concatenate([groups["train"], groups["validation"]]) if trained.refit else groups["train"]
    slices, worse = evaluate_slices(test, slice_part(parts["test"]), threshold)
    warnings = describe_few_tickets(test) + worse
    return {
        "validation": evaluate_part(trained.validation, groups["validation"], groups["train"], threshold, params),
        "test": evaluate_part(test, groups["test"], fitted_on, threshold, params),
        "threshold_tickets": len(basis.true),
        **measure_costs(basis, test, threshold, params),
        **trained.metrics,
        "slices": slices,
        **({"warnings": warnings} if warnings else {}),
    }


def measure_costs(
    basis: Predictions, test: Predictions, threshold: Threshold, params: TrainingParameters
) -> dict[str, dict[str, float]]:
    """Return what 1,000 test tickets cost, and say so; nothing without costs in the parameters."""
    costs = read_costs(params, test.labels)
    if costs is None:
        return {}
    plain = choose_threshold(basis, params.target_accuracy, params.threshold_confidence)
    figures = cost_figures(test, threshold, plain, costs)
    print(
        f"test: 1,000 tickets cost {figures['with_threshold']:,.2f}; reviewing all of them "
        f"{figures['reviewing_everything']:,.2f}, the threshold for an accuracy of {params.target_accuracy:.0%} "
        f"{figures['with_accuracy_threshold']:,.2f}; routed without a person: {routed(test, threshold)['coverage']:.1%}"
    )
    return {"cost_of_1000_tickets": figures}


def write_outputs(trained: TrainedModel, evaluated: EvaluatedModel, folders: dict[str, Path], started: float) -> None:
    """Write everything that a training leaves, all of it or nothing."""
    metrics, described = evaluated.metrics, json_bytes(evaluated.metadata)
    target = target_of(evaluated.metadata)
    plots = draw(evaluated.test, metrics["test"]["per_class"], evaluated.threshold, target)
    # It has texts of customers.
    reports = {folders["report"]: trained.report(evaluated)} if "report" in folders and trained.report else {}
    # The model first and its metadata last: a process that is killed in between leaves a model whose hash is not the
    # recorded one, and never a model with the figures of another.
    files: dict[Path, bytes | Iterable[bytes]] = {
        folders["model"] / name: content for name, content in trained.files.items()
    }
    files |= {folders["plots"] / name: content for name, content in plots.items()}
    files |= trained.tables
    files[folders["metrics"]] = json_bytes(metrics)
    if "headline" in folders:
        files[folders["headline"]] = json_bytes(headline_figures(metrics["test"]))
    files[folders["model"] / RUN_FILE] = json_bytes(describe_run(described, started, trained.cpu_seconds))
    write_files(files | reports | {folders["model"] / METADATA_FILE: described}, private=reports)
    for path in reports:
        make_own_folder_private(path)


def headline_figures(test: dict[str, Any]) -> dict[str, Any]:
    """Return the handful of figures that `dvc metrics show` prints: few enough for a line of a terminal."""
    route = test["auto_route"]
    figures = {name: test[name] for name in ("accuracy", "macro_f1", "ece")}
    return {"test": figures | {"coverage": route["coverage"], "routed_accuracy": route["accuracy"]}}


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
