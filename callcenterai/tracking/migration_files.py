"""The files of an MLflow database: where its rows record them, and where a server with proxied artifacts keeps them.

Such a server keeps a run's files under EXPERIMENT/RUN/artifacts, a logged model's under
EXPERIMENT/models/MODEL/artifacts and a trace's under EXPERIMENT/traces/TRACE/artifacts. Its login decides by the
experiment's number who may read them.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sqlalchemy import Select, TableClause, column, select, text

from callcenterai.core.cli import UserError
from callcenterai.core.files import sha256
from callcenterai.tracking.store import shorten

PROXIED_SCHEME = "mlflow-artifacts:/"
TRACE_TAG = "mlflow.artifactLocation"
# Tables with a column that records where files are: that column, and the column of the row's id.
LOCATION_COLUMNS = {
    "experiments": ("artifact_location", "experiment_id"),
    "runs": ("artifact_uri", "run_uuid"),
    "logged_models": ("artifact_location", "model_id"),
}


class Location(NamedTuple):
    """Where one row's files are: as recorded, the folder here (None if on another system), and the path to copy to."""

    table: str
    id: str
    recorded: str
    folder: Path | None
    path: str

    def has_files(self) -> bool:
        """Whether there are files to copy; those of an experiment belong to its runs and models."""
        return self.table != "experiments" and self.folder is not None and self.folder.is_dir()


class RecordedPlaces(NamedTuple):
    """How a recorded place becomes a folder here.

    proxied: the folder with the files of a server that ran on the source. moved: files recorded below the first path
    are now below the second.
    """

    proxied: Path
    moved: tuple[str, str] | None

    def folder(self, recorded: str) -> Path | None:
        """Return the folder, whether it exists or not, or None for a place that is not on this machine."""
        address = urlsplit(recorded)
        if recorded.startswith(PROXIED_SCHEME):
            return self.proxied / unquote(address.path).strip("/")
        # A scheme of one letter is a Windows drive.
        if address.scheme not in ("", "file") and len(address.scheme) > 1:
            return None
        path = unquote(address.path) if address.scheme == "file" else recorded
        if self.moved and f"{path}/".startswith(f"{self.moved[0].rstrip('/')}/"):
            return Path(self.moved[1]) / path[len(self.moved[0]) :].lstrip("/")
        # The path of file:///C:/folder begins with a slash that must go.
        return Path(path[1:] if path[2:3] == ":" else path)


def find_locations(old: Any, recorded: RecordedPlaces) -> list[Location]:
    """Return the locations of all experiments, runs, logged models and traces."""
    found = []
    for table, row_id, experiment, place in _read_recorded(old):
        parent = {"runs": "", "logged_models": "models/", "traces": "traces/"}.get(table)
        path = str(experiment) if parent is None else f"{experiment}/{parent}{row_id}/artifacts"
        found.append(Location(table, str(row_id), place, recorded.folder(place), path))
    return found


def _read_recorded(old: Any) -> Iterator[tuple[str, Any, Any, str]]:
    for table, (location, row_id) in LOCATION_COLUMNS.items():
        names = (row_id, "experiment_id", location)
        wanted: Select = select(*(column(name) for name in names)).select_from(TableClause(table))
        for row in old.execute(wanted.where(column(location).is_not(None))):
            yield (table, *row)
    query = (
        "SELECT request_id, experiment_id, value FROM trace_tags JOIN trace_info USING (request_id) WHERE key = :key"
    )
    for row in old.execute(text(query), {"key": TRACE_TAG}):
        yield ("traces", *row)


def find_missing_models(old: Any, locations: list[Location], recorded: RecordedPlaces) -> list[str]:
    """Return the registered versions and the undeleted models whose files should be on this machine and are not."""
    missing = []
    query = "SELECT name, version, COALESCE(storage_location, source) FROM model_versions WHERE status = 'READY'"
    for name, version, place in old.execute(text(query)):
        owner, folder = find_owner(place, locations), recorded.folder(place)
        # A run that was deleted for good may have left files, but without its row the server has no path for them.
        if folder is not None and (owner is None or not owner.has_files()):
            missing.append(f"version {version} of {name} ({place})")
    query = "SELECT model_id FROM logged_models WHERE lifecycle_stage = 'active'"
    active = {row[0] for row in old.execute(text(query))}
    for each in locations:
        if each.table == "logged_models" and each.id in active and each.folder is not None and not each.has_files():
            missing.append(f"model {each.id} ({each.recorded})")
    return missing


def find_owner(place: str | None, locations: list[Location]) -> Location | None:
    """Return the run, model or trace whose files include a recorded place."""
    for each in locations:
        if each.table != "experiments" and place and f"{place}/".startswith(f"{each.recorded.rstrip('/')}/"):
            return each
    return None


class LocationRewriter:
    """Replaces the source's file locations in a row by those of the server; files on other systems keep theirs."""

    def __init__(self, locations: list[Location]) -> None:
        """Keep the locations whose files move."""
        self._locations = [each for each in locations if each.folder is not None]
        self._new = {(each.table, each.id): PROXIED_SCHEME + each.path for each in self._locations}

    def __call__(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row as the target has it."""
        if table in LOCATION_COLUMNS:
            column, row_id = LOCATION_COLUMNS[table]
            row[column] = self._new.get((table, str(row[row_id])), row[column])
        elif table == "trace_tags" and row["key"] == TRACE_TAG:
            row["value"] = self._new.get(("traces", row["request_id"]), row["value"])
        elif table == "model_versions":
            for column in ("source", "storage_location"):
                if owner := find_owner(row[column], self._locations):
                    row[column] = PROXIED_SCHEME + owner.path + row[column][len(owner.recorded.rstrip("/")) :]
        return row


def copy_files(locations: list[Location], destination: str) -> tuple[int, int]:
    """Copy every file to the server's place and compare its SHA-256; return the number of files and of bytes.

    Files that an earlier, failed attempt copied are written again.
    """
    address = destination if "://" in destination else Path(destination).resolve().as_uri()
    with translate_transfer_errors(destination):
        repository = get_artifact_repository(address)
    count = size = 0
    for each in locations:
        if each.folder is None or not each.has_files():
            continue
        with translate_transfer_errors(destination):
            repository.log_artifacts(str(each.folder), each.path)
        for file in sorted(path for path in each.folder.rglob("*") if path.is_file()):
            with translate_transfer_errors(destination):
                arrived = _is_same_file(file, repository, f"{each.path}/{file.relative_to(each.folder).as_posix()}")
            if not arrived:
                raise UserError(f"{file} differs from its copy in {destination}; try again")
            count, size = count + 1, size + file.stat().st_size
    return count, size


@contextmanager
def translate_transfer_errors(destination: str) -> Iterator[None]:
    """Turn any error of the server's place for files into a UserError."""
    try:
        yield
    except Exception as error:
        # Every kind of storage has its own library, with its own exceptions.
        raise UserError(f"files cannot be kept in {destination}: {shorten(error)}") from error


def _is_same_file(file: Path, repository: Any, name: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return sha256(file) == sha256(Path(repository.download_artifacts(name, folder)))
