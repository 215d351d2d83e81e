"""The application that every model service is: readiness, its model, and that model replaced while it serves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from services.common.application import base_app
from services.common.metrics import ModelMetrics
from services.common.model_source import FilesOf, ModelFiles, make_source
from services.common.problems import documented
from services.common.served_model import ServedModel
from services.common.settings import ModelSettings


class Ready(BaseModel):
    """There is a model to answer with."""

    status: str = "ready"
    model_version: str


class ModelCard(BaseModel):
    """The model in use."""

    name: str
    version: str = Field(description="the registry's number; of a model folder, the beginning of its hash")
    stage: str | None
    sha256: str
    labels: list[str]
    threshold: float | None = Field(description="confidence from which a ticket is routed without a human")
    metrics: dict[str, Any] = Field(description="figures of the training, on validation and test")


def create_app(
    title: str, settings: ModelSettings, build: Callable[[ModelFiles], Any], files: FilesOf
) -> tuple[FastAPI, ServedModel, ModelMetrics]:
    """Return the application without its endpoints, the model that it serves and its metrics.

    Raises a ValueError when the settings name no source.
    Build makes a model of the files that its metadata needs.
    """
    metrics = ModelMetrics()
    served: ServedModel[Any] = ServedModel(make_source(settings, files), build, metrics)

    @contextlib.asynccontextmanager
    async def watch_the_source(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(served.watch(settings.poll_seconds))
        yield
        watching.cancel()

    app = base_app(title, metrics, watch_the_source)

    @app.get("/ready", summary="Has it a model?", responses=documented(503))
    async def ready() -> Ready:
        return Ready(model_version=served.current.version)

    @app.get("/model", summary="Which model is it?", responses=documented(503))
    async def model() -> ModelCard:
        now = served.current
        known = {name: now.metadata.get(name) for name in ("name", "labels", "threshold")}
        return ModelCard(
            **known, version=now.version, stage=now.stage, sha256=now.sha256, metrics=now.metadata.get("metrics", {})
        )

    return app, served, metrics
