"""Errors: as pages for people, as problem details for programs."""

from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.common.middleware import MACHINE_PATHS
from services.common.problems import Problem, respond
from services.web.site import Site


def problem_response(site: Site, request: Request, problem: Problem) -> Response:
    """Return a page that explains the error and what to do, or problem details for a program."""
    path = request.url.path
    if path in MACHINE_PATHS or path in site.files or _wants_json(request):
        return respond(problem)
    page = site.page(request, "problem.html", problem.status, code=problem.status)
    page.headers.update(problem.headers)
    return page


def _wants_json(request: Request) -> bool:
    """Whether the client names JSON and not HTML, as browsers do; one that accepts anything gets a page."""
    accepted = request.headers.get("accept", "").lower()
    return "json" in accepted and "html" not in accepted


def install_problem_pages(app: FastAPI, site: Site) -> None:
    """Answer the application's own errors, and those of its framework, in this way."""

    async def answer_problem(request: Request, problem: Any) -> Response:
        return problem_response(site, request, problem)

    async def answer_framework(request: Request, error: Any) -> Response:
        return await answer_problem(request, Problem(error.status_code, str(error.detail), error.headers))

    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(HTTPException, answer_framework)
