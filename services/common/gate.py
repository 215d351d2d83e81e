"""What happens to every request before and after its handler: an id, the key, the limit, the log line, the metrics."""

import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.endpoint import JsonEndpoint
from services.common.logs import write_access
from services.common.metrics import Metrics
from services.common.problems import Problem, respond
from services.common.settings import Settings

logger = logging.getLogger("services")
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# They say nothing of any ticket, and probes and Prometheus ask them without a key.
OPEN_PATHS = frozenset(("/health", "/ready", "/model", "/metrics", "/docs", "/openapi.json"))
# Asked every few seconds by machines.
UNLOGGED_PATHS = frozenset(("/health", "/ready", "/metrics"))
RETRY_SECONDS = "1"
# Of the request that is being answered, for whoever is asked on its behalf.
request_id_now: ContextVar[str] = ContextVar("request_id_now", default="")


class Gate:
    """The ASGI application that the server runs; all else is behind it."""

    def __init__(
        self,
        app: FastAPI,
        endpoints: Mapping[str, JsonEndpoint],
        settings: Settings,
        metrics: Metrics,
        refuse: Callable[[Problem], ASGIApp] = respond,
    ) -> None:
        """Endpoints answer their paths, the application all others; refuse says how the gate's own refusals look."""
        self._app, self._endpoints, self._metrics, self._refuse = app, endpoints, metrics, refuse
        # Others are counted together, or strangers could make any number of metrics.
        self._paths = frozenset(endpoints) | {route.path for route in app.routes}
        self._keys = [key.get_secret_value().encode() for key in settings.api_keys]
        self._needs_key, self._most = settings.needs_key, settings.max_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 499
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = secrets.token_hex(16).encode()
        request_id_now.set(request_id.decode())

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        self._in_flight += 1
        try:
            if refusal := self._refusal(scope["path"], headers):
                await self._refuse(refusal)(scope, receive, send_with_id)
            else:
                await self._endpoints.get(scope["path"], self._app)(scope, receive, send_with_id)
        except Exception as error:
            logger.error("this is a bug of ours", exc_info=error, extra={"request_id": request_id.decode()})
            # Once the response has begun, only the server can end it.
            if status != 499:
                raise
            await respond(Problem(500, "this is a bug of ours; the log has its place"))(scope, receive, send_with_id)
        finally:
            self._in_flight -= 1
            self._record(scope, status, time.perf_counter() - started, request_id)

    def _refusal(self, path: str, headers: dict[bytes, bytes]) -> Problem | None:
        if path in OPEN_PATHS:
            return None
        if self._needs_key and not self._knows(headers):
            hint = "send one as `Authorization: Bearer KEY`" if self._keys else "the service has none: set API_KEYS"
            return Problem(401, f"a key is needed; {hint}", {"WWW-Authenticate": "Bearer"})
        if self._in_flight > self._most:
            self._metrics.turned_away.inc()
            return Problem(503, "too many requests at once", {"Retry-After": RETRY_SECONDS})
        return None

    def _knows(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        # All are compared, so that the time tells nothing.
        return any([hmac.compare_digest(given.strip(), key) for key in self._keys])

    def _record(self, scope: Scope, status: int, seconds: float, request_id: bytes) -> None:
        # FastAPI leaves the route, whose path has names in place of ids.
        path = getattr(scope.get("route"), "path", scope["path"])
        path = path if path in self._paths else "other"
        self._metrics.requested(path, status, seconds, self._in_flight)
        if path not in UNLOGGED_PATHS or status >= 400:
            write_access(request_id.decode(), scope["method"], path, status, round(1000 * seconds, 2))
