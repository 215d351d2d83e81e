"""Withdraws the last answer of a session, whichever page it was given on."""

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.web.clients.agent import AgentError
from services.web.forms import read_form
from services.web.site import redirect, session_of, site_of


def add_routes(app: FastAPI) -> None:
    """Add the route that the buttons of the pages send to."""
    app.post("/undo")(withdraw_last_answer)


async def withdraw_last_answer(request: Request) -> Response:
    """Withdraw the answer, and show its page again."""
    await read_form(request)
    site, session = site_of(request), session_of(request)
    if not session.answers:
        session.notice = ["notice.nothing", {}]
        return redirect("/review")
    address, ticket_id, page = session.answers[-1]
    try:
        await site.agent.withdraw(f"feedback/{address}" if isinstance(address, int) else address)
    except AgentError as trouble:
        # An answer that the agent no longer has needs no withdrawal.
        if trouble.status != 404:
            return site.page(request, "problem.html", trouble.status, code=trouble.status, trouble=trouble)
    session.answers = session.answers[:-1]
    session.notice = ["notice.undone", {}]
    return redirect(f"/review?ticket={ticket_id}" if page == "/review" else page)
