"""The login page: people log in with the team's password and their own name, and log out."""

import hmac
import math

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from services.web.forms import read_form, text_of
from services.web.site import PAGES, Site, redirect, session_of

MAX_NAME_LENGTH = 80


def add_routes(app: FastAPI, site: Site) -> None:
    """Add the page's routes."""
    password = site.settings.web_password

    @app.get("/login")
    async def show(request: Request, next: str = "/") -> Response:
        if password is None or session_of(request).logged_in:
            return redirect(_own_page(next))
        return site.page(request, "login.html", wrong=None, name="", next=_own_page(next))

    @app.post("/login")
    async def login(request: Request) -> Response:
        form = await read_form(request, site)
        name, given, target = (text_of(form, field) for field in ("name", "password", "next"))
        name = " ".join(name.split())
        values = {"name": name, "next": _own_page(target)}
        if password is None:
            return redirect("/")
        address = request.client.host if request.client else ""
        if wait := math.ceil(site.login_attempts.wait(address)):
            page = site.page(request, "login.html", 429, wrong="wait", **values)
            page.headers["Retry-After"] = str(wait)
            return page
        if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            return site.page(request, "login.html", 422, wrong="name", **values)
        if not hmac.compare_digest(given.encode(), password.get_secret_value().encode()):
            site.login_attempts.failed(address)
            return site.page(request, "login.html", 403, wrong="password", **values)
        site.login_attempts.succeeded(address)
        session_of(request).begin(name)
        return redirect(values["next"])

    @app.post("/logout")
    async def logout(request: Request) -> RedirectResponse:
        await read_form(request, site)
        session = session_of(request)
        for job in site.jobs.of(session.id):
            site.jobs.delete(job)
        session.end()
        return redirect("/login")


def _own_page(path: str) -> str:
    """Return the path if it is one of our pages, else "/": a link must not redirect people to other sites."""
    return path if path in PAGES else "/"
