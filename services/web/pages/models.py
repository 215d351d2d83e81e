"""The page that shows the model services, their metrics, the live accuracy, the registry, and tickets by category."""

import asyncio
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from services.common.agent_api import ModelServiceStatus, TicketVolumes
from services.common.problems import Problem
from services.web.clients.agent import AgentError
from services.web.clients.registry import FIGURES, Figure, RegistryError
from services.web.site import page_status, redirect, site_of

PERIODS = (1, 7, 30, 90)
DEFAULT_DAYS = 30
AUDIT_WEEKS = 8
Found = TypeVar("Found")


class CategoryVolume(NamedTuple):
    """The number of tickets of a category, and how many of those went to review."""

    category: str
    tickets: int
    reviewed: int


def add_routes(app: FastAPI) -> None:
    """Add the page's routes."""
    app.get("/models")(show_models)
    app.get("/models/health")(show_health)
    app.get("/models/report")(show_report)


async def show_models(request: Request, days: str = "") -> Response:
    """Show the whole page."""
    site = site_of(request)
    period = int(days) if days in map(str, PERIODS) else DEFAULT_DAYS
    (status, no_status), (volumes, no_volumes), (audits, no_audits), (models, no_registry) = await asyncio.gather(
        _try(site.agent.status()),
        _try(site.agent.volumes(period)),
        _try(site.agent.audits(AUDIT_WEEKS)),
        _try(site.registry.models()),
    )
    return site.page(
        request,
        "models.html",
        page_status(no_status, no_volumes),
        **_health(status.services if status else {}),
        **{"trouble": no_status, "models": models, "no_registry": no_registry, "no_volumes": no_volumes},
        **{"audits": audits, "no_audits": no_audits},
        **{"volumes": by_category(volumes) if volumes else [], "days": period, "periods": PERIODS},
    )


async def show_health(request: Request) -> Response:
    """Show the part of the page that models.js refreshes."""
    site = site_of(request)
    status, trouble = await _try(site.agent.status())
    services = _health(status.services if status else {})
    return site.page(request, "health.html", page_status(trouble), trouble=trouble, **services)


async def show_report(request: Request, name: str = "", version: str = "") -> Response:
    """Show the report of a version, which training has made: a page of its own, without scripts and other files."""
    try:
        content = await site_of(request).registry.report(name, version)
    except RegistryError:
        # That page explains what is wrong with the registry.
        return redirect("/models#registry")
    if content is None:
        raise Problem(404, "this version has no report")
    return HTMLResponse(content, headers={"Content-Security-Policy": report_policy(content)})


def report_policy(content: bytes) -> str:
    """Return a policy under which the report's own style is all that a browser takes from it beside its text.

    The registry's users write the report, so the browser treats it like a page of a stranger (sandbox).
    """
    style = re.search(rb"<style>(.*?)</style>", content, re.DOTALL)
    allowed = f"'sha256-{b64encode(sha256(style[1]).digest()).decode()}'" if style else "'none'"
    return (
        f"default-src 'none'; style-src {allowed}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox"
    )


async def _try(question: Awaitable[Found]) -> tuple[Found | None, Any]:
    """Return the answer and None, or None and the error: each part of the page is shown without the others."""
    try:
        return await question, None
    except (AgentError, RegistryError) as trouble:
        return None, trouble


def _health(services: dict[str, ModelServiceStatus]) -> dict[str, Any]:
    figures = {name: _figures(service.model or {}) for name, service in services.items()}
    return {"services": services, "figures": figures, "now": datetime.now(UTC).strftime("%H:%M:%S")}


def _figures(model: dict[str, Any]) -> list[Figure]:
    """Return the metrics on test from the card of a service's model."""
    test = (model.get("metrics") or {}).get("test") or {}
    intervals = {name: test.get(f"{name}_ci95") or {} for name in FIGURES}
    return [
        Figure(name, test[name], intervals[name].get("low"), intervals[name].get("high"))
        for name in FIGURES
        if isinstance(test.get(name), float)
    ]


def by_category(volumes: TicketVolumes) -> list[CategoryVolume]:
    """Return the sums over all days, the largest first."""
    tickets: Counter[str] = Counter()
    reviewed: Counter[str] = Counter()
    for entry in volumes.days:
        tickets[entry.category] += entry.tickets
        reviewed[entry.category] += entry.tickets * (entry.decision == "review")
    return [CategoryVolume(category, count, reviewed[category]) for category, count in tickets.most_common()]
