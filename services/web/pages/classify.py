"""The page that classifies a pasted ticket, explains the category, and takes corrections."""

from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from callcenterai.text.joining import join_texts
from services.web.clients.agent import AgentError
from services.web.forms import read_form, text_of
from services.web.marking import mark
from services.web.site import redirect, session_of, site_of


def add_routes(app: FastAPI) -> None:
    """Add the page's routes."""
    app.get("/")(show_ticket_form)
    app.post("/")(classify_ticket)
    app.post("/answer")(correct_category)


async def show_ticket_form(request: Request) -> Response:
    """Show the page without a ticket."""
    return _page(request)


async def classify_ticket(request: Request) -> Response:
    """Show the category of a ticket."""
    site = site_of(request)
    form = await read_form(request)
    asked: dict[str, Any] = {name: text_of(form, name) for name in ("text", "subject")}
    # What the agent makes of the two, which a correction has to repeat.
    whole = join_texts([asked["subject"], asked["text"]])
    if not asked["text"].strip():
        return _page(request, 422, **asked, wrong="empty")
    if len(whole) > site.settings.max_text_length:
        return _page(request, 422, **asked, wrong="long")
    try:
        found = await site.agent.predict(**asked)
    except AgentError as trouble:
        return _page(request, trouble.status, **asked, trouble=trouble)
    explanation, text = found.get("explanation", []), found.get("text", "")
    pieces = await site.long_texts.run(len(text), mark, text, explanation, bool(found["personal_data"]))
    labels = await site.agent.categories(found["best"])
    return _page(request, **asked, whole=whole, found=found, explanation=explanation, pieces=pieces, labels=labels)


async def correct_category(request: Request) -> Response:
    """Store the category that a person has given to the ticket instead."""
    form = await read_form(request)
    given = {name: text_of(form, name) for name in ("ticket_id", "category", "text")}
    session = session_of(request)
    try:
        noted = await site_of(request).agent.answer(**given, by=session.name)
    except AgentError as trouble:
        return _page(request, trouble.status, text=given["text"], trouble=trouble)
    session.remember(f"feedback/{noted['answer_id']}", noted["ticket_id"], "/")
    session.notice = ["notice.corrected", {"category": noted["category"]}]
    return redirect("/")


def _page(request: Request, status: int = 200, **values: Any) -> Response:
    empty: dict[str, Any] = dict.fromkeys(("text", "subject", "whole"), "")
    empty |= {"wrong": None, "trouble": None, "found": None, "pieces": [], "labels": []}
    return site_of(request).page(request, "classify.html", status, **(empty | values))
