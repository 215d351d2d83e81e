"""What is logged of a training: parameters, metrics, plots, data sets and the model, or that it failed."""

import json
import re
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Metric
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types import ColSpec, Schema

from callcenterai.artifact.folder import (
    METADATA_FILE,
    ONNX_FILE,
    RUN_FILE,
    TRUSTED_TYPES,
    kind_named,
    load_model,
    read_metadata,
    read_run_facts,
)
from callcenterai.core.cli import UserError
from callcenterai.core.files import dvc_md5, sha256
from callcenterai.tracking import store, text_pyfunc
from callcenterai.tracking.run_card import describe_run, is_headline, name_run, source_tags

# The most that MLflow accepts in one request.
METRICS_PER_REQUEST = 1000
# Where the pages look for the report of a run (services/web/clients/registry.py).
REPORT_FOLDER, REPORT_NAME = "report", "model_report.html"
# Made up: an example from the tickets would show what a customer has written to everybody who sees the run.
EXAMPLE = ["my laptop does not start", "please order a second screen for me"]


def log_failure(experiment_id: str, parameters: dict[str, Any], started: float, error: BaseException) -> None:
    """Leave a FAILED run (KILLED when interrupted) with the parameters and the error's message."""
    client = mlflow.MlflowClient()
    with store.translate_tracking_errors():
        run = client.create_run(experiment_id, start_time=int(started * 1000), tags={"error": store.shorten(error)})
        for name, value in parameters.items():
            client.log_param(run.info.run_id, name, value)
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        client.set_terminated(run.info.run_id, status)


def log_model_folder(folders: dict[str, Path]) -> str:
    """Log a finished training from the files that it left and return the run's id; folders as for log_training.

    The model is loaded through the safe path, which checks every file's hash. A report of another model is not logged.
    """
    metadata = read_metadata(folders["model"])
    model = load_model(folders["model"]).model
    if not folders["metrics"].is_file():
        raise UserError(f"{folders['metrics']}: no such file; `dvc repro` makes it")
    if not read_run_facts(folders["model"]):
        print(
            f"warning: {folders['model'] / RUN_FILE} is missing or belongs to another training: the run will not show "
            "when and from which commit the model was trained",
            file=sys.stderr,
        )
    experiment_id = store.connect(kind_named(metadata["name"]))
    if "report" in folders and not _is_report_of(folders["report"], metadata):
        print(f"note: {folders['report']} is missing or describes another model: it is not logged", file=sys.stderr)
        folders = {name: path for name, path in folders.items() if name != "report"}
    return log_training(experiment_id, model, metadata, folders)


def _is_report_of(report: Path, metadata: dict[str, Any]) -> bool:
    """Whether a report names the hash of the model with this metadata."""
    return report.is_file() and next(iter(metadata["files"].values())) in report.read_text(encoding="utf-8")


def log_training(experiment_id: str, model: Any, metadata: dict[str, Any], folders: dict[str, Path]) -> str:
    """Log a finished training as one run and return its id.

    folders: "model" and "plots" are folders, "metrics" is the metrics file, and "report", which may be missing, the
    page that describes the model. The run is created only now, with the training's own start time, so that a killed
    training does not leave a run that seems to go on for ever. If the folder does not say when that was, the run starts
    now and its tag trained_at is UNKNOWN.
    """
    with store.translate_tracking_errors():
        facts = read_run_facts(folders["model"])
        metrics = json.loads(folders["metrics"].read_text(encoding="utf-8"))
        tags = _run_tags(metadata, facts, folders["model"])
        tags |= source_tags(metadata, facts.get("git_commit")) | {
            "mlflow.note.content": describe_run(metadata, metrics)
        }
        run = mlflow.MlflowClient().create_run(
            experiment_id,
            start_time=int(facts.get("started_at", time.time()) * 1000),
            tags=tags,
            run_name=name_run(metadata, _parameters_before(experiment_id)),
        )
        with mlflow.start_run(run_id=run.info.run_id):
            chosen = {f"chosen.{name}": value for name, value in metadata.get("chosen", {}).items()}
            mlflow.log_params(metadata["parameters"] | chosen)
            mlflow.log_artifact(str(folders["metrics"]), "metrics")
            for name in (METADATA_FILE, RUN_FILE) if facts else (METADATA_FILE,):
                if (folders["model"] / name).is_file():
                    mlflow.log_artifact(str(folders["model"] / name), "metadata")
            # File by file, because an interrupted command may have left temporary files, which begin with a dot.
            for plot in sorted(folders["plots"].glob("[!.]*")):
                mlflow.log_artifact(str(plot), "plots")
            if "report" in folders:
                mlflow.log_text(folders["report"].read_text(encoding="utf-8"), f"{REPORT_FOLDER}/{REPORT_NAME}")
            _log_data(metadata)
            model_id = _log_model(model, metadata, folders["model"])
            # After the model: logging a model makes MLflow fetch the history of each metric that the run already has.
            headlines = {name: value for name, value in flatten(metrics) if is_headline(name)}
            log_metrics(run.info.run_id, headlines, model_id)
        return run.info.run_id


def _parameters_before(experiment_id: str) -> dict[str, str] | None:
    """Return the parameters of the experiment's newest finished run, None when there is none."""
    runs = mlflow.MlflowClient().search_runs([experiment_id], "attributes.status = 'FINISHED'", max_results=1)
    return dict(runs[0].data.params) if runs else None


