"""The list of what waits: filters, search, and one category for several tickets that look alike."""

from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.common.agent_api import MOST_AT_ONCE, MOST_COUNTED
from services.web.clients.agent import AgentError
from services.web.forms import MAX_FIELDS, read_form, text_of
from services.web.pages.ticket_card import describe_age
from services.web.site import page_status, redirect, session_of, site_of

PAGE = "/review/waiting"
KINDS = ("unsure", "audit", "labels")
SORTS = ("oldest", "newest", "unsure", "sure")
# What the form asks for, by the names of its fields; the confidence is in percent.
FILTERS = ("text", "kind", "category", "language", "lowest", "highest", "hours", "sort")
PERCENT = ("lowest", "highest")


def add_routes(app: FastAPI) -> None:
    """Add the routes of the list."""
    app.get(PAGE)(show_waiting)
    app.post(PAGE)(ask_to_confirm)
    app.post(f"{PAGE}/answer")(answer_selected)


async def show_waiting(request: Request) -> Response:
    """Show a page of the tickets that the filters let through."""
    return await _page(request, _given(dict(request.query_params)))


async def ask_to_confirm(request: Request) -> Response:
    """Show which tickets would get which category; nothing has happened yet."""
    form = await read_form(request, MAX_FIELDS + MOST_AT_ONCE)
    given = _given({name: text_of(form, name) for name in (*FILTERS, "after")})
    chosen, category = set(form.getlist("ticket")), text_of(form, "selected_category")
    if not (chosen and category):
        return await _page(request, given, wrong=True)
    try:
        found = await site_of(request).agent.search_waiting(_asked(request, given))
    except AgentError as trouble:
        return await _page(request, given, trouble)
    tickets = [row for row in found.tickets if row["ticket_id"] in chosen and not row["held"]]
    values = {"tickets": tickets, "category": category, "given": given, "back": _address(given)}
    return site_of(request).page(request, "confirm_bulk.html", **values)


async def answer_selected(request: Request) -> Response:
    """Give the tickets their category, and show the list again."""
    form, session = await read_form(request, MAX_FIELDS + MOST_AT_ONCE), session_of(request)
    given = _given({name: text_of(form, name) for name in (*FILTERS, "after")})
    ticket_ids = [each for each in form.getlist("ticket") if isinstance(each, str)]
    try:
        done = await site_of(request).agent.answer_all(
            ticket_ids, text_of(form, "selected_category"), session.reviewer, session.name
        )
    except AgentError as trouble:
        if trouble.status != 409:
            return await _page(request, given, trouble)
        session.notice = ["notice.all_taken", {}]
        return redirect(_address(given | {"after": ""}))
    session.remember(f"feedback/bulk/{done['batch_id']}", ticket_ids[0], PAGE)
    said = {"n": done["answered"], "category": done["category"], "left_out": done["left_out"]}
    session.notice = ["notice.bulk.partly" if done["left_out"] else "notice.bulk.answered", said]
    return redirect(_address(given | {"after": ""}))


def _given(fields: dict[str, str]) -> dict[str, str]:
    """Return what the filters say, "" for those that say nothing."""
    given = {name: fields.get(name, "").strip()[:500] for name in (*FILTERS, "after")}
    return given | {"sort": given["sort"] if given["sort"] in SORTS else SORTS[0]}


def _asked(request: Request, given: dict[str, str]) -> dict[str, Any]:
    """Return the filters as the agent takes them; it refuses those that make no sense."""
    asked: dict[str, Any] = {name: value for name, value in given.items() if value}
    for name in PERCENT:
        if (value := given[name].rstrip("%").replace(",", ".")).replace(".", "", 1).isdecimal():
            asked[name] = float(value) / 100
    return asked | {"reviewer": session_of(request).reviewer}


def _address(given: dict[str, str]) -> str:
    """Return the address of the list with these filters."""
    said = urlencode({name: value for name, value in given.items() if value})
    return f"{PAGE}?{said}"


async def _page(
    request: Request, given: dict[str, str], trouble: AgentError | None = None, wrong: bool = False
) -> Response:
    site = site_of(request)
    words = site.words(request)
    values: dict[str, Any] = {"found": None, "ages": {}, "following": None, "labels": [], "most": MOST_COUNTED}
    try:
        found = await site.agent.search_waiting(_asked(request, given))
        ages = {row["ticket_id"]: describe_age(row["received_at"], words) for row in found.tickets}
        following = _address(given | {"after": found.next}) if found.next else None
        labels = await site.agent.categories([])
        values |= {"found": found, "ages": ages, "following": following, "labels": labels}
    except AgentError as another:
        trouble = trouble or another
    values |= {"given": given, "kinds": KINDS, "sorts": SORTS, "wrong": wrong, "first": _address(given | {"after": ""})}
    return site.page(request, "waiting.html", 422 if wrong else page_status(trouble), trouble=trouble, **values)
