"""Errors as problem details (RFC 9457), without any text of the ticket."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(BaseModel):
    """What is wrong, and how to fix it."""

    type: str = "about:blank"
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="what is wrong with this request, and how to fix it")
    errors: list[str] | None = Field(None, description="each part of the body that is wrong")


class Problem(Exception):
    """Raised to answer a request with problem details."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        """Keyword arguments become further members of the problem details."""
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, dict(headers or {}), more


def respond(problem: Problem) -> Response:
    """Return a problem as a response."""
    body = {"type": "about:blank", "title": HTTPStatus(problem.status).phrase, "status": problem.status}
    content = json.dumps(body | {"detail": problem.detail} | problem.more)
    return Response(content, problem.status, problem.headers, MEDIA_TYPE)


def install_problem_handlers(app: FastAPI) -> None:
    """Answer the application's own errors, and those of its framework, as problem details."""

    async def answer_problem(_: Request, problem: Any) -> Response:
        return respond(problem)

    async def answer_framework(request: Request, error: Any) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            # The framework names the methods of the first route of the path alone.
            headers["Allow"] = ", ".join(_methods_of(request))
        return respond(Problem(error.status_code, str(error.detail), headers))

    async def answer_parameters(_: Request, error: Any) -> Response:
        errors = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        return respond(Problem(422, "the parameters are not what /docs describes", errors=errors))

    app.add_exception_handler(RequestValidationError, answer_parameters)
    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(HTTPException, answer_framework)


def _methods_of(request: Request) -> list[str]:
    """Return the methods that the application has for the path of a request."""
    path = request.scope["path"]
    routes = [route for route in request.app.routes if isinstance(route, Route) and route.path_regex.match(path)]
    return sorted({method for route in routes for method in route.methods or ()})


def invalid_body(error: ValidationError) -> Problem:
    """Return the problem of an invalid body. It names the fields and the rules, and never repeats their content."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in found]
    return Problem(422, "the body is not what /docs describes", errors=errors)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of these error statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
