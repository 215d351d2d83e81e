"""The client of the agent. When there is no answer it raises an AgentError, whose kind the pages explain."""

from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError, model_validator

from services.common.agent_api import (
    AgentStatus,
    AuditReport,
    BulkReviewAnswer,
    RecordedOutcome,
    ReviewAnswer,
    ReviewOutcome,
    RoutedTicket,
    RoutedTickets,
    TeamReport,
    TicketVolumes,
    WaitingPage,
)
from services.common.middleware import current_request_id
from services.common.predictions import Choice, Weight
from services.web.settings import WebSettings

CONNECT_SECONDS = 3.0
# Shorter than the five seconds after which the agent closes an idle connection, or a request could meet a closed one.
LIMITS = httpx.Limits(keepalive_expiry=2.0)
# The agent's statuses: a kind of trouble, and the status of our own page.
KINDS = {401: ("key", 502), 403: ("key", 502), 404: ("unknown", 404), 408: ("slow", 504), 409: ("conflict", 409)}
KINDS |= {413: ("refused", 413), 422: ("refused", 422), 429: ("busy", 503), 503: ("busy", 503), 504: ("slow", 504)}


class Suggestion(BaseModel):
    """What the model answered to a waiting ticket, and why."""

    category: str
    confidence: float
    # Absent in tickets of releases before December 2026.
    threshold: float | None = None
    best: list[Choice]
    reason: str
    reason_code: str = ""
    model: str
    explanation: list[Weight] | None = None
    contrast: list[Weight] | None = None


class WaitingTicket(BaseModel):
    """The fields of a waiting ticket that the review page shows. Tickets of earlier releases may lack some."""

    ticket_id: str
    received_at: str
    text: str
    language: str
    label_check: bool = False
    outcomes: list[RecordedOutcome] = []
    suggestion: Suggestion | None

    @model_validator(mode="before")
    @classmethod
    def _gather_suggestion(cls, ticket: Any) -> Any:
        """Put the model's answer into a field of its own: audits and doubtful labels come without it."""
        if not isinstance(ticket, dict):
            return ticket
        return {"suggestion": None if ticket.get("audit") or ticket.get("label_check") else ticket} | ticket


class WaitingReview(BaseModel):
    """The number of waiting tickets, and the one that this reviewer holds, if any."""

    waiting: int
    ticket: WaitingTicket | None


Shape = TypeVar("Shape")
ROUTED_TICKET = TypeAdapter(RoutedTicket)
ROUTED_TICKETS = TypeAdapter(RoutedTickets)
REVIEW = TypeAdapter(WaitingReview)
REVIEW_ANSWER = TypeAdapter(ReviewAnswer)
WAITING_PAGE = TypeAdapter(WaitingPage)
BULK_ANSWER = TypeAdapter(BulkReviewAnswer)
RECORDED_OUTCOME = TypeAdapter(RecordedOutcome)
VOLUMES = TypeAdapter(TicketVolumes)
STATUS = TypeAdapter(AgentStatus)
TEAM = TypeAdapter(TeamReport)
AUDITS = TypeAdapter(AuditReport)


class AgentError(Exception):
    """There is no answer. Kind is a key under `trouble` in the catalogues, detail is the agent's own sentence."""

    def __init__(self, kind: str, status: int, detail: str | None = None) -> None:
        """Status is the status of the page that shows the error."""
        super().__init__(kind)
        self.kind, self.status, self.detail = kind, status, detail


