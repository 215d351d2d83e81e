"""The application that every model service is: health, readiness, its model, metrics, and room for predictions."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.responses import Response

from services.common import logs, problems
from services.common.endpoint import REFERENCE, JsonEndpoint
from services.common.gate import Gate
from services.common.metrics import Metrics
from services.common.model_source import FilesOf, ModelFiles, make_source
from services.common.problems import ProblemDetails, documented
from services.common.served_model import ServedModel
from services.common.settings import Settings


class Alive(BaseModel):
    """The process answers."""

    status: str = "ok"


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
    title: str, settings: Settings, build: Callable[[ModelFiles], Any], files: FilesOf
) -> tuple[FastAPI, ServedModel, Metrics]:
    """Return the application without its endpoints, the model that it serves and its metrics.

    Raises a ValueError when the settings name no source.
    Build makes a model of the files that its metadata needs.
    """
    metrics = Metrics()
    served: ServedModel[Any] = ServedModel(make_source(settings, files), build, metrics)

    @contextlib.asynccontextmanager
    async def watch_the_source(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(served.watch(settings.poll_seconds))
        yield
        watching.cancel()

    app = FastAPI(title=title, version="1", lifespan=watch_the_source, redoc_url=None)
    problems.install(app)
    _add_reports(app, served, metrics)
    return app, served, metrics


def _add_reports(app: FastAPI, served: ServedModel[Any], metrics: Metrics) -> None:
    """Add the routes that report on the service itself."""

    @app.get("/health", summary="Is the process alive?")
    async def health() -> Alive:
        return Alive()

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

    @app.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def describe(app: FastAPI, endpoints: dict[str, JsonEndpoint], needs_key: bool) -> None:
    """Add the endpoints, which FastAPI does not know, and the key to the OpenAPI description."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            known = schema.setdefault("components", {}).setdefault("schemas", {})
            models = [model for endpoint in endpoints.values() for model in (endpoint.takes, endpoint.gives)]
            for model in (*models, ProblemDetails):
                described = TypeAdapter(model).json_schema(ref_template=REFERENCE, mode="serialization")
                known.update(described.pop("$defs", {}))
                known[model.__name__] = described
            if needs_key:
                schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            schema["paths"] |= {path: endpoint.describe(needs_key) for path, endpoint in endpoints.items()}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi


def serve(make: Callable[[Settings], Gate], **defaults: Any) -> int:
    """Run a service until SIGTERM or SIGINT, after which requests in flight finish; return the exit code.

    The defaults are settings of this service, where the environment says nothing.
    """
    logs.configure()
    try:
        settings = Settings(**{name: value for name, value in defaults.items() if name.upper() not in os.environ})
        application = make(settings)
    except ValidationError as error:
        wrong = "; ".join(f"{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors(include_input=False))
        print(f"error: {wrong}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    config = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    # uvicorn raises the signal once more when it is done; that is no error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 2
