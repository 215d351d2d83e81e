"""Where runs are tracked, and how a finished training becomes an MLflow run."""

import json
import logging
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from callcenterai.artifact.folder import KINDS, METADATA_FILE, RUN_FILE, kind_named, read_run_facts
from callcenterai.core.cli import UserError
from callcenterai.core.files import dvc_md5, sha256
from callcenterai.tracking.logged_model import log_model
from callcenterai.tracking.tracking_errors import short, what_to_do

ROOT = Path(__file__).resolve().parents[2]
# The tag trained_at of a run whose model folder does not say when it was trained.
UNKNOWN = "unknown"
# What MLflow accepts in one request.
METRICS_AT_ONCE = 1000


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or the database beside the repository's files."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(ROOT / 'mlflow.db').as_posix()}"


def connect(kind: str) -> str:
    """Point MLflow at the tracking store and return the id of the kind's experiment, or raise a UserError."""
    return open_experiment(experiment_name(kind))


def open_experiment(name: str) -> str:
    """Point MLflow at the tracking store and return the id of an experiment, which is made when it is not there."""
    client = make_client()
    with unreachable_is_said():
        experiment = client.get_experiment_by_name(name)
        if experiment:
            return experiment.experiment_id
        database = local_database()
        return client.create_experiment(name, (database.parent / "mlruns").as_uri() if database else None)


def experiment_name(kind: str) -> str:
    """Return the experiment of a kind of model: ours, or for tfidf, the main one, MLFLOW_EXPERIMENT_NAME."""
    chosen = os.environ.get("MLFLOW_EXPERIMENT_NAME") if kind == "tfidf" else None
    return chosen or KINDS[kind].experiment


def local_database() -> Path | None:
    """Return the file of the embedded database, or None when the tracking store is something else."""
    if not tracking_uri().startswith("sqlite:"):
        return None
    from sqlalchemy.engine import make_url

    return Path(make_url(tracking_uri()).database or "").resolve()


def make_client() -> Any:
    """Return an MlflowClient of the tracking store; its database is made or the server asked at the first call."""
    # Few retries: the default of seven with growing pauses lets a user wait minutes for "connection refused".
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Standard output is for our own results.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    with unreachable_is_said():
        import mlflow

        # Setting up a new database is not news to the user, nor that a server makes what it was asked for.
        for name in ("alembic", "mlflow.store.db.utils", "mlflow.store.model_registry.abstract_store"):
            logging.getLogger(name).setLevel(logging.WARNING)
        mlflow.set_tracking_uri(tracking_uri())
        return mlflow.MlflowClient()


@contextmanager
def unreachable_is_said() -> Iterator[None]:
    """Turn MLflow's, the database's and the network's errors into a UserError that names the tracking store."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except BrokenPipeError:
        raise  # the reader of our own output has left
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        raise UserError(what_to_do(error, tracking_uri())) from error


def log_failure(experiment_id: str, parameters: dict[str, Any], started: float, error: BaseException) -> None:
    """Leave a FAILED run (KILLED when interrupted) with the parameters and the kind of error."""
    import mlflow

    client = mlflow.MlflowClient()
    with unreachable_is_said():
        run = client.create_run(experiment_id, start_time=int(started * 1000), tags={"error": short(error)})
        for name, value in parameters.items():
            client.log_param(run.info.run_id, name, value)
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        client.set_terminated(run.info.run_id, status)


def log_training(experiment_id: str, model: Any, metadata: dict[str, Any], folders: dict[str, Path]) -> str:
    """Log a finished training as one run and return its id.

    folders: "model" and "plots" are folders, "metrics" is the metrics file. The run is created now, with the
    training's own start time, so that a training that was killed leaves no run that seems to go on for ever. Where the
    folder does not say when that was, the run starts now and its tag trained_at is "unknown".
    """
    import mlflow

    client = mlflow.MlflowClient()
    with unreachable_is_said():
        facts = read_run_facts(folders["model"])
        tags: dict[str, Any] = {name: facts.get(name) for name in ("git_commit", "git_dirty")}
        tags |= {f"dvc.{name}": entry["md5"] for name, entry in metadata["data"].items()}
        tags["trained_at"] = None if "started_at" in facts else UNKNOWN
        # The metadata vouches for every file of the model, and its own hash is kept here.
        tags["metadata_sha256"] = sha256(folders["model"] / METADATA_FILE)
        tags["model_sha256"] = next(iter(metadata["files"].values()))
        run = client.create_run(
            experiment_id,
            start_time=int(facts.get("started_at", time.time()) * 1000),
            tags={name: str(value) for name, value in tags.items() if value is not None},
            run_name=f"{kind_named(metadata['name'])}-{tags['model_sha256'][:8]}",
        )
        with mlflow.start_run(run_id=run.info.run_id):
            mlflow.log_params(metadata["parameters"])
            mlflow.log_artifact(str(folders["metrics"]), "metrics")
            for name in (METADATA_FILE, RUN_FILE) if facts else (METADATA_FILE,):
                if (folders["model"] / name).is_file():
                    mlflow.log_artifact(str(folders["model"] / name), "metadata")
            # Not the folder as a whole: a killed script may have left a temporary file in it.
            for plot in sorted(folders["plots"].glob("[!.]*")):
                mlflow.log_artifact(str(plot), "plots")
            model_id = log_model(model, _log_data(metadata), metadata, folders["model"])
            # After the model: MLflow would ask for the history of each metric that the run has by then, one by one.
            log_metrics(run.info.run_id, json.loads(folders["metrics"].read_text(encoding="utf-8")), model_id)
        return run.info.run_id


def log_metrics(run_id: str, metrics: dict[str, Any], model_id: str | None = None) -> None:
    """Log nested metrics of a run, and of its model, under dotted names, in as few requests as MLflow allows.

    Null ones are left out.
    """
    import mlflow
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    flat = [
        Metric(re.sub(r"[^\w\-. /:]", "_", name), float(value), now, 0, model_id, run_id=run_id)
        for name, value in flatten(metrics)
        if isinstance(value, int | float)
    ]
    for start in range(0, len(flat), METRICS_AT_ONCE):
        mlflow.MlflowClient().log_batch(run_id, metrics=flat[start : start + METRICS_AT_ONCE])


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, leaf) for every leaf of nested dictionaries."""
    if not isinstance(value, dict):
        yield prefix, value
        return
    for key, item in value.items():
        yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))


def _log_data(metadata: dict[str, Any]) -> list[str]:
    """Log the parts as dataset inputs whose digest is DVC's own hash; return a few texts as an example."""
    import mlflow
    import pandas as pd

    example: list[str] = []
    for name, entry in metadata["data"].items():
        path = ROOT / entry["path"]
        # A part that has changed since the training is not what the model saw.
        if not path.is_file() or dvc_md5(path) != entry["md5"]:
            continue
        frame = pd.read_csv(path, usecols=["text", "label"], keep_default_na=False)
        example = example or frame["text"].head(2).tolist()
        with warnings.catch_warnings():
            # That a path may be a local or an artifact source makes no difference to what is recorded.
            warnings.filterwarnings("ignore", message="The specified dataset source")
            data = mlflow.data.from_pandas(frame, source=entry["path"], targets="label", name=name, digest=entry["md5"])
        mlflow.log_input(data, context=name)
    return example or ["my laptop does not start"]
