"""Reads stages, metrics and history from an MLflow server over its REST API: MLflow's client would double the image.

The aliases say which versions are in Production and Staging; the tags history.000001, ... are the moves, each a JSON
record. callcenterai/registry/store.py writes and documents both.
"""

import asyncio
import csv
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from services.common.model_source import STAGES
from services.web.settings import WebSettings

TIMEOUT_SECONDS = 5.0
HISTORY_TAG = "history."
CONFUSION_FILE = "plots/confusion.csv"
# callcenterai/tracking/runs.py logs it there.
REPORT_FOLDER, REPORT_FILE = "report", "report/model_report.html"
# The confusion file has a row for each test ticket.
MAX_BYTES = 20_000_000
MAX_CACHED_RUNS = 32
FIGURES = ("accuracy", "macro_f1")


class RegistryError(Exception):
    """The registry cannot be read. Kind is a key under `registry` in the catalogues."""

    def __init__(self, kind: str) -> None:
        """Takes the kind only; the catalogues explain it."""
        super().__init__(kind)
        self.kind = kind


class Figure(NamedTuple):
    """A metric on test, and its 95% interval if training has logged one."""

    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Confusion:
    """How often a ticket of each category (row) was predicted as which one (column)."""

    labels: list[str]
    rows: list[list[int]]

    def mistakes(self, most: int = 5) -> list[tuple[int, str, str]]:
        """Return the most frequent mistakes: count, actual category, predicted category."""
        found = [
            (count, self.labels[row], self.labels[column])
            for row, counts in enumerate(self.rows)
            for column, count in enumerate(counts)
            if row != column and count
        ]
        return sorted(found, key=lambda mistake: -mistake[0])[:most]


@dataclass(frozen=True)
class TrainingRun:
    """The metrics and the confusion matrix that training has logged, and whether there is a report on the model."""

    figures: list[Figure]
    confusion: Confusion | None
    has_report: bool


@dataclass(frozen=True)
class StagedVersion:
    """The version that is in a stage."""

    stage: str
    version: str
    trained_at: str
    commit: str
    run: TrainingRun | None


