"""A model service as the agent asks it: timeouts, one retry within a budget, and a circuit breaker."""

import asyncio
import json
import logging
import time
from typing import Any, NamedTuple

import aiohttp
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import CLOSED, HALF_OPENED, OPENED, Context, OpenedState
from pydantic import TypeAdapter, ValidationError

from services.agent.metrics import AgentMetrics
from services.common.gate import request_id_now
from services.common.model_service import ModelCard
from services.common.predictions import Prediction, Predictions

logger = logging.getLogger("services.agent")
# Enough for every label of a model.
EVERY_LABEL = 1000
# Of the answers with which a service refuses a request, those that another attempt may change.
PASSING = (408, 429)
PREDICTIONS = TypeAdapter(Predictions)
# Less than the services keep a connection that nobody uses, so that none is used in the moment in which it is closed.
KEEP_SECONDS = 4.0


class ServiceDown(Exception):
    """A model service gave no usable answer; the message says why, without a word of the ticket."""


class Failed(ServiceDown):
    """It may give one when it is asked again."""


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


class Reply(NamedTuple):
    """What came back over HTTP."""

    status: int
    content: bytes


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
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None
        self._breakers = AsyncCircuitBreakerFactory(limits.failures, limits.rest)
        self.card: dict[str, Any] | None = None
        self.trouble = "not asked yet"
        self._context: Context | None = None
        self._noted: str = CLOSED
        metrics.breaker_open.labels(name).set_function(self._is_spared)

    @property
    def breaker(self) -> str:
        """The circuit breaker's state; purgatory's own changes only when a request comes."""
        state = self._context.state if self._context else CLOSED
        return HALF_OPENED if state == OPENED and not self._is_spared() else state

    def _is_spared(self) -> bool:
        """Whether a request that came now would not reach it."""
        context = self._context
        if context is None or context.state == CLOSED:
            return False
        return context.state == HALF_OPENED or time.time() <= context.opened_at + context.ttl

    async def predict(self, texts: list[str], explain: bool) -> list[ModelAnswer]:
        """Return an answer for each text; a ServiceDown when there is none within the budget."""
        started = time.perf_counter()
        query: dict[str, Any] = {"top": EVERY_LABEL, "explain": str(explain).lower()}
        try:
            async with asyncio.timeout(self._limits.budget):
                answers = await self._ask(texts, query)
        except (ServiceDown, TimeoutError) as error:
            self._metrics.asked(self.name, "failed", time.perf_counter() - started)
            raise ServiceDown(f"{self.name}: {error or 'no answer in time'}") from None
        self._metrics.asked(self.name, "answered", time.perf_counter() - started)
        return answers

    async def _ask(self, texts: list[str], query: dict[str, Any]) -> list[ModelAnswer]:
        try:
            return await self._attempt(texts, query)
        except Failed:
            # Asking for a prediction twice changes nothing, so that a lost answer may be asked for again.
            self._metrics.retries.labels(self.name).inc()
            return await self._attempt(texts, query)

    async def _attempt(self, texts: list[str], query: dict[str, Any]) -> list[ModelAnswer]:
        breaker = await self._breakers.get_breaker(self.name)
        self._context = breaker.context
        if breaker.context.state == HALF_OPENED:
            # One request is trying whether it is well again; purgatory would let all others try too, and wait.
            raise ServiceDown("it failed again and again, and is being tried")
        try:
            async with breaker:
                answer = await self._post(texts, query)
                answers = _answers(answer, len(texts)) if answer.status == 200 else []
        except OpenedState:
            raise ServiceDown("it failed again and again, and is left in peace for some seconds") from None
        finally:
            self._note(breaker.context.state)
        if not answers:
            # It is well, but will not have this request: no reason to spare it all others.
            raise ServiceDown(f"it answers {answer.status}")
        return answers

    async def _post(self, texts: list[str], query: dict[str, Any]) -> Reply:
        headers = {"X-Request-ID": request_id_now.get(), "Content-Type": "application/json"}
        try:
            reply = await self._request("POST", "/predict/batch", json.dumps({"texts": texts}), query, headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Failed(f"it does not answer ({type(error).__name__})") from None
        if reply.status != 200 and (not 400 <= reply.status < 500 or reply.status in PASSING):
            raise Failed(f"it answers {reply.status}")
        return reply

    async def _request(
        self,
        method: str,
        path: str,
        body: str | None = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        # Only now, since a session belongs to the loop that runs. The gate limits how many requests there are; to wait
        # for a connection would look like a slow service.
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        options: dict[str, Any] = {"data": body, "params": query, "headers": headers, "allow_redirects": False}
        async with (
            asyncio.timeout(self._limits.attempt),
            self._session.request(method, self._url + path, **options) as answer,
        ):
            return Reply(answer.status, await answer.read())

    def _note(self, state: str) -> None:
        if state != self._noted:
            logger.warning("circuit breaker", extra={"service": self.name, "state": state})
        self._noted = state

    async def look(self) -> None:
        """Ask which model it has."""
        card, trouble = None, ""
        try:
            answer = await self._request("GET", "/model")
            if answer.status == 200:
                card = ModelCard.model_validate_json(answer.content).model_dump()
            else:
                trouble = f"/model answers {answer.status}"
        except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
            trouble = f"no usable answer to /model ({type(error).__name__})"
        if trouble != self.trouble:
            logger.info("model service", extra={"service": self.name, "ready": card is not None, "trouble": trouble})
        self.card, self.trouble = card, trouble
        self._metrics.service_ready.labels(self.name).set(card is not None)

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()


def _answers(answer: Reply, count: int) -> list[ModelAnswer]:
    """Return what was predicted; a Failed when that is not what a model service promises."""
    try:
        found = PREDICTIONS.validate_json(answer.content)["predictions"]
    except ValidationError:
        raise Failed("its answer is not what a model service promises") from None
    if len(found) != count or not all(each["best"] for each in found):
        raise Failed("it answered another number of tickets, or no category")
    return [_answer(each) for each in found]


def _answer(found: Prediction) -> ModelAnswer:
    probabilities = {each["category"]: each["probability"] for each in found["best"]}
    return ModelAnswer(probabilities, found["needs_review"], found["model_version"], found.get("explanation", []))
