"""The review page: one waiting ticket at a time, which only this person holds."""

import logging
import re
from typing import Any, get_args

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.common.agent_api import SKIPPED, TICKET_ID, WITH_COMMENT, RequestedOrder, ReviewOutcome
from services.common.problems import Problem
from services.web.clients.agent import AgentError
from services.web.forms import read_form, text_of
from services.web.marking import mark
from services.web.pages.ticket_card import assign_keys, describe_ticket, look_alikes_address
from services.web.site import page_status, redirect, session_of, site_of

logger = logging.getLogger("services.web.review")
ORDERS = get_args(RequestedOrder)
# The ways to end a review without a category, and the key of each.
OUTCOMES: dict[ReviewOutcome, str] = {"none": "n", "not_ticket": "t", "several": "m", "skipped": "k"}


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
    """Give the ticket its category, or end the review without one, and show the next ticket."""
    form = await read_form(request)
    ticket_id, after, comment = (text_of(form, name) for name in ("ticket_id", "after", "comment"))
    outcome = next((each for each in OUTCOMES if each == text_of(form, "outcome")), None)
    if outcome in WITH_COMMENT and not comment.strip():
        return await _page(request, ticket_id, after, wrong=True)
    try:
        if outcome:
            await _end(request, ticket_id, outcome, comment)
        else:
            await _answer(request, ticket_id, text_of(form, "category"), comment)
    except AgentError as trouble:
        return await _page(request, ticket_id, after, trouble, comment)
    after = ticket_id if outcome == SKIPPED else after
    return redirect(f"/review?after={after}" if _is_ticket_id(after) else "/review")


async def _answer(request: Request, ticket_id: str, category: str, comment: str) -> None:
    session = session_of(request)
    noted = await site_of(request).agent.answer(ticket_id, category, session.name, comment=comment or None)
    session.remember(f"feedback/{noted['answer_id']}", noted["ticket_id"], "/review")
    session.notice = ["notice.answered", {"category": noted["category"]}]


async def _end(request: Request, ticket_id: str, outcome: ReviewOutcome, comment: str) -> None:
    session = session_of(request)
    noted = await site_of(request).agent.end_review(ticket_id, outcome, session.name, comment or None)
    session.remember(f"outcomes/{noted['outcome_id']}", noted["ticket_id"], "/review")
    session.notice = [f"notice.outcome.{outcome}", {}]


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


async def _page(
    request: Request,
    ticket_id: str,
    after: str,
    trouble: AgentError | None = None,
    comment: str = "",
    wrong: bool = False,
) -> Response:
    """Show the ticket of an id if it is free, else the next after the one that was skipped last.

    trouble is the error of an earlier step, if any, and comment what was written for it; wrong: a comment is missing.
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
            values["look_alikes"] = look_alikes_address(ticket, pieces)
    except AgentError as another:
        trouble = trouble or another
    values |= {"orders": ORDERS, "outcomes": OUTCOMES, "comment": comment, "wrong": wrong}
    values["descriptions"] = site.descriptions
    return site.page(request, "review.html", 422 if wrong else page_status(trouble), trouble=trouble, **values)


def _is_ticket_id(text: str) -> bool:
    return re.fullmatch(TICKET_ID, text) is not None
