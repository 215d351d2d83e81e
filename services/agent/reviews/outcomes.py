"""Takes how reviews ended without a category: none fits, no ticket, several at once, or skipped with a reason."""

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Path

from services.agent.examination import TextExaminer
from services.agent.metrics import AgentMetrics
from services.agent.storage.outcomes import OutcomeStore
from services.common.agent_api import OutcomeRequest, RecordedOutcome
from services.common.endpoint import JsonEndpoint, Options
from services.common.problems import documented
from services.common.settings import Settings


class OutcomeRecorder:
    """Records outcomes, counts them, and removes personal data from their comments."""

    def __init__(self, examiner: TextExaminer, store: OutcomeStore, metrics: AgentMetrics) -> None:
        """Records nothing yet."""
        self._examiner, self._store, self._metrics = examiner, store, metrics

    async def record(self, given: OutcomeRequest) -> RecordedOutcome:
        """Store an outcome; a Problem 404 when there is no such ticket."""
        comment = await self._examiner.scrub_comment(given.comment)
        stored = await asyncio.to_thread(self._store.add, given.ticket_id, given.outcome, given.by, comment)
        self._metrics.labelled(self._metrics.outcomes, given.outcome).inc()
        return stored


def outcome_endpoint(settings: Settings, recorder: OutcomeRecorder) -> JsonEndpoint:
    """Return the endpoint that takes an outcome."""

    async def record(given: Any, _: Options) -> RecordedOutcome:
        return await recorder.record(given)

    return JsonEndpoint(settings, OutcomeRequest, RecordedOutcome, record, options=(), failures=(404,), status=201)


def add_outcome_routes(app: FastAPI, store: OutcomeStore) -> None:
    """Add the route that withdraws an outcome."""

    @app.delete("/outcomes/{outcome_id}", summary="Withdraw an outcome", responses=documented(401, 404, 422, 503))
    def withdraw_outcome(outcome_id: Annotated[int, Path(ge=1, lt=2**31)]) -> RecordedOutcome:
        return store.withdraw(outcome_id)
