"""The queue: tickets that the models were unsure of, one at a time, each before one person only."""

import re
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.web.agent import AgentTrouble
from services.web.answers import WaitingTicket
from services.web.forms import read_form, text_of
from services.web.marking import mark
from services.web.site import Site, see, session_of

# The keys 1 to 9, and 0.
MOST_KEYS = 10
TICKET_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def add_routes(app: FastAPI, site: Site) -> None:
    """Add the page's routes."""

    @app.get("/review")
    async def show(request: Request, ticket: str = "", after: str = "") -> Response:
        return await _page(site, request, ticket, after)

    @app.post("/review")
    async def answer(request: Request) -> Response:
        form = await read_form(request, site)
        ticket_id, category, after = (text_of(form, name) for name in ("ticket_id", "category", "after"))
        session = session_of(request)
        try:
            noted = await site.agent.answer(ticket_id, category, session.name, None)
        except AgentTrouble as trouble:
            return await _page(site, request, ticket_id, after, trouble)
        session.remember(noted.answer_id, noted.ticket_id, "/review")
        session.said = ["said.answered", {"category": noted.category}]
        return see(f"/review?after={after}" if TICKET_ID.fullmatch(after) else "/review")


async def _page(
    site: Site, request: Request, ticket_id: str, after: str, trouble: AgentTrouble | None = None
) -> Response:
    """Show the ticket of an id when it can be had, or the next behind the one passed over last.

    trouble is what came before.
    """
    values: dict[str, Any] = {"ticket": None, "waiting": None, "after": "", "labels": [], "keys": {}, "pieces": []}
    passed, wanted = (each if TICKET_ID.fullmatch(each) else None for each in (after, ticket_id))
    try:
        found = await site.agent.next_review(session_of(request).reviewer, passed, wanted)
        labels = (await site.agent.status()).labels
        values |= {"ticket": found.ticket, "waiting": found.waiting, "after": passed or "", "labels": labels}
        if ticket := found.ticket:
            values |= {"keys": _keys(labels, ticket), "pieces": mark(ticket.text, ticket.explanation or [], True)}
    except AgentTrouble as another:
        trouble = trouble or another
    return site.page(request, "review.html", trouble.status if trouble else 200, trouble=trouble, **values)


def _keys(labels: list[str], ticket: WaitingTicket) -> dict[str, str]:
    """Return the key of each category that has one: all, always the same, or of too many the most probable ones."""
    chosen = labels if len(labels) <= MOST_KEYS else [choice.category for choice in ticket.best]
    return {category: str(number % 10) for number, category in enumerate(chosen[:MOST_KEYS], start=1)}
