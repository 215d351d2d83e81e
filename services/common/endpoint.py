"""A path that takes one JSON body and answers with another, without the cost of the framework.

FastAPI's routes, dependencies and wrappers took about 140 us a request, while scoring a ticket takes 80 (profiled,
November 2026). So these paths are answered before FastAPI sees them; they only appear in its OpenAPI document.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from services.common.problems import Problem, documented, invalid_body, respond
from services.common.settings import Settings

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
REFERENCE = "#/components/schemas/{model}"
MAX_TOP = 1000


class Options(NamedTuple):
    """What the query string can ask for."""

    explain: bool = False
    top: int = 3


DEFAULT_OPTIONS = Options()


class JsonEndpoint:
    """An ASGI application for one path."""

    def __init__(
        self,
        settings: Settings,
        request: type[BaseModel],
        response: type[Any],
        answer: Callable[[Any, Options], Awaitable[Any]],
        options: tuple[str, ...] = Options._fields,
        failures: tuple[int, ...] = (),
        status: int = 200,
    ) -> None:
        """Answer requests with what `answer` returns for the validated body and the options; it may raise a Problem.

        `response` is a TypedDict, because it costs nothing to create. `options` are the names of those that the path
        documents, `failures` the error statuses beside those that every path has, `status` the one of a success.
        """
        self.request, self.response, self._answer, self._settings = request, response, answer, settings
        self._write = TypeAdapter(response).dump_json
        self._options, self._failures, self._status = options, failures, status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            if scope["method"] != "POST":
                raise Problem(405, "this path takes POST", {"Allow": "POST"})
            options = _options(scope["query_string"])
            body = await self._read(dict(scope["headers"]).get(b"content-type", b""), receive)
            try:
                asked = self.request.model_validate_json(body)
            except ValidationError as error:
                raise invalid_body(error) from None
            found = await self._answer(asked, options)
        except Problem as problem:
            await respond(problem)(scope, receive, send)
            return
        content = self._write(found)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _read(self, kind: bytes, receive: Receive) -> bytes:
        """Return the body; a Problem when it is too big, too slow or not JSON."""
        if kind.partition(b";")[0].strip().lower() != b"application/json":
            raise Problem(415, "send JSON, with the header Content-Type: application/json")
        body, limit, seconds = b"", self._settings.max_body_bytes, self._settings.body_seconds
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(400, "the client disconnected before its request was complete")
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise Problem(413, f"the body is larger than {limit} bytes", {"Connection": "close"})
                    if not message.get("more_body", False):
                        return body
        except TimeoutError:
            raise Problem(408, f"the body did not arrive within {seconds:g} s", {"Connection": "close"}) from None

    def describe(self, needs_key: bool) -> dict[str, Any]:
        """Return the OpenAPI path item."""

        def content(model: type[Any]) -> dict[str, Any]:
            return {"application/json": {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}}

        done = {str(self._status): {"description": self.response.__doc__, "content": content(self.response)}}
        failed = documented(400, 401, 408, 413, 415, 422, 503, *self._failures)
        explain = {"type": "boolean", "default": DEFAULT_OPTIONS.explain, "description": "add the heaviest terms"}
        top = {"type": "integer", "minimum": 1, "maximum": MAX_TOP, "default": DEFAULT_OPTIONS.top}
        top["description"] = "how many of the most probable categories to answer with"
        query = {"explain": explain, "top": top}
        operation = {
            "summary": self.response.__doc__,
            "parameters": [
                {"name": name, "in": "query", "schema": schema}
                for name, schema in query.items()
                if name in self._options
            ],
            "requestBody": {"required": True, "content": content(self.request)},
            "responses": done | {str(status): entry for status, entry in failed.items()},
        }
        return {"post": operation | ({"security": [{"key": []}]} if needs_key else {})}


def _options(query: bytes) -> Options:
    if not query:
        return DEFAULT_OPTIONS
    asked = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    explain, top = asked.get("explain", ["false"]), asked.get("top", [str(DEFAULT_OPTIONS.top)])
    if len(explain) != 1 or explain[0].lower() not in BOOLEANS:
        raise Problem(422, "the parameter explain must be true or false")
    if len(top) != 1 or not re.fullmatch(r"[0-9]{1,4}", top[0]) or not 1 <= int(top[0]) <= MAX_TOP:
        raise Problem(422, f"the parameter top must be a whole number from 1 to {MAX_TOP}")
    return Options(BOOLEANS[explain[0].lower()], int(top[0]))
