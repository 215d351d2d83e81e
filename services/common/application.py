"""The application that every service starts from: health, metrics, errors as problem details, and how it runs."""

import argparse
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import start_http_server
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from starlette.responses import Response

from services.common import logs, problems
from services.common.endpoint import REFERENCE, JsonEndpoint
from services.common.http_protocol import ConnectionLimits, bound_protocol
from services.common.metrics import Metrics
from services.common.middleware import DOCS_FILES, ServiceMiddleware
from services.common.problems import ProblemDetails
from services.common.settings import Settings

SomeSettings = TypeVar("SomeSettings", bound=Settings)
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Alive(BaseModel):
    """The process answers."""

    status: str = "ok"


async def alive() -> Alive:
    """Answer /health of a service that has no more to say."""
    return Alive()


def base_app(
    title: str, metrics: Metrics, lifespan: Lifespan, api: bool = True, health: Callable[[], Awaitable[Alive]] = alive
) -> FastAPI:
    """Return an application with /health, /metrics and, for an API, /docs with its own scripts, not those of a CDN."""
    shared: dict[str, Any] = {"title": title, "version": "1", "lifespan": lifespan, "redirect_slashes": False}
    if api:
        # The image of the pages, which have no API, does without it.
        from fastapi_offline import FastAPIOffline

        app = FastAPIOffline(redoc_url=None, static_url=DOCS_FILES, **shared)
    else:
        app = FastAPI(openapi_url=None, **shared)
    problems.install_problem_handlers(app)

    app.get("/health", summary="Is the process alive?")(health)

    @app.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def describe_endpoints(app: FastAPI, endpoints: dict[str, JsonEndpoint], needs_key: bool) -> None:
    """Add the JSON endpoints, which FastAPI does not know about, and the key to the OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            known = schema.setdefault("components", {}).setdefault("schemas", {})
            models = [model for endpoint in endpoints.values() for model in (endpoint.request, endpoint.response)]
            for model in (*models, ProblemDetails):
                described = TypeAdapter(model).json_schema(ref_template=REFERENCE, mode="serialization")
                known.update(described.pop("$defs", {}))
                known[model.__name__] = described
            if needs_key:
                schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            schema["paths"] |= {path: endpoint.describe(needs_key) for path, endpoint in endpoints.items()}
            app.openapi_schema = schema
        return app.openapi_schema

    # FastAPI's documented way of changing the document: its own method is replaced.
    app.openapi = openapi  # type: ignore[method-assign]


def serve(
    make: Callable[[SomeSettings], ServiceMiddleware],
    kind: type[SomeSettings],
    description: str | None,
    argv: list[str] | None,
    **defaults: Any,
) -> int:
    """Run a service until SIGTERM or SIGINT, then let requests in flight finish; return the exit code.

    The command line takes --help only, which shows the description and the settings. The defaults are this service's
    values for settings that the environment does not set.
    """
    parse_command_line(description, kind, argv, defaults)
    logs.configure()
    # What a service writes, such as the agent's database, holds texts of customers: nobody else may read it.
    os.umask(0o077)
    try:
        settings = kind(**{name: value for name, value in defaults.items() if name.upper() not in os.environ})
        application = make(settings)
    except ValidationError as error:
        wrong = "; ".join(f"{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors(include_input=False))
        print(f"error: {wrong}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if settings.metrics_port is not None:
        try:
            start_http_server(settings.metrics_port, settings.host, application.metrics.registry)
        except OSError as error:
            print(f"error: METRICS_PORT {settings.metrics_port} cannot be used: {error.strerror}", file=sys.stderr)
            return 2
    return _run_until_stopped(application, settings)


def parse_command_line(
    description: str | None, kind: type[Settings], argv: list[str] | None, defaults: dict[str, Any]
) -> None:
    """Print the help and exit if it is asked for; any other argument is an error."""
    settings = {name: field.description or "" for name, field in kind.model_fields.items()}
    width = max(map(len, settings))
    lines = [
        f"  {name.upper().ljust(width)}  {text}{' ' if text else ''}(default: {_default(kind, name, defaults)})"
        for name, text in settings.items()
    ]
    spec = sys.modules["__main__"].__spec__
    parser = argparse.ArgumentParser(
        prog=f"python -m {spec.name}" if spec else None,
        description=description,
        epilog="\n".join(["environment variables:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)


def _default(kind: type[Settings], name: str, defaults: dict[str, Any]) -> str:
    value = defaults.get(name, kind.model_fields[name].default)
    shown = value.get_secret_value() if isinstance(value, SecretStr) else value
    return "none" if shown in (None, ()) else ", ".join(shown) if isinstance(shown, tuple) else str(shown)


def _run_until_stopped(application: ServiceMiddleware, settings: Settings) -> int:
    config = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=bound_protocol(
            ConnectionLimits(settings.max_header_bytes, settings.header_seconds, settings.max_connections)
        ),
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    # uvicorn 0.29 and later raises the signal again after its shutdown; without a handler that would end in an error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 2
