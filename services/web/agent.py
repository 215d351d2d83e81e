"""Asks the agent, and says in one of a few words what went wrong when it gives no answer."""

from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from services.common.gate import request_id_now
from services.web.answers import GivenAnswer, Prediction, Predictions, Review, Status, Volumes
from services.web.settings import WebSettings

CONNECT_SECONDS = 3.0
# Shorter than the five seconds after which the agent closes an idle connection, or a request could meet a closed one.
LIMITS = httpx.Limits(keepalive_expiry=2.0)
Answer = TypeVar("Answer", bound=BaseModel)
# What the agent's statuses mean to who uses the pages: a kind of trouble, and our own status.
KINDS = {401: ("key", 502), 403: ("key", 502), 404: ("unknown", 404), 408: ("slow", 504), 409: ("conflict", 409)}
KINDS |= {413: ("refused", 413), 422: ("refused", 422), 429: ("busy", 503), 503: ("busy", 503), 504: ("slow", 504)}


class AgentTrouble(Exception):
    """There is no answer. Kind is a key under `trouble` in the catalogues, detail is the agent's own sentence."""

    def __init__(self, kind: str, status: int, detail: str | None = None) -> None:
        """Status is what the page is answered with."""
        super().__init__(kind)
        self.kind, self.status, self.detail = kind, status, detail


class Agent:
    """The agent's HTTP API. Every method raises an AgentTrouble when there is no answer."""

    def __init__(self, settings: WebSettings) -> None:
        """Nothing is asked yet."""
        key = settings.agent_api_key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        self._batch = httpx.Timeout(settings.batch_seconds, connect=CONNECT_SECONDS)
        timeout = httpx.Timeout(settings.agent_seconds, connect=CONNECT_SECONDS)
        # Proxies of the environment are for the world outside; a key must not go there.
        self._client = httpx.AsyncClient(
            base_url=settings.agent_url, headers=headers, timeout=timeout, limits=LIMITS, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def check(self) -> None:
        """Return when the agent is alive."""
        await self._ask("GET", "/health")

    async def predict(self, text: str) -> Prediction:
        """Classify a ticket, with an explanation."""
        body = {"text": text}
        return await self._get(Prediction, "POST", "/predict", params={"explain": "true"}, json=body)

    async def predict_batch(self, texts: list[str], store: bool) -> list[Prediction]:
        """Classify several; with store, those it is unsure of wait for review."""
        body = {"texts": texts, "store": store}
        path = "/predict/batch"
        found = await self._get(Predictions, "POST", path, json=body, timeout=self._batch)
        if len(found.predictions) != len(texts):
            raise AgentTrouble("broken", 502)
        return found.predictions

    async def next_review(self, reviewer: str, after: str | None, ticket_id: str | None) -> Review:
        """Return a ticket that nobody else is given meanwhile, behind the one passed over, or that of an id if free."""
        given = {"reviewer": reviewer, "after": after, "ticket_id": ticket_id}
        body = {name: value for name, value in given.items() if value is not None}
        return await self._get(Review, "POST", "/reviews/next", json=body)

    async def answer(self, ticket_id: str, category: str, by: str | None, text: str | None) -> GivenAnswer:
        """Say what a ticket's category is; text is needed where the agent has kept none."""
        given = {"ticket_id": ticket_id, "category": category, "by": by, "text": text}
        body = {name: value for name, value in given.items() if value is not None}
        return await self._get(GivenAnswer, "POST", "/feedback", json=body)

    async def withdraw(self, answer_id: int) -> None:
        """Take an answer back."""
        await self._ask("DELETE", f"/feedback/{answer_id}")

    async def volumes(self, days: int) -> Volumes:
        """Return the counts of the last days."""
        return await self._get(Volumes, "GET", "/volumes", params={"days": days})

    async def status(self) -> Status:
        """Return the categories and the health of the model services."""
        return await self._get(Status, "GET", "/status")

    async def _get(self, kind: type[Answer], method: str, path: str, **options: Any) -> Answer:
        answer = await self._ask(method, path, **options)
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            raise AgentTrouble("broken", 502) from None

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, headers={"X-Request-ID": request_id_now.get()}, **options)
        except httpx.TimeoutException as error:
            # An address that takes no connection is as good as nobody there.
            connecting = isinstance(error, httpx.ConnectTimeout)
            raise (AgentTrouble("down", 502) if connecting else AgentTrouble("slow", 504)) from None
        except httpx.ConnectError:
            raise AgentTrouble("down", 502) from None
        except httpx.HTTPError:
            raise AgentTrouble("lost", 502) from None
        if answer.is_success:
            return answer
        raise AgentTrouble(*KINDS.get(answer.status_code, ("broken", 502)), _detail(answer))


def _detail(answer: httpx.Response) -> str | None:
    """Return the sentences of problem details; another body says nothing to anybody."""
    try:
        problem = answer.json()
        parts = [problem["detail"], *(problem.get("errors") or [])]
        return "; ".join(map(str, parts))[:500]
    except (ValueError, KeyError, TypeError):
        return None