def _run_tags(metadata: dict[str, Any], facts: dict[str, Any], model_folder: Path) -> dict[str, str]:
    tags: dict[str, Any] = {name: facts.get(name) for name in ("git_commit", "git_dirty")}
    tags["trained_at"] = None if "started_at" in facts else store.UNKNOWN
    tags |= {f"dvc.{name}": entry["md5"] for name, entry in metadata["data"].items()}
    # The metadata holds the hash of every file of the model; the tag holds that of the metadata.
    tags["metadata_sha256"] = sha256(model_folder / METADATA_FILE)
    tags["model_sha256"] = next(iter(metadata["files"].values()))
    return {name: str(value) for name, value in tags.items() if value is not None}


def log_metrics(run_id: str, metrics: dict[str, Any], model_id: str | None = None) -> None:
    """Log nested metrics of a run, and of its model, under dotted names, in as few requests as MLflow allows.

    Metrics that are null are left out.
    """
    now = int(time.time() * 1000)
    flat = [
        Metric(re.sub(r"[^\w\-. /:]", "_", name), float(value), now, 0, model_id, run_id=run_id)
        for name, value in flatten(metrics)
        if isinstance(value, int | float)
    ]
    for start in range(0, len(flat), METRICS_PER_REQUEST):
        mlflow.MlflowClient().log_batch(run_id, metrics=flat[start : start + METRICS_PER_REQUEST])


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, leaf) for every leaf of nested dictionaries."""
    if not isinstance(value, dict):
        yield prefix, value
        return
    for key, item in value.items():
        yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))


def _log_data(metadata: dict[str, Any]) -> None:
    """Log the parts as dataset inputs whose digest is DVC's own hash."""
    for name, entry in metadata["data"].items():
        path = store.ROOT / entry["path"]
        # A part that has changed since the training is not what the model was trained on.
        if not path.is_file() or dvc_md5(path) != entry["md5"]:
            continue
        frame = pd.read_csv(path, usecols=["text", "label"], keep_default_na=False, dtype=str)
        with warnings.catch_warnings():
            # MLflow warns that a path could be a local or an artifact source; the same is recorded for both.
            warnings.filterwarnings("ignore", message="The specified dataset source")
            data = from_pandas(frame, source=entry["path"], targets="label", name=name, digest=entry["md5"])
        mlflow.log_input(data, context=name)


def _log_model(model: Any, metadata: dict[str, Any], folder: Path) -> str:
    """Log a folder's files as the MLflow model "model" of the active run and return its id."""
    describe = _describe_onnx if ONNX_FILE in metadata["files"] else _describe_pipeline
    files = [folder / name for name in (*metadata["files"], METADATA_FILE)]
    flavor = _FileFlavor(describe(model, EXAMPLE, metadata, folder), files)
    # Validating the example would load the model, and MLflow would only warn about a failure.
    logged = Model.log(artifact_path=None, name="model", flavor=flavor, validate_serving_input=False)
    return logged.model_id


class _FileFlavor:
    """An MLflow flavor that logs the files of a finished training unchanged.

    MLflow's own flavors would serialise the model again, into bytes other than those whose hash is recorded, and load
    it twice to validate it, which took longer than the training. So `describe` writes only the description of a model
    into MLflow's temporary folder, and the files are copied beside it before anything is logged: what is registered is
    byte for byte what was evaluated.
    """

    def __init__(self, describe: Callable[..., None], files: list[Path]) -> None:
        """Keep the function that writes the description, given path and mlflow_model, and the files to copy."""
        self._describe, self._files = describe, files

    def save_model(self, path: str, mlflow_model: Any, **_: Any) -> None:
        """Write the model's folder; Model.log calls this."""
        self._describe(path=path, mlflow_model=mlflow_model)
        if "sklearn" in mlflow_model.flavors:
            # MLflow's own loader would pass the pipeline a data frame; this one is in the model's folder `code`.
            mlflow_model.flavors["python_function"]["loader_module"] = Path(text_pyfunc.__file__).stem
        for file in self._files:
            shutil.copyfile(file, Path(path) / file.name)
        mlflow_model.model_size_bytes = sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
        mlflow_model.save(str(Path(path) / MLMODEL_FILE_NAME))


def _describe_pipeline(pipeline: Any, texts: list[str], metadata: dict[str, Any], folder: Path) -> Callable[..., None]:
    """Return a function that writes the description of an MLflow model for the pipeline's file."""
    # Late: the transformer's training does not need scikit-learn's models.
    from sklearn.dummy import DummyClassifier

    return partial(
        mlflow.sklearn.save_model,
        # A stand-in: MLflow writes nothing of the model but its file, which the training's own file replaces.
        DummyClassifier(),
        signature=ModelSignature(Schema([ColSpec("string")]), Schema([ColSpec("string")])),
        input_example=texts,
        code_paths=[text_pyfunc.__file__],
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        # Explicit, because MLflow would spend seconds on detecting them.
        pip_requirements=_pip_requirements(metadata),
    )


def _describe_onnx(model: Any, texts: list[str], metadata: dict[str, Any], folder: Path) -> Callable[..., None]:
    """Return a function that writes the description of an MLflow onnx model, whose input is token ids."""
    # Late: environments that train tfidf alone have no onnx.
    import onnx

    return partial(
        mlflow.onnx.save_model,
        onnx.load(folder / ONNX_FILE),
        signature=infer_signature(
            model.inputs_of(texts), {"probabilities": model.predict_proba(texts).astype("float32")}
        ),
        pip_requirements=_pip_requirements(metadata),
        save_as_external_data=False,
    )


def _pip_requirements(metadata: dict[str, Any]) -> list[str]:
    # No package index has a local version such as torch's 2.13.0+cpu, so its local part is removed.
    return [f"{name}=={version.partition('+')[0]}" for name, version in metadata["libraries"].items()]
