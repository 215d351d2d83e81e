"""Where a service's model comes from: a folder, or a version in the MLflow registry. Every file's hash is checked."""

import hashlib
import json
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx

from services.common.settings import ModelSettings

METADATA_FILE = "metadata.json"
RUN_FILE = "run.json"
URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")
STAGES = {"production": "Production", "staging": "Staging"}
TIMEOUT_SECONDS = 10.0
# Which files of a model a service reads, by its metadata.
FilesOf = Callable[[dict[str, Any]], tuple[str, ...]]


class SourceError(Exception):
    """There is no usable model now; the message says why, and it may be otherwise at the next attempt."""


@dataclass(frozen=True)
class ModelFiles:
    """A model as its source has it: what vouches for it, its files by name, and what the registry calls it.

    trained is when its training began, None when the source does not say.
    """

    metadata: dict[str, Any]
    files: dict[str, bytes]
    version: str | None = None
    stage: str | None = None
    trained: datetime | None = None


class Source(Protocol):
    """A place that has one current model."""

    def current(self) -> Hashable:
        """Return what changes when the model does; cheap, since it is asked every few seconds."""

    def load(self, current: Any) -> ModelFiles:
        """Return the model that current() named; a SourceError when it is not whole."""


def make_source(settings: ModelSettings, wanted: FilesOf) -> Source:
    """Return the source that the settings name, of which the wanted files are read; a ValueError when it cannot be."""
    if settings.model_uri is None:
        return FolderSource(settings.model_dir, wanted)
    match = URI.fullmatch(settings.model_uri)
    if match is None:
        raise ValueError(f"MODEL_URI={settings.model_uri} is neither models:/NAME@ALIAS nor models:/NAME/VERSION")
    if not settings.has_server:
        raise ValueError("MODEL_URI needs MLFLOW_TRACKING_URI=http://..., the address of an `mlflow server`")
    return RegistrySource(settings, match["name"], match["alias"], match["version"], wanted)


class FolderSource:
    """A folder that training or `mlflow_registry.py export` writes, its metadata last."""

    def __init__(self, folder: Path, wanted: FilesOf) -> None:
        """Nothing is read yet."""
        self._folder, self._wanted = folder, wanted

    def current(self) -> Hashable:
        """Return which metadata file is there."""
        try:
            found = (self._folder / METADATA_FILE).stat()
        except OSError as error:
            raise SourceError(f"{self._folder} holds no model ({METADATA_FILE}: {error.strerror})") from None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def load(self, current: Any) -> ModelFiles:
        """Read the files and check their hashes."""
        try:
            content = (self._folder / METADATA_FILE).read_bytes()
            metadata = _parse(content)
            files = {name: (self._folder / name).read_bytes() for name in self._wanted(metadata)}
        except OSError as error:
            raise SourceError(f"{error.filename}: {error.strerror}") from None
        _check(metadata, files)
        return ModelFiles(metadata, files, trained=self._trained(content, metadata))

    def _trained(self, content: bytes, metadata: dict[str, Any]) -> datetime | None:
        # run.json is no part of the model: it may be missing, or belong to the metadata of another training. Until
        # December 2026 metadata.json itself had the time.
        started = metadata.get("started_at")
        try:
            facts = json.loads((self._folder / RUN_FILE).read_bytes())
            if facts["metadata_sha256"] == hashlib.sha256(content).hexdigest():
                started = facts["started_at"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None if started is None else datetime.fromtimestamp(started, UTC)


class RegistrySource:
    """A version in an MLflow registry, through MLflow's REST API: its client would double the image."""

    def __init__(
        self, settings: ModelSettings, name: str, alias: str | None, version: str | None, wanted: FilesOf
    ) -> None:
        """Nothing is asked yet."""
        self._name, self._alias, self._version, self._wanted = name, alias, version, wanted
        self._client = httpx.Client(**settings.access(), timeout=TIMEOUT_SECONDS)

    def current(self) -> Hashable:
        """Return the version's number, the hash that the registry has of its metadata, stage, and time of training."""
        if self._alias:
            path, asked = "registered-models/alias", {"name": self._name, "alias": self._alias}
        else:
            path, asked = "model-versions/get", {"name": self._name, "version": self._version}
        try:
            found = self._get(f"/api/2.0/mlflow/{path}", asked).json()["model_version"]
            tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
            # The alias is moved first and the tag follows: that is one promotion, not two.
            stage = STAGES.get(self._alias) if self._alias else tags.get("stage")
            return str(found["version"]), tags.get("metadata_sha256", ""), stage, tags.get("trained_at", "")
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"the registry gives no usable answer ({type(error).__name__})") from None

    def load(self, current: Any) -> ModelFiles:
        """Download the metadata, check it against the registry's hash, and the files against the metadata's."""
        version, recorded, stage, trained_at = current
        metadata = self._file(version, METADATA_FILE)
        if hashlib.sha256(metadata).hexdigest() != recorded:
            raise SourceError(f"{METADATA_FILE} of version {version} is not the file whose SHA-256 the registry has")
        parsed = _parse(metadata)
        files = {name: self._file(version, name) for name in self._wanted(parsed)}
        _check(parsed, files)
        return ModelFiles(parsed, files, version, stage, datetime.fromisoformat(trained_at) if trained_at else None)

    def _file(self, version: str, name: str) -> bytes:
        return self._get("/model-versions/get-artifact", {"name": self._name, "version": version, "path": name}).content

    def _get(self, path: str, asked: dict[str, Any]) -> httpx.Response:
        try:
            answer = self._client.get(path, params=asked)
        except httpx.HTTPError as error:
            raise SourceError(f"the registry does not answer ({type(error).__name__})") from None
        if answer.status_code != 200:
            what = f"{self._name}@{self._alias}" if self._alias else self._name
            raise SourceError(f"the registry answers {answer.status_code} when asked for {what}")
        return answer


def _parse(content: bytes) -> dict[str, Any]:
    try:
        metadata = json.loads(content)
        return metadata if isinstance(metadata["files"], dict) else {"files": {}}
    except (ValueError, KeyError, TypeError):
        raise SourceError(f"{METADATA_FILE} is not what training writes") from None


def _check(metadata: dict[str, Any], files: dict[str, bytes]) -> None:
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != metadata["files"].get(name):
            raise SourceError(f"{name} is not the file that {METADATA_FILE} vouches for")
