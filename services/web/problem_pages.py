"""Errors as pages, where people have asked; as problem details where machines have."""

from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.common.problems import Problem, respond
from services.web.site import Site

# Asked by probes and Prometheus, which have no session.
MACHINE_PATHS = frozenset(("/health", "/ready", "/metrics"))


def answer(site: Site, request: Request, problem: Problem) -> Response:
    """Return the page that says what an error status means and what to do, or problem details for a machine."""
    path = request.url.path
    if path in MACHINE_PATHS or path in site.files or _wants_json(request):
        return respond(problem)
    page = site.page(request, "problem.html", problem.status, code=problem.status)
    page.headers.update(problem.headers)
    return page


def _wants_json(request: Request) -> bool:
    """Whether who asks names JSON and not HTML, which browsers name; who takes anything gets a page."""
    accepted = request.headers.get("accept", "").lower()
    return "json" in accepted and "html" not in accepted


def install(app: FastAPI, site: Site) -> None:
    """Have the application's own errors, and those of its framework, answered in this way."""

    async def answer_problem(request: Request, problem: Any) -> Response:
        return answer(site, request, problem)

    async def answer_framework(request: Request, error: Any) -> Response:
        return await answer_problem(request, Problem(error.status_code, str(error.detail), error.headers))

    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(HTTPException, answer_framework)
