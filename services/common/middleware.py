"""What every request goes through before and after its handler: id, key, limit, log line, metrics."""

import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.endpoint import JsonEndpoint
from services.common.hosts import HostCheck
from services.common.logs import write_access
from services.common.metrics import Metrics
from services.common.problems import Problem, respond
from services.common.settings import Settings

logger = logging.getLogger("services")
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Probes and Prometheus ask these every few seconds, without a session; they are not logged.
METRICS_PATH = "/metrics"
MACHINE_PATHS = frozenset(("/health", "/ready", METRICS_PATH))
# Answered without a key: they reveal nothing about tickets.
OPEN_PATHS = MACHINE_PATHS | {"/model", "/docs", "/openapi.json"}
# The scripts and styles of /docs are below this path.
DOCS_FILES = "/docs-files"
RETRY_SECONDS = "1"
# What the log and the metrics have for a request that got no response; nginx uses the same number.
NO_RESPONSE = 499
# The id of the request that is being answered, to be passed on to the services that it asks.
current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")


class RequestBudget:
    """How many requests of a kind may be answered at once, and how many are."""

    def __init__(self, most: int) -> None:
        """Nothing is being answered yet."""
        self.most, self.used = most, 0


class ServiceMiddleware:
    """The outermost ASGI application of a service; the endpoints and FastAPI are behind it."""

    def __init__(
        self,
        app: FastAPI,
        endpoints: Mapping[str, JsonEndpoint],
        settings: Settings,
        metrics: Metrics,
        refuse: Callable[[Problem], ASGIApp] = respond,
        budgets: Mapping[str, int] | None = None,
    ) -> None:
        """Endpoints answer their paths, the application all others; refuse makes responses of our own refusals.

        budgets has the requests that do not count with the others, such as "POST /login", and how many may be at once.
        """
        self._app, self._endpoints, self.metrics, self._refuse = app, endpoints, metrics, refuse
        # All other paths are counted as one, or clients could create any number of metrics.
        self._paths = frozenset(endpoints) | {route.path for route in app.routes if isinstance(route, Route)}
        self._keys = [key.get_secret_value().encode() for key in settings.api_keys]
        self._needs_key, self._hosts = settings.needs_key, HostCheck(settings)
        self._metrics_elsewhere = settings.metrics_port is not None
        self._shows_metrics = settings.on_loopback or settings.allow_anonymous
        self._shared = RequestBudget(settings.max_in_flight)
        self._budgets = {request: RequestBudget(most) for request, most in (budgets or {}).items()}
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), NO_RESPONSE
        headers, path = dict(scope["headers"]), scope["path"]
        method, no_body = scope["method"], scope["method"] == "HEAD"
        budget = self._budgets.get(f"{method} {path}", self._shared)
        if no_body:
            # HEAD is answered like GET, without the body (RFC 9110, 9.3.2).
            scope = dict(scope, method="GET")
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            # Of two names, a proxy may believe another one than we do.
            headers[b"host"] = b""
        request_id = _request_id(headers)
        current_request_id.set(request_id.decode())

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            elif no_body:
                message = dict(message, body=b"")
            await send(message)

        self._in_flight += 1
        budget.used += 1
        try:
            if refusal := self._refusal(method, path, headers, budget):
                await self._refuse(refusal)(scope, receive, send_with_id)
            else:
                await self._endpoints.get(path, self._app)(scope, receive, send_with_id)
        except Exception as error:
            logger.error("internal error", exc_info=error, extra={"request_id": request_id.decode()})
            # Once the response has begun, only the server can end the connection.
            if status != NO_RESPONSE:
                raise
            await respond(Problem(500, "internal error; the log has the details"))(scope, receive, send_with_id)
        finally:
            self._in_flight -= 1
            budget.used -= 1
            self._record(method, scope, status, time.perf_counter() - started, request_id)

    def _refusal(self, method: str, path: str, headers: dict[bytes, bytes], budget: RequestBudget) -> Problem | None:
        if refusal := self._hosts.refusal(method, path, headers):
            return refusal
        if path == METRICS_PATH and (self._metrics_elsewhere or not self._shows_metrics):
            return self._metrics_refusal(headers)
        if path in OPEN_PATHS or path.startswith(f"{DOCS_FILES}/"):
            return None
        if self._needs_key and not self._has_key(headers):
            hint = "send one as `Authorization: Bearer KEY`" if self._keys else "the service has none: set API_KEYS"
            return Problem(401, f"a key is needed; {hint}", {"WWW-Authenticate": "Bearer"})
        if budget.used > budget.most:
            self.metrics.turned_away.inc()
            return Problem(503, "too many requests at once", {"Retry-After": RETRY_SECONDS})
        return None

    def _metrics_refusal(self, headers: dict[bytes, bytes]) -> Problem | None:
        if self._metrics_elsewhere:
            return Problem(404, "the metrics are at METRICS_PORT")
        if self._has_key(headers):
            return None
        return Problem(401, "the metrics need a key, or a port of their own: set METRICS_PORT")

    def _has_key(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        # Every key is compared, so that the time it takes does not depend on which one matches.
        matches = [hmac.compare_digest(given.strip(), key) for key in self._keys]
        return any(matches)

    def _record(self, method: str, scope: Scope, status: int, seconds: float, request_id: bytes) -> None:
        # FastAPI leaves the matched route in the scope; its path has placeholders instead of ids.
        path = getattr(scope.get("route"), "path", scope["path"])
        path = path if path in self._paths else "other"
        self.metrics.requested(path, status, seconds, self._in_flight)
        if path not in MACHINE_PATHS or status >= 400:
            write_access(request_id.decode(), method, path, status, round(1000 * seconds, 2))


def _request_id(headers: dict[bytes, bytes]) -> bytes:
    """Return the id that the client has given to its request, or a new one."""
    given = headers.get(b"x-request-id", b"")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16).encode()
