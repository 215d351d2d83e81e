"""A model service as the agent asks it: timeouts, one retry within a budget, and a circuit breaker."""

import asyncio
import logging
import time
from typing import Any, NamedTuple

import httpx
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from services.agent.metrics import AgentMetrics
from services.common.gate import request_id_now

logger = logging.getLogger("services.agent")
# Enough for every label of a model.
EVERY_LABEL = 1000


class ServiceDown(Exception):
    """A model service gave no usable answer; the message says why, without a word of the ticket."""


class ModelAnswer(NamedTuple):
    """What a model says of one ticket; probabilities by label."""

    probabilities: dict[str, float]
    needs_review: bool
    version: str
    explanation: list[dict[str, Any]]

    @property
    def category(self) -> str:
        """The most probable label."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        """Its probability."""
        return self.probabilities[self.category]


class Limits(NamedTuple):
    """How long a request may take, in seconds, and after how many failures a service is left in peace for how long."""

    attempt: float
    budget: float
    failures: int
    rest: float


class ModelService:
    """One model service. What it last said of its model is in `card`, None while it is not ready."""

    def __init__(self, name: str, url: str, key: str | None, limits: Limits, metrics: AgentMetrics) -> None:
        """Nothing is asked yet."""
        self.name, self._limits, self._metrics = name, limits, metrics
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=limits.attempt)
        self._breakers = AsyncCircuitBreakerFactory(limits.failures, limits.rest)
        self.card: dict[str, Any] | None = None
        self.trouble = "not asked yet"
        self.breaker = "closed"

    async def predict(self, texts: list[str], explain: bool) -> list[ModelAnswer]:
        """Return an answer for each text; a ServiceDown when there is none within the budget."""
        started = time.perf_counter()
        query: dict[str, Any] = {"top": EVERY_LABEL, "explain": str(explain).lower()}
        try:
            async with asyncio.timeout(self._limits.budget):
                body = await self._ask(texts, query)
            answers = [_answer(each) for each in body["predictions"]]
            if len(answers) != len(texts):
                raise ServiceDown("it answered another number of tickets")
        except (ServiceDown, TimeoutError, KeyError, TypeError, ValueError) as error:
            self._metrics.asked(self.name, "failed", time.perf_counter() - started)
            reason = str(error) if isinstance(error, ServiceDown) else f"no usable answer ({type(error).__name__})"
            raise ServiceDown(f"{self.name}: {reason}") from None
        self._metrics.asked(self.name, "answered", time.perf_counter() - started)
        return answers

    async def _ask(self, texts: list[str], query: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._attempt(texts, query)
        except ServiceDown:
            # Asking for a prediction twice changes nothing, so that a lost answer may be asked for again.
            self._metrics.retries.labels(self.name).inc()
            return await self._attempt(texts, query)

    async def _attempt(self, texts: list[str], query: dict[str, Any]) -> dict[str, Any]:
        breaker = await self._breakers.get_breaker(self.name)
        try:
            async with breaker:
                try:
                    headers = {"X-Request-ID": request_id_now.get()}
                    answer = await self._client.post(
                        "/predict/batch", json={"texts": texts}, params=query, headers=headers
                    )
                except httpx.HTTPError as error:
                    raise ServiceDown(f"it does not answer ({type(error).__name__})") from None
                if answer.status_code != 200:
                    raise ServiceDown(f"it answers {answer.status_code}")
                return answer.json()
        except OpenedState:
            raise ServiceDown("it failed again and again, and is left in peace for some seconds") from None
        finally:
            self._note(breaker.context.state)

    def _note(self, state: str) -> None:
        if state != self.breaker:
            logger.warning("circuit breaker", extra={"service": self.name, "state": state})
        self.breaker = state
        self._metrics.breaker_open.labels(self.name).set(state == "opened")

    async def look(self) -> None:
        """Ask which model it has."""
        try:
            answer = await self._client.get("/model")
            answer.raise_for_status()
            card, trouble = answer.json(), ""
            card["version"], card["sha256"], card["labels"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            card, trouble = None, f"no answer to /model ({type(error).__name__})"
        if trouble != self.trouble:
            logger.info("model service", extra={"service": self.name, "ready": card is not None, "trouble": trouble})
        self.card, self.trouble = card, trouble
        self._metrics.service_ready.labels(self.name).set(card is not None)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _answer(found: dict[str, Any]) -> ModelAnswer:
    probabilities = {each["category"]: float(each["probability"]) for each in found["best"]}
    if not probabilities:
        raise ValueError("no category")
    return ModelAnswer(probabilities, bool(found["needs_review"]), found["model_version"], found.get("explanation", []))
