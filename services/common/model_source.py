"""Where a service's model comes from: the registry's Production, on a server or as a local copy, or a bare folder.

All hashes are checked.
"""

import hashlib
import json
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx

from services.common.settings import ModelSettings

METADATA_FILE = "metadata.json"
RUN_FILE = "run.json"
# callcenterai/registry/production_folder.py writes and documents it.
CURRENT_FILE = "current.json"
URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")
STAGES = {"production": "Production", "staging": "Staging"}
TIMEOUT_SECONDS = 10.0
# Returns the names of the files that a service reads, given the model's metadata.
SelectFiles = Callable[[dict[str, Any]], tuple[str, ...]]


class SourceError(Exception):
    """The source has no usable model now; the message says why. A later attempt may succeed."""


@dataclass(frozen=True)
class ModelArtifact:
    """A model as the source has it: metadata, files by name, and the registry's version and stage.

    A bare folder has neither: no gate has checked its model. trained is when its training began, None if the source
    does not say.
    """

    metadata: dict[str, Any]
    files: dict[str, bytes]
    version: str | None = None
    stage: str | None = None
    trained: datetime | None = None


class ModelSource(Protocol):
    """A place with one current model."""

    def current(self) -> Hashable:
        """Return a value that changes whenever the model does. It must be cheap: it is called every few seconds."""

    def load(self, current: Any) -> ModelArtifact:
        """Return the model for which current() returned this value; a SourceError when it is incomplete."""


def make_source(settings: ModelSettings, wanted: SelectFiles) -> ModelSource:
    """Return the source that the settings name, for the wanted files.

    Raises a ValueError when the settings are wrong, or name nothing and no version is in Production.
    """
    if settings.model_uri is None:
        if settings.model_dir is not None:
            return FolderSource(settings.model_dir, wanted)
        if settings.has_server:
            raise ValueError(
                "MLFLOW_TRACKING_URI names a server: say what to serve from it, with MODEL_URI=models:/NAME@production"
            )
        place = folder_with_registry() / settings.production_dir
        if not (place / CURRENT_FILE).is_file():
            raise ValueError(_nothing_promoted(place))
        return ProductionSource(place, wanted)
    match = URI.fullmatch(settings.model_uri)
    if match is None:
        raise ValueError(f"MODEL_URI={settings.model_uri} is neither models:/NAME@ALIAS nor models:/NAME/VERSION")
    if not settings.has_server:
        raise ValueError("MODEL_URI needs MLFLOW_TRACKING_URI=http://..., the address of an `mlflow server`")
    return RegistrySource(settings, match["name"], match["alias"], match["version"], wanted)


def folder_with_registry() -> Path:
    """Return the folder whose models/production is used: in one that `git worktree add` made, that of the main one.

    There, `.git` is a file that names MAIN/.git/worktrees/NAME (git-worktree(1), "Details"). Without git's help, which
    callcenterai/core/git.py has, since the images hold neither.
    """
    pointer = Path(".git")
    if pointer.is_file():
        entry = Path(pointer.read_text(encoding="utf-8").removeprefix("gitdir:").strip())
        if entry.parts[-3:-1] == (".git", "worktrees"):
            return entry.parents[2]
    return Path()


def _nothing_promoted(place: Path) -> str:
    option = "" if place.name == "tfidf" else f" --model {place.name}"
    command = f"python scripts/mlflow_registry.py{option}"
    return (
        f"nothing is in Production ({place / CURRENT_FILE}: no such file): promote a trained model with `{command} "
        f"register`, `staging` and `production`; or set MODEL_URI and MLFLOW_TRACKING_URI to serve from a server, or "
        f"MODEL_DIR=models/{place.name} to serve a model that was not promoted"
    )


class FolderSource:
    """A folder written by training or by `mlflow_registry.py export`; both write the metadata last."""

    def __init__(self, folder: Path, wanted: SelectFiles) -> None:
        """Reads nothing yet."""
        self._folder, self._wanted = folder, wanted

    def current(self) -> Hashable:
        """Return the identity of the metadata file: time, inode and size."""
        try:
            found = (self._folder / METADATA_FILE).stat()
        except OSError as error:
            raise SourceError(f"{self._folder} holds no model ({METADATA_FILE}: {error.strerror})") from None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def load(self, current: Any) -> ModelArtifact:
        """Read the files and check their hashes."""
        return _read_model_folder(self._folder, self._wanted)


