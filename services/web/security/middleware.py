"""What every request for a page goes through: session, login, limits on its body, and security headers.

The middleware of services/common is around it; that one knows nothing about sessions.
"""

import asyncio
import logging
from dataclasses import asdict

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.middleware import MACHINE_PATHS, current_request_id
from services.common.problems import Problem
from services.web.pages.problem_pages import problem_response
from services.web.security.openid import CALLBACK
from services.web.security.sessions import Session, cookie_name
from services.web.site import PAGES, Site, redirect

logger = logging.getLogger("services.web")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LOGIN_PATHS = ("/login", "/login/provider", CALLBACK)
# The form around a file adds a few lines to it.
FORM_BYTES = 20_000
# A body over its limit is read and discarded up to so many times the limit: browsers show no answer before they have
# sent everything.
DISCARD_FACTOR = 5


class PageMiddleware:
    """ASGI middleware around the pages."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        """Calls the application with the session in scope["state"]."""
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        secure = scope["scheme"] == "https"
        known = self._site.sessions.read(_cookie(Headers(scope=scope), cookie_name(secure)))
        session, before = known or Session(), asdict(known) if known else None
        scope["state"]["session"] = session
        # authlib keeps what it has to remember there.
        scope["session"] = session.openid
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if secure:
                    headers["Strict-Transport-Security"] = f"max-age={365 * 86400}"
                if self._has_session(scope["path"]) and asdict(session) != before:
                    headers.append("Set-Cookie", self._site.sessions.cookie(session, secure))
            await send(message)

        request = Request(scope, receive)
        if refusal := self._refusal(request, session):
            await refusal(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, self._limited(scope, receive), send_guarded)
        except Exception as error:
            logger.error("internal error", exc_info=error, extra={"request_id": current_request_id.get()})
            if started:
                raise
            problem = Problem(500, "internal error; the log has the details")
            await problem_response(self._site, request, problem)(scope, receive, send_guarded)

    def _has_session(self, path: str) -> bool:
        """Whether a path is for people: neither probes nor static files need a session."""
        return path not in MACHINE_PATHS and path not in self._site.files

    def _refusal(self, request: Request, session: Session) -> Response | None:
        """Return the response to what the outer middleware has refused, or to somebody who is not logged in."""
        # Such as one request too many, or a form of another site.
        if turned_away := request.scope["state"].get("refusal"):
            return problem_response(self._site, request, turned_away)
        # As the router sees it; request.url also depends on headers.
        path = request.scope["path"]
        if not self._has_session(path):
            return None
        chosen = request.query_params.get("lang")
        if chosen in self._site.languages:
            session.language = chosen
        posted = request.method != "GET"
        if not self._site.settings.needs_login or session.logged_in or path in LOGIN_PATHS:
            return None
        if posted:
            return problem_response(self._site, request, Problem(401, "log in on a page of this service first"))
        return redirect(f"/login?next={path}" if path in PAGES else "/login")

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Return a receive that raises a Problem when the body is too big or too slow."""
        settings, upload = self._site.settings, scope["path"] == "/batch"
        limit = settings.max_upload_bytes + FORM_BYTES if upload else settings.max_body_bytes
        seconds = settings.upload_seconds if upload else settings.body_seconds
        clock = asyncio.get_running_loop()
        ends, read, complete = clock.time() + seconds, 0, False

        async def receive_limited() -> Message:
            nonlocal read, complete
            while not complete:
                try:
                    async with asyncio.timeout_at(ends):
                        message = await receive()
                except TimeoutError:
                    raise Problem(
                        408, f"the body did not arrive within {seconds:g} s", {"Connection": "close"}
                    ) from None
                if message["type"] == "http.disconnect":
                    raise Problem(400, "the client disconnected before its request was complete")
                read += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if read > DISCARD_FACTOR * limit or (complete and read > limit):
                    raise Problem(413, f"the body is larger than {limit} bytes", {"Connection": "close"})
                if read <= limit:
                    return message
            return await receive()

        return receive_limited


def _cookie(headers: Headers, name: str) -> str | None:
    """Return the value of a cookie. Ours are never quoted, and http.cookies is quadratic before Python 3.12.6."""
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return next((value for found, _, value in pairs if found == name), None)
