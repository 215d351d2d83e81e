"""Serve the pages that people use, in front of the agent.

    python -m services.web.app
    WEB_PASSWORD=... HOST=0.0.0.0 python -m services.web.app

The environment says how: services/web/settings.py and services/common/settings.py list it. Without a password the pages
are for this machine only. One process: sessions are in signed cookies, files that are being classified in its memory.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.common.application import base_app, serve
from services.common.gate import Gate
from services.common.metrics import Metrics
from services.common.problems import Problem, documented
from services.web import batch, classify, login, models, problem_pages, review
from services.web.agent import AgentTrouble
from services.web.guard import Guard
from services.web.settings import WebSettings
from services.web.site import Site, StaticFile


class Ready(BaseModel):
    """The agent answers."""

    status: str = "ready"


def make_app(settings: WebSettings) -> Gate:
    """Return the service; a ValueError when the settings would let everybody in unasked."""
    settings.check_access()
    site, metrics = Site(settings), Metrics()
    # Pages are for people: there is no API to describe.
    app = base_app("CallCenterAI", metrics, lambda app: _running(site), openapi_url=None)
    problem_pages.install(app, site)
    app.add_middleware(Guard, site=site)
    # Around the guard: whether a cookie may be Secure, and from where somebody fails to log in, is the proxy's to say.
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)
    for page in (classify, review, batch, models, login):
        page.add_routes(app, site)
    for path, file in site.files.items():
        _add_file(app, path, file)

    @app.get("/ready", summary="Does the agent answer?", responses=documented(503))
    async def ready() -> Ready:
        try:
            await site.agent.check()
        except AgentTrouble as trouble:
            raise Problem(
                503, f"the agent at AGENT_URL gives no answer ({trouble.kind})", {"Retry-After": "2"}
            ) from None
        return Ready()

    return Gate(app, {}, settings, metrics, lambda problem: _refusing(app, problem))


def _refusing(app: FastAPI, problem: Problem) -> ASGIApp:
    """Return the application as it answers a request that shall go no further than to the guard."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["refusal"] = problem
        await app(scope, receive, send)

    return refuse


def _add_file(app: FastAPI, path: str, file: StaticFile) -> None:
    @app.get(path)
    async def static() -> Response:
        return file.respond()


@contextlib.asynccontextmanager
async def _running(site: Site) -> AsyncIterator[None]:
    sweeping = asyncio.create_task(site.jobs.sweep())
    yield
    sweeping.cancel()
    site.jobs.close()
    await site.agent.close()
    await site.registry.close()


def main() -> int:
    """Serve until the process is told to stop; return the exit code."""
    return serve(make_app, WebSettings, port=8080)


if __name__ == "__main__":
    sys.exit(main())
