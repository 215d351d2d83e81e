"""What both model services share: readiness, the card of their model, its replacement while serving, predictions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel, Field

from services.common.application import Alive, base_app, describe_endpoints
from services.common.endpoint import JsonEndpoint, Options
from services.common.metrics import ModelMetrics
from services.common.middleware import ServiceMiddleware
from services.common.model_source import ModelArtifact, SelectFiles, make_source
from services.common.predictions import Prediction, Predictions, Weight, request_models, ticket_text
from services.common.problems import documented
from services.common.served_model import LoadedModel, ServedModel
from services.common.settings import ModelSettings

# Answers several texts with one model, even if another is promoted meanwhile.
PredictTexts = Callable[[list[str], Options], Awaitable[list[Prediction]]]


class ModelReady(BaseModel):
    """A model is loaded."""

    status: str = "ready"
    model_version: str


class ModelAlive(Alive):
    """The process answers, with or without a model."""

    model_version: str | None
    stage: str | None


class ModelCard(BaseModel):
    """The model in use."""

    name: str
    version: str = Field(description="the registry's number; for a model folder, the first digits of its hash")
    stage: str | None = Field(description="null for a bare folder, whose model was not promoted")
    sha256: str
    labels: list[str]
    threshold: float | None = Field(description="confidence from which a ticket is routed without a human")
    class_thresholds: dict[str, float | None] | None = Field(
        default=None, description="the same for each category; null when one threshold is for all"
    )
    metrics: dict[str, Any] = Field(description="training's metrics on validation and test")


class Intervals(BaseModel):
    """The upper edges of intervals, all but the last one's, and how many tickets are in each."""

    edges: list[float]
    counts: list[int]


class ModelReference(BaseModel):
    """How the test tickets looked to the model when it was trained; live tickets are compared with them."""

    version: str
    tickets: int
    counts: dict[str, dict[str, int]]
    intervals: dict[str, Intervals]


def create_app(
    title: str, settings: ModelSettings, build: Callable[[ModelArtifact], Any], files: SelectFiles
) -> tuple[FastAPI, ServedModel, ModelMetrics]:
    """Return the application without its endpoints, the model that it serves, and its metrics.

    build makes a model of the files that `files` selects by the metadata. Raises a ValueError when the settings name
    no source.
    """
    metrics = ModelMetrics()
    served: ServedModel[Any] = ServedModel(make_source(settings, files), build, metrics)

    @contextlib.asynccontextmanager
    async def watch_the_source(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(served.watch(settings.poll_seconds))
        yield
        watching.cancel()

    async def health() -> ModelAlive:
        loaded = served.loaded
        if loaded is None:
            return ModelAlive(model_version=None, stage=None)
        return ModelAlive(model_version=loaded.version, stage=loaded.stage)

    app = base_app(title, metrics, watch_the_source, health=health)

    @app.get("/ready", summary="Is a model loaded?", responses=documented(503))
    async def ready() -> ModelReady:
        return ModelReady(model_version=served.current.version)

    @app.get("/model", summary="Which model is served?", responses=documented(503))
    async def model() -> ModelCard:
        return model_card(served.current)

    return app, served, metrics


def make_model_service(
    app: FastAPI, settings: ModelSettings, metrics: ModelMetrics, predict: PredictTexts
) -> ServiceMiddleware:
    """Return the whole service: the application, with the endpoints for one ticket and for several."""
    ticket, batch = request_models(settings)

    async def predict_one(asked: Any, options: Options) -> Prediction:
        (prediction,) = await predict([ticket_text(asked, settings.max_text_length)], options)
        return prediction

    async def predict_batch(asked: Any, options: Options) -> Predictions:
        return {"predictions": await predict(asked.texts, options)}

    endpoints = {
        "/predict": JsonEndpoint(settings, ticket, Prediction, predict_one),
        "/predict/batch": JsonEndpoint(settings, batch, Predictions, predict_batch),
    }
    describe_endpoints(app, endpoints, settings.needs_key)
    return ServiceMiddleware(app, endpoints, settings, metrics)


def model_card(loaded: LoadedModel[Any]) -> ModelCard:
    """Return what GET /model answers."""
    known = {name: loaded.metadata.get(name) for name in ("name", "labels", "threshold", "class_thresholds")}
    served = {"version": loaded.version, "stage": loaded.stage, "sha256": loaded.sha256}
    return ModelCard.model_validate(known | served | {"metrics": loaded.metadata.get("metrics", {})})


def make_prediction(
    loaded: LoadedModel[Any],
    labels: list[str],
    probabilities: np.ndarray,
    top: int,
    metrics: ModelMetrics,
    known: bool = True,
) -> tuple[Prediction, int]:
    """Turn probabilities of shape (n_labels,) into a prediction, and count it; also return the index of its label.

    A text of which the model knows nothing goes to a person, however probable its commonest category is.
    """
    every = probabilities.tolist()
    order = sorted(range(len(every)), key=every.__getitem__, reverse=True)[:top]
    highest = [min(1.0, every[label]) for label in order]
    category, confidence = labels[order[0]], highest[0]
    review = not known or loaded.needs_review(category, confidence)
    metrics.predicted(category, confidence, review, known)
    prediction: Prediction = {
        "category": category,
        "confidence": confidence,
        "best": [{"category": labels[at], "probability": highest[n]} for n, at in enumerate(order)],
        "needs_review": review,
        "threshold": loaded.threshold_of(category),
        "known_text": known,
        "model_version": loaded.version,
    }
    return prediction, order[0]


def make_explanation(weights: list[tuple[str, float]]) -> list[Weight]:
    """Return terms and their weights in the shape of the API."""
    return [{"term": term, "weight": weight} for term, weight in weights]
