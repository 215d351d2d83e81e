"""The login page: people log in with the team's password and their own name, and log out."""

import hmac
import logging
import math

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.web.forms import read_form, text_of
from services.web.site import PAGES, redirect, session_of, site_of

logger = logging.getLogger("services.web.login")
MAX_NAME_LENGTH = 80


def add_routes(app: FastAPI) -> None:
    """Add the page's routes."""
    app.get("/login")(show_login)
    app.post("/login")(log_in)
    app.post("/logout")(log_out)


async def show_login(request: Request, next: str = "/") -> Response:
    """Show the login, unless there is no need for one."""
    site = site_of(request)
    if site.settings.web_password is None or session_of(request).logged_in:
        return redirect(_own_page(next))
    return site.page(request, "login.html", wrong=None, name="", next=_own_page(next))


async def log_in(request: Request) -> Response:
    """Log in, or say what is wrong."""
    with site_of(request).login_attempts.under_way(request.client.host if request.client else ""):
        return await _log_in(request)


async def _log_in(request: Request) -> Response:
    site, form = site_of(request), await read_form(request)
    password, attempts = site.settings.web_password, site.login_attempts
    if password is None:
        return redirect("/")
    name = " ".join(text_of(form, "name").split())
    values = {"name": name, "next": _own_page(text_of(form, "next"))}
    address = request.client.host if request.client else ""
    if wait := math.ceil(attempts.wait(address)):
        page = site.page(request, "login.html", 429, wrong="wait", **values)
        page.headers["Retry-After"] = str(wait)
        return page
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        return site.page(request, "login.html", 422, wrong="name", **values)
    if not hmac.compare_digest(text_of(form, "password").encode(), password.get_secret_value().encode()):
        attempts.failed(address)
        site.metrics.failed_logins.inc()
        logger.warning("login failed", extra={"address": address, "person": name})
        return site.page(request, "login.html", 403, wrong="password", **values)
    attempts.succeeded(address)
    session_of(request).begin(name)
    return redirect(values["next"])


async def log_out(request: Request) -> Response:
    """End the session, and delete its files."""
    await read_form(request)
    jobs, session = site_of(request).jobs, session_of(request)
    for job in jobs.of(session.id):
        jobs.delete(job)
    site_of(request).sessions.end(session)
    return redirect("/login")


def _own_page(path: str) -> str:
    """Return the path if it is one of our pages, else "/": a link must not redirect people to other sites."""
    return path if path in PAGES else "/"
