"""Serve the web pages in front of the agent.

    python -m services.web.app
    WEB_PASSWORD=... HOST=0.0.0.0 python -m services.web.app

Settings come from the environment: services/web/settings.py and services/common/settings.py list them. Without a
password the pages are served on this machine only. There is one process: sessions are in signed cookies, files that are
being classified in its memory, and logouts there or in LOGOUTS_FILE.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.common.application import Alive, base_app, serve
from services.common.middleware import ServiceMiddleware
from services.common.problems import Problem, documented
from services.web.clients.agent import AgentError
from services.web.metrics import WebMetrics
from services.web.pages import batch, classify, login, models, problem_pages, review, team, undo, waiting
from services.web.security.middleware import PageMiddleware
from services.web.settings import WebSettings
from services.web.site import Site, StaticFile


def make_app(settings: WebSettings) -> ServiceMiddleware:
    """Return the service; a ValueError when the pages would be open to everybody without ALLOW_ANONYMOUS."""
    settings.check_access()
    metrics = WebMetrics()
    site = Site(settings, metrics)
    # Pages are for people, so there is no OpenAPI document.
    app = base_app("CallCenterAI", metrics, lambda app: _lifespan(site), api=False)
    problem_pages.install_problem_pages(app, site)
    app.add_middleware(PageMiddleware, site=site)
    # Outside PageMiddleware, which needs what the proxy reports: the scheme for Secure cookies, the address for logins.
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)
    app.state.site = site
    for page in (classify, review, waiting, undo, batch, team, models, login):
        page.add_routes(app)
    for path, file in site.files.items():
        _add_file(app, path, file)

    @app.get("/ready", summary="Does the agent answer?", responses=documented(503))
    async def ready() -> Alive:
        try:
            await site.agent.check()
        except AgentError as error:
            raise Problem(503, f"the agent at AGENT_URL gives no answer ({error.kind})", {"Retry-After": "2"}) from None
        return Alive(status="ready")

    return ServiceMiddleware(
        app,
        {},
        settings,
        metrics,
        lambda problem: _refuse_with_page(app, problem),
        {"POST /login": settings.max_logins, "POST /batch": settings.max_uploads},
    )


def _refuse_with_page(app: FastAPI, problem: Problem) -> ASGIApp:
    """Return an application that answers with the page of a problem: PageMiddleware passes the request no further."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["refusal"] = problem
        await app(scope, receive, send)

    return refuse


def _add_file(app: FastAPI, path: str, file: StaticFile) -> None:
    @app.get(path)
    async def static() -> Response:
        return file.respond()


@contextlib.asynccontextmanager
async def _lifespan(site: Site) -> AsyncIterator[None]:
    sweeping = asyncio.create_task(site.jobs.sweep())
    yield
    sweeping.cancel()
    site.jobs.close()
    await site.agent.close()
    await site.registry.close()


def main(argv: list[str] | None = None) -> int:
    """Serve until the process is told to stop; return the exit code."""
    return serve(make_app, WebSettings, __doc__, argv, port=8080)


if __name__ == "__main__":
    sys.exit(main())
