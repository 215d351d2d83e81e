"""The login page: people log in with the team's password and their own name, and log out."""

import hmac
import logging
import math

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.web.forms import read_form, text_of
from services.web.security.openid import CALLBACK, LoginRefused
from services.web.site import PAGES, redirect, session_of, site_of

logger = logging.getLogger("services.web.login")
MAX_NAME_LENGTH = 80


def add_routes(app: FastAPI) -> None:
    """Add the page's routes."""
    app.get("/login")(show_login)
    app.post("/login")(log_in)
    app.get("/login/provider")(go_to_provider)
    app.get(CALLBACK)(return_from_provider)
    app.post("/logout")(log_out)


async def show_login(request: Request, next: str = "/") -> Response:
    """Show the login, unless there is no need for one."""
    site = site_of(request)
    if not site.settings.needs_login or session_of(request).logged_in:
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


async def go_to_provider(request: Request, next: str = "/") -> Response:
    """Send the person to the OpenID Connect provider."""
    site = site_of(request)
    if site.openid is None:
        return redirect("/login")
    try:
        response = await site.openid.start(request)
    except LoginRefused as refused:
        return _refuse(request, refused)
    # authlib has put a new entry into the session; where the person wanted to go is kept beside it.
    session_of(request).openid["next"] = _own_page(next)
    return response


async def return_from_provider(request: Request) -> Response:
    """Log in a person whom the provider has sent back."""
    site, session = site_of(request), session_of(request)
    if site.openid is None:
        return redirect("/login")
    try:
        person = await site.openid.finish(request)
    except LoginRefused as refused:
        return _refuse(request, refused)
    wanted = _own_page(str(session.openid.get("next", "/")))
    session.begin(" ".join(person.name.split())[:MAX_NAME_LENGTH], person.role)
    return redirect(wanted)


def _refuse(request: Request, refused: LoginRefused) -> Response:
    site, address = site_of(request), request.client.host if request.client else ""
    site.metrics.failed_logins.inc()
    logger.warning("login failed", extra={"address": address, "reason": str(refused)})
    session_of(request).openid.clear()
    return site.page(request, "login.html", 403, wrong=str(refused), name="", next="/")


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
