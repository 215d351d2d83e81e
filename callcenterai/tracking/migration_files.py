"""The files of an MLflow database: where its rows say they are, and where a server that keeps them looks for them.

A server with proxied artefacts has those of a run under EXPERIMENT/RUN/artifacts, those of a logged model under
EXPERIMENT/models/MODEL/artifacts and those of a trace under EXPERIMENT/traces/TRACE/artifacts; its login decides by the
experiment's number who may read them.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from callcenterai.core.cli import UserError
from callcenterai.core.files import sha256
from callcenterai.tracking.tracking_errors import short

SERVED = "mlflow-artifacts:/"
TRACE_TAG = "mlflow.artifactLocation"
# Tables whose rows name a place of their own: the column, and that of the row's id.
COLUMNS = {
    "experiments": ("artifact_location", "experiment_id"),
    "runs": ("artifact_uri", "run_uuid"),
    "logged_models": ("artifact_location", "model_id"),
}


class Place(NamedTuple):
    """Where the files of a row are recorded, the folder here, None when they are elsewhere, and where they go."""

    table: str
    id: str
    recorded: str
    folder: Path | None
    path: str

    def is_there(self) -> bool:
        """Whether there are files; those of an experiment are those of its runs and models."""
        return self.table != "experiments" and self.folder is not None and self.folder.is_dir()


class Recorded(NamedTuple):
    """What leads from a recorded place to a folder here."""

    proxied: Path
    moved: tuple[str, str] | None

    def folder(self, location: str) -> Path | None:
        """Return the folder, whether it is there or not; None for a place that is none of this machine's."""
        found = urlsplit(location)
        if location.startswith(SERVED):
            return self.proxied / unquote(found.path).strip("/")
        # A letter alone is a drive of Windows.
        if found.scheme not in ("", "file") and len(found.scheme) > 1:
            return None
        path = unquote(found.path) if found.scheme == "file" else location
        if self.moved and path.startswith(self.moved[0]):
            return Path(self.moved[1] + path.removeprefix(self.moved[0]))
        # file:///C:/folder is a path without the slash before its drive.
        return Path(path[1:] if path[2:3] == ":" else path)


def find_places(old: Any, recorded: Recorded) -> list[Place]:
    """Return the places of all experiments, runs, logged models and traces."""
    found = []
    for table, row_id, experiment, location in _recorded(old):
        kind = {"runs": "", "logged_models": "models/", "traces": "traces/"}.get(table)
        path = str(experiment) if kind is None else f"{experiment}/{kind}{row_id}/artifacts"
        found.append(Place(table, str(row_id), location, recorded.folder(location), path))
    return found


def _recorded(old: Any) -> Iterator[tuple[str, Any, Any, str]]:
    from sqlalchemy import text

    for table, (column, row_id) in COLUMNS.items():
        # Names from COLUMNS above alone, which no parameter could stand for; nothing that a user gives.
        query = f"SELECT {row_id}, experiment_id, {column} FROM {table} WHERE {column} IS NOT NULL"  # nosec B608
        for row in old.execute(text(query)):
            yield (table, *row)
    query = (
        "SELECT request_id, experiment_id, value FROM trace_tags JOIN trace_info USING (request_id) WHERE key = :key"
    )
    for row in old.execute(text(query), {"key": TRACE_TAG}):
        yield ("traces", *row)


def missing_models(old: Any, places: list[Place], recorded: Recorded) -> list[str]:
    """Return the registered versions, and the models that are not deleted, whose files should be here and are not."""
    from sqlalchemy import text

    missing = []
    query = "SELECT name, version, COALESCE(storage_location, source) FROM model_versions WHERE status = 'READY'"
    for name, version, location in old.execute(text(query)):
        owner, folder = owner_of(location, places), recorded.folder(location)
        # Of a run that was removed for good, files may be left, but no place on the server would be theirs.
        if folder is not None and (owner is None or not owner.is_there()):
            missing.append(f"version {version} of {name} ({location})")
    active = {
        row[0] for row in old.execute(text("SELECT model_id FROM logged_models WHERE lifecycle_stage = 'active'"))
    }
    for place in places:
        if place.table == "logged_models" and place.id in active and place.folder is not None and not place.is_there():
            missing.append(f"model {place.id} ({place.recorded})")
    return missing


def owner_of(location: str | None, places: list[Place]) -> Place | None:
    """Return the run or model below whose place a location is."""
    for place in places:
        if place.table != "experiments" and location and f"{location}/".startswith(f"{place.recorded.rstrip('/')}/"):
            return place
    return None


class Rewriting:
    """What is written in a row of the target in place of a place of the source."""

    def __init__(self, places: list[Place]) -> None:
        """Places that are elsewhere stay as they are."""
        self._places = [place for place in places if place.folder is not None]
        self._new = {(place.table, place.id): SERVED + place.path for place in self._places}

    def __call__(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row as it is in the target."""
        if table in COLUMNS:
            column, row_id = COLUMNS[table]
            row[column] = self._new.get((table, str(row[row_id])), row[column])
        elif table == "trace_tags" and row["key"] == TRACE_TAG:
            row["value"] = self._new.get(("traces", row["request_id"]), row["value"])
        elif table == "model_versions":
            for column in ("source", "storage_location"):
                if owner := owner_of(row[column], self._places):
                    row[column] = SERVED + owner.path + row[column][len(owner.recorded.rstrip("/")) :]
        return row


def copy(places: list[Place], destination: str) -> tuple[int, int]:
    """Copy every file to the server's place and compare the SHA-256; return how many there are, and their bytes.

    What an attempt before has left there is written again.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    address = destination if "://" in destination else Path(destination).resolve().as_uri()
    with transfer_errors(destination):
        store = get_artifact_repository(address)
    files = size = 0
    for place in places:
        if place.is_there():
            with transfer_errors(destination):
                store.log_artifacts(str(place.folder), place.path)
            for path in sorted(path for path in place.folder.rglob("*") if path.is_file()):
                with transfer_errors(destination):
                    arrived = same(path, store, f"{place.path}/{path.relative_to(place.folder).as_posix()}")
                if not arrived:
                    raise UserError(f"{path} arrived in {destination} as another file; try again")
                files, size = files + 1, size + path.stat().st_size
    return files, size


@contextmanager
def transfer_errors(destination: str) -> Iterator[None]:
    """Turn what a place for files refuses into a UserError."""
    try:
        yield
    except Exception as error:
        # Each kind of place has a library of its own, with errors of its own.
        raise UserError(f"files cannot be kept in {destination}: {short(error)}") from error


def same(path: Path, store: Any, name: str) -> bool:
    """Whether the server's place has a file as it is here."""
    with tempfile.TemporaryDirectory() as folder:
        return sha256(path) == sha256(Path(store.download_artifacts(name, folder)))
