"""Errors as pages, where people have asked; as problem details where machines have."""

from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.common.problems import Problem, respond
from services.web.site import Site

# Asked by probes and Prometheus, which have no session.
MACHINE_PATHS = frozenset(("/health", "/ready", "/metrics"))


def problem_page(site: Site, request: Request, status: int) -> HTMLResponse:
    """Return the page that says what an error status means and what to do."""
    return site.page(request, "problem.html", status, code=status)


def install(app: FastAPI, site: Site) -> None:
    """Have the application's own errors, and those of its framework, answered in this way."""

    async def answer_problem(request: Request, problem: Any) -> Response:
        if request.url.path in MACHINE_PATHS:
            return respond(problem)
        page = problem_page(site, request, problem.status)
        page.headers.update(problem.headers)
        return page

    async def answer_framework(request: Request, error: Any) -> Response:
        return await answer_problem(request, Problem(error.status_code, str(error.detail), error.headers))

    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(HTTPException, answer_framework)
