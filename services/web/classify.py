"""The page on which somebody pastes a ticket, sees where it goes and why, and may correct that."""

from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.web.agent import AgentTrouble
from services.web.answers import Prediction
from services.web.forms import read_form, text_of
from services.web.marking import mark
from services.web.site import Site, see, session_of


def add_routes(app: FastAPI, site: Site) -> None:
    """Add the page's routes."""

    @app.get("/")
    async def show(request: Request) -> Response:
        return _page(site, request)

    @app.post("/")
    async def classify(request: Request) -> Response:
        text = text_of(await read_form(request, site), "text")
        if not text.strip():
            return _page(site, request, 422, text=text, wrong="empty")
        if len(text) > site.settings.max_text_length:
            return _page(site, request, 422, text=text, wrong="long")
        try:
            found = await site.agent.predict(text)
        except AgentTrouble as trouble:
            return _page(site, request, trouble.status, text=text, trouble=trouble)
        pieces = mark(found.text, found.explanation, bool(found.personal_data))
        labels = await _labels(site, request, found)
        return _page(site, request, text=text, found=found, pieces=pieces, labels=labels)

    @app.post("/answer")
    async def answer(request: Request) -> Response:
        form = await read_form(request, site)
        given = {name: text_of(form, name) for name in ("ticket_id", "category", "text")}
        session = session_of(request)
        try:
            noted = await site.agent.answer(**given, by=session.name)
        except AgentTrouble as trouble:
            return _page(site, request, trouble.status, text=given["text"], trouble=trouble)
        session.remember(noted.answer_id, noted.ticket_id, "/")
        session.said = ["said.corrected", {"category": noted.category}]
        return see("/")

    @app.post("/undo")
    async def undo(request: Request) -> Response:
        await read_form(request, site)
        session = session_of(request)
        if not session.answers:
            session.said = ["said.nothing", {}]
            return see("/review")
        answer_id, ticket_id, page = session.answers[-1]
        try:
            await site.agent.withdraw(answer_id)
        except AgentTrouble as trouble:
            if trouble.status != 404:
                return site.page(request, "problem.html", trouble.status, code=trouble.status, trouble=trouble)
        session.answers = session.answers[:-1]
        session.said = ["said.undone", {}]
        return see(f"/review?ticket={ticket_id}" if page == "/review" else page)


def _page(site: Site, request: Request, status: int = 200, **values: Any) -> Response:
    empty = {"text": "", "wrong": None, "trouble": None, "found": None, "pieces": [], "labels": []}
    return site.page(request, "classify.html", status, **(empty | values))


async def _labels(site: Site, request: Request, found: Prediction) -> list[str]:
    """Return the categories to correct with; while the agent cannot name all, the most probable ones."""
    try:
        return (await site.agent.status()).labels
    except AgentTrouble:
        return [choice.category for choice in found.best]