class StageMove(NamedTuple):
    """A move of a version from one stage to another."""

    at: str
    by: str
    action: str
    version: int
    origin: str
    target: str
    reason: str
    refused_by: list[str]


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model: the versions in its stages, and the history of moves, the latest first."""

    name: str
    staged: list[StagedVersion] = field(default_factory=list)
    history: list[StageMove] = field(default_factory=list)


class RegistryReader:
    """Reads from the server that MLFLOW_TRACKING_URI names."""

    def __init__(self, settings: WebSettings) -> None:
        """Asks nothing yet."""
        self._names = settings.registered_models
        self._runs: dict[str, TrainingRun] = {}
        self._client: httpx.AsyncClient | None = None
        if settings.has_server:
            self._client = httpx.AsyncClient(**settings.access(), timeout=TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.aclose()

    async def models(self) -> list[RegisteredModel]:
        """Return the registered models; a RegistryError when the registry cannot be read."""
        if self._client is None:
            raise RegistryError("unset")
        try:
            found = await asyncio.gather(*(self._model(name) for name in self._names))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RegistryError("broken") from None
        return [model for model in found if model]

    async def report(self, name: str, version: str) -> bytes | None:
        """Return the report of a version as HTML, None if there is none; a RegistryError as models raises it."""
        if self._client is None:
            raise RegistryError("unset")
        if name not in self._names:
            return None
        try:
            found = await self._json("model-versions/get", name=name, version=version)
            return await self._artifact(found["model_version"]["run_id"], REPORT_FILE) if found else None
        except (ValueError, KeyError, TypeError):
            raise RegistryError("broken") from None

    async def _model(self, name: str) -> RegisteredModel | None:
        found = await self._json("registered-models/get", name=name)
        if found is None:
            return None
        model = found["registered_model"]
        aliases = {entry["alias"]: str(entry["version"]) for entry in model.get("aliases", [])}
        stages = {stage: aliases[alias] for alias, stage in STAGES.items() if alias in aliases}
        staged = [await self._staged_version(name, stage, version) for stage, version in stages.items()]
        return RegisteredModel(name, staged, _history(_by_key(model.get("tags", []))))

    async def _staged_version(self, name: str, stage: str, version: str) -> StagedVersion:
        found = await self._json("model-versions/get", name=name, version=version)
        if found is None:
            raise RegistryError("broken")
        tags = _by_key(found["model_version"].get("tags", []))
        run = await self._run(found["model_version"].get("run_id", ""))
        return StagedVersion(stage, version, tags.get("trained_at", ""), tags.get("git_commit", ""), run)

    async def _run(self, run_id: str) -> TrainingRun | None:
        """Return what a run has logged, from a cache, since it never changes; None when the run was deleted."""
        if run_id not in self._runs:
            found = await self._json("runs/get", run_id=run_id) if run_id else None
            if found is None:
                return None
            metrics = {entry["key"]: float(entry["value"]) for entry in found["run"]["data"].get("metrics", [])}
            content = await self._artifact(run_id, CONFUSION_FILE)
            if len(self._runs) >= MAX_CACHED_RUNS:
                self._runs.pop(next(iter(self._runs)))
            confusion = _confusion(content) if content else None
            self._runs[run_id] = TrainingRun(_figures(metrics), confusion, await self._has_report(run_id))
        return self._runs[run_id]

    async def _has_report(self, run_id: str) -> bool:
        found = await self._json("artifacts/list", run_id=run_id, path=REPORT_FOLDER)
        return any(each["path"] == REPORT_FILE for each in (found or {}).get("files", []))

    async def _json(self, path: str, /, **asked: str) -> Any:
        """Return an answer of the REST API, or None when it is 404."""
        answer = await self._get(f"/api/2.0/mlflow/{path}", asked)
        return answer and json.loads(answer)

    async def _artifact(self, run_id: str, path: str) -> bytes | None:
        return await self._get("/get-artifact", {"run_uuid": run_id, "path": path})

    async def _get(self, path: str, asked: dict[str, str]) -> bytes | None:
        if self._client is None:
            raise RegistryError("unset")
        try:
            async with self._client.stream("GET", path, params=asked) as answer:
                if answer.status_code == 404:
                    return None
                if answer.status_code in (401, 403):
                    raise RegistryError("key")
                if answer.status_code != 200:
                    raise RegistryError("broken")
                content = b""
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > MAX_BYTES:
                        raise RegistryError("broken")
                return content
        except httpx.TimeoutException:
            raise RegistryError("slow") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise RegistryError("down") from None


def _by_key(entries: list[dict[str, str]]) -> dict[str, str]:
    return {entry["key"]: entry.get("value", "") for entry in entries}


def _figures(metrics: dict[str, float]) -> list[Figure]:
    return [
        Figure(name, metrics[f"test.{name}"], *(metrics.get(f"test.{name}_ci95.{end}") for end in ("low", "high")))
        for name in FIGURES
        if f"test.{name}" in metrics
    ]


def _confusion(content: bytes) -> Confusion:
    pairs = Counter((row["actual"], row["predicted"]) for row in csv.DictReader(io.StringIO(content.decode())))
    labels = sorted({label for pair in pairs for label in pair})
    return Confusion(labels, [[pairs[actual, predicted] for predicted in labels] for actual in labels])


def _history(tags: dict[str, str]) -> list[StageMove]:
    moves = []
    for key in sorted((key for key in tags if key.startswith(HISTORY_TAG)), reverse=True):
        change = json.loads(tags[key])
        first = change["moves"][0][0] if change["moves"] else None
        for number, (version, origin, target) in enumerate(change["moves"]):
            # Only the first move was requested; the others made room for it.
            reason = change.get("reason") or "" if number == 0 else f"made room for version {first}"
            refused = list(change.get("refused_by") or []) if number == 0 and change.get("forced") else []
            moves.append(
                StageMove(change["at"], change["by"], change["action"], version, origin or "", target, reason, refused)
            )
    return moves
