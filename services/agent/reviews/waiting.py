"""The list of what waits, and one answer to several of its tickets."""

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query

from services.agent.metrics import AgentMetrics
from services.agent.routing.router import Router
from services.agent.storage.bulk_answers import BulkAnswers
from services.agent.storage.store import TicketStore
from services.agent.storage.waiting_list import list_waiting
from services.common.agent_api import BulkFeedback, BulkReviewAnswer, WaitingFilter, WaitingPage
from services.common.endpoint import JsonEndpoint, Options
from services.common.problems import documented
from services.common.settings import Settings


def bulk_endpoint(settings: Settings, bulk: BulkAnswers, router: Router, metrics: AgentMetrics) -> JsonEndpoint:
    """Return the endpoint that takes one category for several tickets."""

    async def answer_all(given: Any, _: Options) -> BulkReviewAnswer:
        router.check_category(given.category)
        asked = (given.ticket_ids, given.category, given.by, given.reviewer)
        batch, answered = await asyncio.to_thread(bulk.add, *asked)
        for each in answered:
            metrics.labelled(metrics.answers, each.decision, str(each.agrees).lower()).inc()
        left_out = len(set(given.ticket_ids)) - len(answered)
        return {"batch_id": batch, "category": given.category, "answered": len(answered), "left_out": left_out}

    return JsonEndpoint(settings, BulkFeedback, BulkReviewAnswer, answer_all, options=(), failures=(409,), status=201)


def add_waiting_routes(app: FastAPI, store: TicketStore, bulk: BulkAnswers) -> None:
    """Add the route of the list, and the one that withdraws an answer to several tickets."""

    @app.get("/reviews/search", summary="Which waiting tickets are like this?", responses=documented(401, 422, 503))
    def search(wanted: Annotated[WaitingFilter, Query()]) -> WaitingPage:
        return list_waiting(store, wanted)

    @app.delete("/feedback/bulk/{batch_id}", summary="Withdraw answers", responses=documented(401, 404, 422, 503))
    def withdraw_all(batch_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")]) -> dict[str, int]:
        return {"withdrawn": bulk.withdraw(batch_id)}
