"""Logging in with the desk's password and one's own name, and out."""

import hmac
import math

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from services.web.forms import read_form, text_of
from services.web.site import PAGES, Site, see, session_of

NAME_LENGTH = 80


def add_routes(app: FastAPI, site: Site) -> None:
    """Add the page's routes."""
    password = site.settings.web_password

    @app.get("/login")
    async def show(request: Request, next: str = "/") -> Response:
        if password is None or session_of(request).logged_in:
            return see(_ours(next))
        return site.page(request, "login.html", wrong=None, name="", next=_ours(next))

    @app.post("/login")
    async def login(request: Request) -> Response:
        form = await read_form(request, site)
        name, given, target = (text_of(form, field) for field in ("name", "password", "next"))
        name = " ".join(name.split())
        values = {"name": name, "next": _ours(target)}
        if password is None:
            return see("/")
        address = request.client.host if request.client else ""
        if wait := math.ceil(site.attempts.wait(address)):
            page = site.page(request, "login.html", 429, wrong="wait", **values)
            page.headers["Retry-After"] = str(wait)
            return page
        if not name or len(name) > NAME_LENGTH or not name.isprintable():
            return site.page(request, "login.html", 422, wrong="name", **values)
        if not hmac.compare_digest(given.encode(), password.get_secret_value().encode()):
            site.attempts.failed(address)
            return site.page(request, "login.html", 403, wrong="password", **values)
        site.attempts.succeeded(address)
        session_of(request).begin(name)
        return see(values["next"])

    @app.post("/logout")
    async def logout(request: Request) -> RedirectResponse:
        await read_form(request, site)
        session = session_of(request)
        for job in site.jobs.of(session.id):
            site.jobs.delete(job)
        session.end()
        return see("/login")


def _ours(path: str) -> str:
    """Return a page to go on to: one of ours, or somebody could send people elsewhere."""
    return path if path in PAGES else "/"
