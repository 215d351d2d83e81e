"""The page that classifies a pasted ticket, explains the category, and takes corrections."""

from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.common.agent_api import RoutedTicket
from services.web.clients.agent import AgentError
from services.web.forms import read_form, text_of
from services.web.marking import mark
from services.web.site import Site, redirect, session_of


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
        except AgentError as trouble:
            return _page(site, request, trouble.status, text=text, trouble=trouble)
        pieces = mark(found.get("text", ""), found.get("explanation", []), bool(found["personal_data"]))
        labels = await _labels(site, request, found)
        explanation = found.get("explanation", [])
        return _page(site, request, text=text, found=found, explanation=explanation, pieces=pieces, labels=labels)

    @app.post("/answer")
    async def answer(request: Request) -> Response:
        form = await read_form(request, site)
        given = {name: text_of(form, name) for name in ("ticket_id", "category", "text")}
        session = session_of(request)
        try:
            noted = await site.agent.answer(**given, by=session.name)
        except AgentError as trouble:
            return _page(site, request, trouble.status, text=given["text"], trouble=trouble)
        session.remember(noted["answer_id"], noted["ticket_id"], "/")
        session.notice = ["notice.corrected", {"category": noted["category"]}]
        return redirect("/")

    @app.post("/undo")
    async def undo(request: Request) -> Response:
        await read_form(request, site)
        session = session_of(request)
        if not session.answers:
            session.notice = ["notice.nothing", {}]
            return redirect("/review")
        answer_id, ticket_id, page = session.answers[-1]
        try:
            await site.agent.withdraw(answer_id)
        except AgentError as trouble:
            if trouble.status != 404:
                return site.page(request, "problem.html", trouble.status, code=trouble.status, trouble=trouble)
        session.answers = session.answers[:-1]
        session.notice = ["notice.undone", {}]
        return redirect(f"/review?ticket={ticket_id}" if page == "/review" else page)


def _page(site: Site, request: Request, status: int = 200, **values: Any) -> Response:
    empty: dict[str, Any] = {"text": "", "wrong": None, "trouble": None, "found": None, "pieces": [], "labels": []}
    return site.page(request, "classify.html", status, **(empty | values))


async def _labels(site: Site, request: Request, found: RoutedTicket) -> list[str]:
    """Return the categories to choose from: all, or the most probable ones if the agent does not answer."""
    try:
        return (await site.agent.status()).labels
    except AgentError:
        return [choice["category"] for choice in found["best"]]