class ProductionSource:
    """The copy of the version in Production that the registry's commands keep beside the embedded database."""

    def __init__(self, folder: Path, wanted: SelectFiles) -> None:
        """Reads nothing yet."""
        self._folder, self._wanted = folder, wanted

    def current(self) -> Hashable:
        """Return the version's number, its metadata's hash, its stage and the folder that has it."""
        path = self._folder / CURRENT_FILE
        try:
            found = json.loads(path.read_bytes())
            folder = found["folder"]
            if Path(folder).name != folder:
                raise ValueError("the folder lies elsewhere")
            return str(found["version"]), found["metadata_sha256"], found["stage"], folder
        except OSError as error:
            raise SourceError(f"nothing is in Production ({path}: {error.strerror})") from None
        except (ValueError, KeyError, TypeError):
            raise SourceError(
                f"{path} is not what `mlflow_registry.py` writes; `mlflow_registry.py list` mends it"
            ) from None

    def load(self, current: Any) -> ModelArtifact:
        """Read the files; check the metadata against the recorded hash, and the files against the metadata's."""
        version, recorded, stage, folder = current
        found = _read_model_folder(self._folder / folder, self._wanted, recorded)
        return replace(found, version=version, stage=stage)


class RegistrySource:
    """A version in an MLflow registry, read over its REST API, because MLflow's client would double the image."""

    def __init__(
        self, settings: ModelSettings, name: str, alias: str | None, version: str | None, wanted: SelectFiles
    ) -> None:
        """Asks nothing yet."""
        self._name, self._alias, self._version, self._wanted = name, alias, version, wanted
        self._client = httpx.Client(**settings.access(), timeout=TIMEOUT_SECONDS)

    def current(self) -> Hashable:
        """Return the version's number, its metadata's hash that the registry holds, its stage and its training time."""
        if self._alias:
            path, query = "registered-models/alias", {"name": self._name, "alias": self._alias}
        else:
            path, query = "model-versions/get", {"name": self._name, "version": self._version or ""}
        try:
            found = self._get(f"/api/2.0/mlflow/{path}", query).json()["model_version"]
            tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
            # A promotion moves the alias first and the tag after it: read from the alias, it is one change and not two.
            stage = STAGES.get(self._alias) if self._alias else tags.get("stage")
            return str(found["version"]), tags.get("metadata_sha256", ""), stage, tags.get("trained_at", "")
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"the registry gives no usable answer ({type(error).__name__})") from None

    def load(self, current: Any) -> ModelArtifact:
        """Download the model; check the metadata against the registry's hash, and the files against the metadata's."""
        version, recorded, stage, trained_at = current
        metadata = self._file(version, METADATA_FILE)
        if hashlib.sha256(metadata).hexdigest() != recorded:
            raise SourceError(f"{METADATA_FILE} of version {version} is not the file whose SHA-256 the registry has")
        parsed = _parse(metadata)
        files = {name: self._file(version, name) for name in self._wanted(parsed)}
        _check(parsed, files)
        trained = datetime.fromisoformat(trained_at) if trained_at else None
        return ModelArtifact(parsed, files, version, stage, trained)

    def _file(self, version: str, name: str) -> bytes:
        return self._get("/model-versions/get-artifact", {"name": self._name, "version": version, "path": name}).content

    def _get(self, path: str, query: dict[str, Any]) -> httpx.Response:
        try:
            answer = self._client.get(path, params=query)
        except httpx.HTTPError as error:
            raise SourceError(f"the registry does not answer ({type(error).__name__})") from None
        if answer.status_code != 200:
            what = f"{self._name}@{self._alias}" if self._alias else self._name
            raise SourceError(f"the registry answers {answer.status_code} when asked for {what}")
        return answer


def _read_model_folder(folder: Path, wanted: SelectFiles, recorded: str | None = None) -> ModelArtifact:
    """Read a model folder's files and check their hashes, and that of the metadata if one is recorded elsewhere."""
    try:
        content = (folder / METADATA_FILE).read_bytes()
        if recorded is not None and hashlib.sha256(content).hexdigest() != recorded:
            raise SourceError(f"{folder / METADATA_FILE} is not the file whose SHA-256 the registry has")
        metadata = _parse(content)
        files = {name: (folder / name).read_bytes() for name in wanted(metadata)}
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from None
    _check(metadata, files)
    return ModelArtifact(metadata, files, trained=_when_trained(folder, content, metadata))


def _when_trained(folder: Path, content: bytes, metadata: dict[str, Any]) -> datetime | None:
    # run.json is no part of the model: it may be missing, or belong to the metadata of another training. Until December
    # 2026 metadata.json itself had the time.
    started = metadata.get("started_at")
    try:
        facts = json.loads((folder / RUN_FILE).read_bytes())
        if facts["metadata_sha256"] == hashlib.sha256(content).hexdigest():
            started = facts["started_at"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None if started is None else datetime.fromtimestamp(started, UTC)


def _parse(content: bytes) -> dict[str, Any]:
    wrong = SourceError(f"{METADATA_FILE} is not what training writes")
    try:
        metadata = json.loads(content)
        files = metadata["files"]
    except (ValueError, KeyError, TypeError):
        raise wrong from None
    if not isinstance(files, dict):
        raise wrong
    return metadata


def _check(metadata: dict[str, Any], files: dict[str, bytes]) -> None:
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != metadata["files"].get(name):
            raise SourceError(f"{name} is not the file that {METADATA_FILE} vouches for")
