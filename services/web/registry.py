"""Reads stages, figures and history from an MLflow server over its REST API; its client would double the image.

Aliases are the truth about who is in Production and Staging, the tags history.000001, ... are the moves, each a JSON
record: callcenterai/registry/store.py writes both, and explains them.
"""

import asyncio
import csv
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from services.web.settings import WebSettings

TIMEOUT_SECONDS = 5.0
STAGES = {"production": "Production", "staging": "Staging"}
HISTORY_TAG = "history."
CONFUSION_FILE = "plots/confusion.csv"
# A row for each test ticket.
MOST_BYTES = 20_000_000
REMEMBERED_RUNS = 32
FIGURES = ("accuracy", "macro_f1")


class RegistryTrouble(Exception):
    """The registry cannot be read. Kind is a key under `registry` in the catalogues."""

    def __init__(self, kind: str) -> None:
        """Nothing else is needed to say what is wrong."""
        super().__init__(kind)
        self.kind = kind


class Figure(NamedTuple):
    """A metric on test and its interval of 95%, where training has logged one."""

    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Confusion:
    """How often a ticket of each category (row) was taken for which (column)."""

    labels: list[str]
    rows: list[list[int]]

    def mistakes(self, most: int = 5) -> list[tuple[int, str, str]]:
        """Return the most frequent ones: how many, of which category, taken for which."""
        found = [
            (count, self.labels[row], self.labels[column])
            for row, counts in enumerate(self.rows)
            for column, count in enumerate(counts)
            if row != column and count
        ]
        return sorted(found, key=lambda mistake: -mistake[0])[:most]


@dataclass(frozen=True)
class Run:
    """What training has logged."""

    figures: list[Figure]
    confusion: Confusion | None


@dataclass(frozen=True)
class Holder:
    """The version that has a stage."""

    stage: str
    version: str
    trained_at: str
    commit: str
    run: Run | None


class Move(NamedTuple):
    """A version went from one stage to another."""

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
    """A registered model: who holds which stage, and what happened, the latest first."""

    name: str
    holders: list[Holder] = field(default_factory=list)
    history: list[Move] = field(default_factory=list)


class RegistryReader:
    """Asks the server that MLFLOW_TRACKING_URI names."""

    def __init__(self, settings: WebSettings) -> None:
        """Nothing is asked yet."""
        self._names = settings.registered_models
        self._runs: dict[str, Run] = {}
        self._client = None
        if settings.has_server:
            self._client = httpx.AsyncClient(**settings.access(), timeout=TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.aclose()

    async def models(self) -> list[RegisteredModel]:
        """Return the registered models that there are; a RegistryTrouble when nobody can say."""
        if self._client is None:
            raise RegistryTrouble("unset")
        try:
            found = await asyncio.gather(*(self._model(name) for name in self._names))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RegistryTrouble("broken") from None
        return [model for model in found if model]

    async def _model(self, name: str) -> RegisteredModel | None:
        found = await self._json("registered-models/get", name=name)
        if found is None:
            return None
        model = found["registered_model"]
        aliases = {entry["alias"]: str(entry["version"]) for entry in model.get("aliases", [])}
        holders = [
            await self._holder(name, stage, aliases[alias]) for alias, stage in STAGES.items() if alias in aliases
        ]
        return RegisteredModel(name, holders, _history(_by_key(model.get("tags", []))))

    async def _holder(self, name: str, stage: str, version: str) -> Holder:
        found = await self._json("model-versions/get", name=name, version=version)
        if found is None:
            raise KeyError(version)
        tags = _by_key(found["model_version"].get("tags", []))
        run = await self._run(found["model_version"].get("run_id", ""))
        return Holder(stage, version, tags.get("trained_at", ""), tags.get("git_commit", ""), run)

    async def _run(self, run_id: str) -> Run | None:
        """Return what a run has logged, which never changes; None when the run was deleted."""
        if run_id not in self._runs:
            found = await self._json("runs/get", run_id=run_id) if run_id else None
            if found is None:
                return None
            metrics = {entry["key"]: float(entry["value"]) for entry in found["run"]["data"].get("metrics", [])}
            content = await self._artifact(run_id, CONFUSION_FILE)
            if len(self._runs) >= REMEMBERED_RUNS:
                self._runs.pop(next(iter(self._runs)))
            self._runs[run_id] = Run(_figures(metrics), _confusion(content) if content else None)
        return self._runs[run_id]

    async def _json(self, path: str, **asked: str) -> Any:
        """Return an answer of the REST API, None when there is no such thing."""
        answer = await self._get(f"/api/2.0/mlflow/{path}", asked)
        return answer and json.loads(answer)

    async def _artifact(self, run_id: str, path: str) -> bytes | None:
        return await self._get("/get-artifact", {"run_uuid": run_id, "path": path})

    async def _get(self, path: str, asked: dict[str, str]) -> bytes | None:
        try:
            async with self._client.stream("GET", path, params=asked) as answer:
                if answer.status_code == 404:
                    return None
                if answer.status_code in (401, 403):
                    raise RegistryTrouble("key")
                if answer.status_code != 200:
                    raise RegistryTrouble("broken")
                content = b""
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > MOST_BYTES:
                        raise RegistryTrouble("broken")
                return content
        except httpx.TimeoutException:
            raise RegistryTrouble("slow") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise RegistryTrouble("down") from None


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


def _history(tags: dict[str, str]) -> list[Move]:
    moves = []
    for key in sorted((key for key in tags if key.startswith(HISTORY_TAG)), reverse=True):
        change = json.loads(tags[key])
        first = change["moves"][0][0]
        for number, (version, origin, target) in enumerate(change["moves"]):
            # Only the first move was decided; the others made room for it.
            reason = change.get("reason") or "" if number == 0 else f"made room for version {first}"
            refused = list(change.get("refused_by") or []) if number == 0 and change.get("forced") else []
            moves.append(
                Move(change["at"], change["by"], change["action"], version, origin or "", target, reason, refused)
            )
    return moves
