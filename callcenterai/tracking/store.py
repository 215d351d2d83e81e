"""Where runs are tracked: the store's address, its client and experiments, and its errors in words users can act on."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from requests.exceptions import RequestException
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from callcenterai.artifact.folder import KINDS
from callcenterai.core.cli import UserError, one_line
from callcenterai.core.files import REPOSITORY
from callcenterai.tracking.embedded import RUN_FILES, embedded_database, prepare_database

# The folder whose commit and files the runs describe.
ROOT = REPOSITORY
LONGEST_MESSAGE = 300
# The tag trained_at of a run whose model folder does not say when it was trained.
UNKNOWN = "unknown"


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, by default the embedded database of the repository."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{embedded_database().as_posix()}"


@contextmanager
def tracking_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Use another tracking store inside the block, with the address and credentials that these variables set.

    The variables are MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME and the like; MLflow reads them at each request.
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def local_database() -> Path | None:
    """Return the file of the embedded database, or None when the tracking store is a server or another database."""
    if not tracking_uri().startswith("sqlite:"):
        return None
    return Path(make_url(tracking_uri()).database or "").resolve()


def make_client() -> mlflow.MlflowClient:
    """Return a client of the tracking store; an embedded database is made or corrected first."""
    # Creating a database, or objects on a server, is routine and needs no log lines.
    for name in ("alembic", "mlflow.store.db.utils", "mlflow.store.model_registry.abstract_store"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with translate_tracking_errors():
        if database := local_database():
            prepare_database(database)
        mlflow.set_tracking_uri(tracking_uri())
        return mlflow.MlflowClient()


def experiment_name(kind: str) -> str:
    """Return the experiment of a kind of model; MLFLOW_EXPERIMENT_NAME replaces that of tfidf, the main model."""
    chosen = os.environ.get("MLFLOW_EXPERIMENT_NAME") if kind == "tfidf" else None
    return chosen or KINDS[kind].experiment


def connect(kind: str) -> str:
    """Point MLflow at the tracking store and return the id of the kind's experiment, or raise a UserError."""
    return open_experiment(experiment_name(kind))


def open_experiment(name: str) -> str:
    """Point MLflow at the tracking store and return the id of an experiment, which is created if it does not exist."""
    client = make_client()
    with translate_tracking_errors():
        experiment = client.get_experiment_by_name(name)
        if experiment:
            return experiment.experiment_id
        database = local_database()
        return client.create_experiment(name, (database.parent / RUN_FILES).as_uri() if database else None)


@contextmanager
def translate_tracking_errors() -> Iterator[None]:
    """Turn errors of MLflow, the database and the network into a UserError that names the tracking store."""
    try:
        yield
    except BrokenPipeError:
        raise  # not the store's: the reader of our own output has left
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        raise UserError(explain_failure(error, tracking_uri())) from error


def explain_failure(error: BaseException, uri: str) -> str:
    """Return what is wrong with the tracking store and what to do about it."""
    store, status = without_credentials(uri), _http_status(error)
    if status == 401:
        user = _user_name(uri)
        trouble = f"does not accept this password for {user}" if user else "requires a login"
        return (
            f"{store} {trouble}: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; an administrator creates "
            "both with `python scripts/mlflow_users.py add NAME`"
        )
    if status == 403 and "Host header" in str(error):
        return (
            f"{store} does not answer to this host name: use another address, or add the name to MLFLOW_ALLOWED_HOSTS "
            "in .env of the stack, or to `mlflow server --allowed-hosts`"
        )
    if status == 403:
        return (
            f"{store} does not allow {_user_name(uri) or 'this user'} to do this: an administrator grants the right to "
            "train and promote with `python scripts/mlflow_users.py add NAME`"
        )
    return (
        f"cannot use the MLflow tracking store {store} ({shorten(error)}): start the server, or unset "
        "MLFLOW_TRACKING_URI to use mlflow.db"
    )


def shorten(error: BaseException | str) -> str:
    """Return an error's message on one line of limited length."""
    text = one_line(str(error)) or type(error).__name__
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "..."


def without_credentials(uri: str) -> str:
    """Return an address without its user name and password."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if "@" in rest else uri


def _user_name(uri: str) -> str | None:
    return get_default_host_creds(uri).username


def _http_status(error: BaseException) -> int | None:
    """Return the HTTP status of a server's refusal, whether the client or a file transfer received it."""
    if isinstance(error, MlflowException):
        return error.get_http_status_code()
    return getattr(getattr(error, "response", None), "status_code", None)
