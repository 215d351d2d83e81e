"""The review page: one waiting ticket at a time, which only this person holds."""

import logging
import re
from typing import Any, get_args

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.common.agent_api import TICKET_ID, RequestedOrder
from services.common.problems import Problem
from services.web.clients.agent import AgentError
from services.web.forms import read_form, text_of
from services.web.marking import mark
from services.web.pages.ticket_card import assign_keys, describe_ticket
from services.web.site import page_status, redirect, session_of, site_of

logger = logging.getLogger("services.web.review")
ORDERS = get_args(RequestedOrder)


def add_routes(app: FastAPI) -> None:
    """Add the page's routes."""
    app.get("/review")(show_review)
    app.post("/review")(answer_review)
    app.post("/erase")(erase_ticket)


async def show_review(request: Request, ticket: str = "", after: str = "", order: str = "") -> Response:
    """Show the ticket of an id, or the next after the one that was skipped last; an order stays for the session."""
    if order in ORDERS:
        session_of(request).review_order = order
    return await _page(request, ticket, after)


async def answer_review(request: Request) -> Response:
    """Give the ticket its category, and show the next one."""
    form = await read_form(request)
    ticket_id, category, after = (text_of(form, name) for name in ("ticket_id", "category", "after"))
    session = session_of(request)
    try:
        noted = await site_of(request).agent.answer(ticket_id, category, session.name, None)
    except AgentError as trouble:
        return await _page(request, ticket_id, after, trouble)
    session.remember(noted["answer_id"], noted["ticket_id"], "/review")
    session.notice = ["notice.answered", {"category": noted["category"]}]
    return redirect(f"/review?after={after}" if _is_ticket_id(after) else "/review")


async def erase_ticket(request: Request) -> Response:
    """Erase a ticket with people's answers, for a lead, and show the next one."""
    form, session = await read_form(request), session_of(request)
    ticket_id = text_of(form, "ticket_id")
    if session.role != "lead" or not _is_ticket_id(ticket_id):
        raise Problem(403, "only leads may erase tickets")
    try:
        await site_of(request).agent.erase(ticket_id)
    except AgentError as trouble:
        if trouble.status != 404:
            return await _page(request, ticket_id, "", trouble)
    logger.info("ticket erased", extra={"ticket_id": ticket_id, "person": session.name})
    session.notice = ["notice.erased", {}]
    return redirect("/review")


async def _page(request: Request, ticket_id: str, after: str, trouble: AgentError | None = None) -> Response:
    """Show the ticket of an id if it is free, else the next after the one that was skipped last.

    trouble is the error of an earlier step, if any.
    """
    site = site_of(request)
    values: dict[str, Any] = {"ticket": None, "waiting": None, "after": "", "labels": [], "keys": {}, "pieces": []}
    skipped, wanted = (each if _is_ticket_id(each) else None for each in (after, ticket_id))
    try:
        session = session_of(request)
        found = await site.agent.next_review(session.reviewer, skipped, wanted, session.review_order)
        values |= {"ticket": found.ticket, "waiting": found.waiting, "after": skipped or ""}
        if ticket := found.ticket:
            labels = await site.agent.categories(ticket.suggestion.best if ticket.suggestion else [])
            card = describe_ticket(ticket, site.settings.ticket_url, site.words(request))
            pieces = await site.long_texts.run(len(ticket.text), mark, ticket.text, card["contrast"].terms, True)
            values |= {"labels": labels, "keys": assign_keys(labels, ticket), "pieces": pieces} | card
    except AgentError as another:
        trouble = trouble or another
    return site.page(request, "review.html", page_status(trouble), trouble=trouble, orders=ORDERS, **values)


def _is_ticket_id(text: str) -> bool:
    return re.fullmatch(TICKET_ID, text) is not None
