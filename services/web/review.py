"""The page on which somebody answers the tickets that the models were unsure of, one at a time."""

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
# So many of the oldest tickets can be passed over; then it starts again with the oldest.
MOST_SKIPPED = 19


def add_routes(app: FastAPI, site: Site) -> None:
    """Add the page's routes."""

    @app.get("/review")
    async def show(request: Request, ticket: str = "", skip: str = "") -> Response:
        return await _page(site, request, ticket, _number(skip))

    @app.post("/review")
    async def answer(request: Request) -> Response:
        form = await read_form(request, site)
        ticket_id, category, skip = (text_of(form, name) for name in ("ticket_id", "category", "skip"))
        session = session_of(request)
        try:
            noted = await site.agent.answer(ticket_id, category, session.name, None)
        except AgentTrouble as trouble:
            return await _page(site, request, ticket_id, _number(skip), trouble)
        session.remember(noted.answer_id, noted.ticket_id, "/review")
        session.said = ["said.answered", {"category": noted.category}]
        return see(f"/review?skip={_number(skip)}" if _number(skip) else "/review")


def _number(skip: str) -> int:
    """Return how many tickets are passed over."""
    return int(skip) % (MOST_SKIPPED + 1) if skip.isascii() and skip.isdigit() and len(skip) < 4 else 0


async def _page(
    site: Site, request: Request, ticket_id: str, skip: int, trouble: AgentTrouble | None = None
) -> Response:
    """Show the ticket of an id, or the first of the queue behind those passed over; trouble is what came before."""
    values: dict[str, Any] = {"ticket": None, "waiting": None, "skip": 0, "labels": [], "keys": {}, "pieces": []}
    try:
        queue = await site.agent.reviews(skip + 1)
        ticket = await _ticket(site, request, ticket_id) if ticket_id else None
        if ticket is None and queue.tickets:
            # When others have answered meanwhile, there are fewer than were passed over.
            skip = skip if skip < len(queue.tickets) else 0
            ticket = queue.tickets[skip]
        labels = (await site.agent.status()).labels
        values |= {"ticket": ticket, "waiting": queue.waiting, "skip": skip, "labels": labels}
        if ticket:
            values |= {"keys": _keys(labels, ticket), "pieces": mark(ticket.text or "", ticket.explanation or [], True)}
    except AgentTrouble as found:
        trouble = trouble or found
    return site.page(request, "review.html", trouble.status if trouble else 200, trouble=trouble, **values)


async def _ticket(site: Site, request: Request, ticket_id: str) -> WaitingTicket | None:
    try:
        return await site.agent.ticket(ticket_id)
    except AgentTrouble as trouble:
        if trouble.status != 404:
            raise
        return None


def _keys(labels: list[str], ticket: WaitingTicket) -> dict[str, str]:
    """Return the key of each category that has one: all, always the same, or of too many the most probable ones."""
    chosen = labels if len(labels) <= MOST_KEYS else [choice.category for choice in ticket.best]
    return {category: str(number % 10) for number, category in enumerate(chosen[:MOST_KEYS], start=1)}