class AgentClient:
    """The agent's HTTP API. Every method raises an AgentError when there is no answer.

    `unpromoted` are the services that serve a bare folder, as of the last answer to status().
    """

    def __init__(self, settings: WebSettings) -> None:
        """Asks nothing yet."""
        self.unpromoted: list[str] = []
        key = settings.agent_api_key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        self._batch_timeout = httpx.Timeout(settings.batch_seconds, connect=CONNECT_SECONDS)
        timeout = httpx.Timeout(settings.agent_seconds, connect=CONNECT_SECONDS)
        # Proxies from the environment are for the internet; the key must not go through them.
        self._client = httpx.AsyncClient(
            base_url=settings.agent_url, headers=headers, timeout=timeout, limits=LIMITS, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def check(self) -> None:
        """Return if the agent is alive."""
        await self._ask("GET", "/health")

    async def predict(self, text: str, subject: str) -> RoutedTicket:
        """Classify a ticket, which may have a subject, with an explanation."""
        body = {"text": text} | ({"subject": subject} if subject else {})
        return await self._read(ROUTED_TICKET, "POST", "/predict", params={"explain": "true"}, json=body)

    async def predict_batch(self, texts: list[str], store: bool) -> list[RoutedTicket]:
        """Classify several tickets; with store, those that the models are unsure of go to the review queue."""
        body = {"texts": texts, "store": store}
        found = await self._read(ROUTED_TICKETS, "POST", "/predict/batch", json=body, timeout=self._batch_timeout)
        if len(found["predictions"]) != len(texts):
            raise AgentError("broken", 502)
        return found["predictions"]

    async def next_review(
        self, reviewer: str, after: str | None, ticket_id: str | None, order: str | None
    ) -> WaitingReview:
        """Hold a ticket for a reviewer: that of an id if it is free, else the next one after the skipped ticket."""
        given = {"reviewer": reviewer, "after": after, "ticket_id": ticket_id, "order": order}
        return await self._read(REVIEW, "POST", "/reviews/next", json=_without_none(given))

    async def answer(
        self, ticket_id: str, category: str, by: str | None, text: str | None = None, comment: str | None = None
    ) -> ReviewAnswer:
        """Give a ticket its category; the text is needed if the agent has not stored it."""
        given = {"ticket_id": ticket_id, "category": category, "by": by, "text": text, "comment": comment}
        return await self._read(REVIEW_ANSWER, "POST", "/feedback", json=_without_none(given))

    async def search_waiting(self, wanted: Mapping[str, Any]) -> WaitingPage:
        """Return a page of the list of what waits."""
        return await self._read(WAITING_PAGE, "GET", "/reviews/search", params=dict(wanted))

    async def answer_all(self, ticket_ids: list[str], category: str, reviewer: str, by: str | None) -> BulkReviewAnswer:
        """Give several waiting tickets one category; those that others hold are left out."""
        given = _without_none({"category": category, "reviewer": reviewer, "by": by})
        return await self._read(BULK_ANSWER, "POST", "/feedback/bulk", json=given | {"ticket_ids": ticket_ids})

    async def end_review(
        self, ticket_id: str, outcome: ReviewOutcome, by: str | None, comment: str | None
    ) -> RecordedOutcome:
        """End a review without a category."""
        given = {"ticket_id": ticket_id, "outcome": outcome, "by": by, "comment": comment}
        return await self._read(RECORDED_OUTCOME, "POST", "/outcomes", json=_without_none(given))

    async def withdraw(self, address: str) -> None:
        """Withdraw an answer or an outcome, which has this address below the agent's."""
        await self._ask("DELETE", f"/{address}")

    async def erase(self, ticket_id: str) -> None:
        """Erase a ticket with people's answers."""
        await self._ask("DELETE", f"/tickets/{ticket_id}")

    async def volumes(self, days: int) -> TicketVolumes:
        """Return the numbers of tickets of the last days."""
        return await self._read(VOLUMES, "GET", "/volumes", params={"days": days})

    async def audits(self, weeks: int) -> AuditReport:
        """Return what the audits of the last weeks say about the live accuracy."""
        return await self._read(AUDITS, "GET", "/audits", params={"weeks": weeks})

    async def team(self, days: int) -> TeamReport:
        """Return what the team has answered in the last days."""
        return await self._read(TEAM, "GET", "/team", params={"days": days})

    async def status(self) -> AgentStatus:
        """Return the categories and the state of the model services, and remember which models were not promoted."""
        found = await self._read(STATUS, "GET", "/status")
        models = {name: service.model for name, service in found.services.items() if service.model}
        self.unpromoted = [name for name, model in models.items() if model.get("stage") is None]
        return found

    async def categories(self, best: list[Choice]) -> list[str]:
        """Return the categories to choose from: all, or the best of a ticket if the agent does not know them."""
        try:
            known = (await self.status()).labels
        except AgentError:
            known = []
        return known or [choice["category"] for choice in best]

    async def _read(self, shape: TypeAdapter[Shape], method: str, path: str, **options: Any) -> Shape:
        answer = await self._ask(method, path, **options)
        try:
            return shape.validate_json(answer.content)
        except ValidationError:
            raise AgentError("broken", 502) from None

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"X-Request-ID": current_request_id.get()}
        try:
            answer = await self._client.request(method, path, headers=headers, **options)
        except httpx.TimeoutException as error:
            # If no connection is accepted, the agent is down rather than slow.
            connecting = isinstance(error, httpx.ConnectTimeout)
            raise (AgentError("down", 502) if connecting else AgentError("slow", 504)) from None
        except httpx.ConnectError:
            raise AgentError("down", 502) from None
        except httpx.HTTPError:
            raise AgentError("lost", 502) from None
        if answer.is_success:
            return answer
        raise AgentError(*KINDS.get(answer.status_code, ("broken", 502)), _detail(answer))


def _without_none(fields: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _detail(answer: httpx.Response) -> str | None:
    """Return the sentences of problem details; None for any other body."""
    try:
        problem = answer.json()
        parts = [problem["detail"], *(problem.get("errors") or [])]
        return "; ".join(map(str, parts))[:500]
    except (ValueError, KeyError, TypeError):
        return None
