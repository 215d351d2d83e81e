"""The lead's page: what the team has answered, how it agrees with the model, and when the queue will be empty."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from callcenterai.formats.delimited import csv_bytes, without_formulas
from services.common.agent_api import PersonDay, QueueFigures
from services.common.problems import Problem
from services.web.clients.agent import AgentError
from services.web.pages.ticket_card import describe_age
from services.web.site import page_status, session_of, site_of
from services.web.words import Words

PERIODS = (1, 7, 30, 90)
DEFAULT_DAYS = 7
COLUMNS = tuple(PersonDay.model_fields)
# Excel takes a file without this mark for one in the encoding of its country.
MARK = "\ufeff".encode()


def add_routes(app: FastAPI) -> None:
    """Add the page's routes."""
    app.get("/team")(show_team)
    app.get("/team/answers.csv")(export_team)


async def show_team(request: Request, days: str = "") -> Response:
    """Show the figures of some days to a lead."""
    _check_lead(request)
    site, period = site_of(request), _period(days)
    values: dict[str, Any] = {
        "report": None,
        "days": period,
        "periods": PERIODS,
        "age": None,
        "empty": None,
        "trouble": None,
    }
    try:
        report = await site.agent.team(period)
        words, oldest = site.words(request), report.queue.oldest
        values |= {"report": report, "empty": describe_emptying(report.queue, words)}
        values["age"] = describe_age(oldest, words) if oldest else None
    except AgentError as trouble:
        values["trouble"] = trouble
        return site.page(request, "team.html", page_status(trouble), **values)
    return site.page(request, "team.html", **values)


async def export_team(request: Request, days: str = "") -> Response:
    """Return the table of people and days as CSV; no cell can be a formula, whatever somebody calls themselves."""
    _check_lead(request)
    try:
        report = await site_of(request).agent.team(_period(days))
    except AgentError as trouble:
        raise Problem(trouble.status, "the agent gives no report") from None
    rows = (without_formulas(each.model_dump().values()) for each in report.people)
    headers = {"Content-Disposition": f'attachment; filename="answers-{datetime.now(UTC).date()}.csv"'}
    return Response(MARK + csv_bytes(COLUMNS, rows), media_type="text/csv", headers=headers)


def describe_emptying(queue: QueueFigures, words: Words) -> str:
    """Return when the queue will be empty if the last hours go on, or that it will not be."""
    if not queue.waiting:
        return words("team.empty")
    shrinks = queue.answered_per_hour - queue.arrived_per_hour
    if shrinks <= 0:
        return words("team.grows")
    hours = queue.waiting / shrinks
    if hours < 1:
        return words("team.soon")
    until = datetime.now(UTC) + timedelta(hours=hours)
    return words("team.until", hours=words.number(round(hours)), at=until.strftime("%Y-%m-%d %H:%M"))


def _check_lead(request: Request) -> None:
    # For everybody else there is no such page: who answers how much is for leads alone.
    if session_of(request).role != "lead":
        raise Problem(404, "only leads see this page")


def _period(days: str) -> int:
    return int(days) if days in map(str, PERIODS) else DEFAULT_DAYS
