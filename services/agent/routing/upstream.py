"""The client of a model service: timeouts, one retry within a time budget, and a circuit breaker."""

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
from services.agent.routing.gathering import TextGatherer
from services.common.long_texts import SHORT_TEXT, in_parts
from services.common.middleware import current_request_id
from services.common.model_service import ModelCard, ModelReference
from services.common.predictions import Prediction, Predictions, TextFigures, Weight

logger = logging.getLogger("services.agent")
# The most that a service accepts for ?top=; enough for every label of a model.
EVERY_LABEL = 1000
# Statuses below 500 for which another attempt may succeed.
TRANSIENT = (408, 429)
PREDICTIONS = TypeAdapter(Predictions)
# Shorter than the five seconds after which uvicorn closes an idle connection, or a request could meet a closed one.
KEEPALIVE_SECONDS = 4.0
# Characters in one request: the largest ticket that a service takes. More could not be answered within the timeout, and
# a few large batches would open the circuit breaker for everybody.
MOST_CHARACTERS = 50_000


class ServiceDown(Exception):
    """A model service gave no usable answer; the message says why, without any text of the ticket."""


class RefusedRequest(ServiceDown):
    """The service works, but does not take this request."""


class TransientFailure(ServiceDown):
    """The request failed in a way that another attempt may not."""


class ModelAnswer(NamedTuple):
    """The answer of one model to one ticket; probabilities by label."""

    probabilities: dict[str, float]
    needs_review: bool
    version: str
    explanation: list[Weight]
    known_text: bool = True
    text_figures: TextFigures | None = None
    threshold: float | None = None
    contrast: tuple[Weight, ...] = ()

    @property
    def category(self) -> str:
        """The most probable label."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def ranking(self) -> list[str]:
        """The labels, the most probable first."""
        return sorted(self.probabilities, key=self.probabilities.__getitem__, reverse=True)

    @property
    def confidence(self) -> float:
        """The probability of that label."""
        return self.probabilities[self.category]


class HttpReply(NamedTuple):
    """The status and the body of an HTTP response."""

    status: int
    content: bytes


class RequestLimits(NamedTuple):
    """How long an attempt and all attempts together may take, and when the circuit breaker opens and for how long.

    They are the agent's settings of these names.
    """

    attempt_seconds: float
    budget_seconds: float
    breaker_failures: int
    breaker_seconds: float


class ModelServiceClient:
    """One model service.

    `card` is what it says about its model, None while it is not ready; `labels` are the last that it reported, so that
    people can go on answering while the service is away.
    """

    def __init__(self, name: str, url: str, key: str | None, limits: RequestLimits, metrics: AgentMetrics) -> None:
        """Asks nothing yet."""
        self.name, self._limits, self._metrics = name, limits, metrics
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None
        self._breakers = AsyncCircuitBreakerFactory(limits.breaker_failures, limits.breaker_seconds)
        self._gatherer = TextGatherer(self._predict, MOST_CHARACTERS // SHORT_TEXT, RefusedRequest)
        self.card: dict[str, Any] | None = None
        self.labels: list[str] = []
        self.trouble = "not asked yet"
        self._context: Context | None = None
        self._logged_state: str = CLOSED
        metrics.breaker_open.labels(name).set_function(self._is_held_back)

    @property
    def breaker(self) -> str:
        """The circuit breaker's state. purgatory (3.0) updates its own state only when a request arrives."""
        state = self._context.state if self._context else CLOSED
        return HALF_OPENED if state == OPENED and not self._is_held_back() else state

    def _is_held_back(self) -> bool:
        """Whether a request would not reach the service now."""
        context = self._context
        if context is None or context.state == CLOSED:
            return False
        # purgatory (3.0) keeps when the breaker opened, and closes it for a trial `ttl` seconds later.
        return context.state == HALF_OPENED or time.time() <= (context.opened_at or 0.0) + context.ttl

    async def predict(self, texts: list[str], explain: bool) -> list[ModelAnswer]:
        """Return an answer for each text; a ServiceDown when a part of them has none within the time budget.

        Short tickets that come at the same moment are sent in one request, which carries the id of the first.
        """
        if len(texts) == 1 and len(texts[0]) <= SHORT_TEXT:
            return [await self._gatherer.answer(texts[0], explain)]
        return [answer for part in in_parts(texts, MOST_CHARACTERS) for answer in await self._predict(part, explain)]

    async def _predict(self, texts: list[str], explain: bool) -> list[ModelAnswer]:
        started = time.perf_counter()
        query: dict[str, Any] = {"top": EVERY_LABEL, "explain": str(explain).lower()}
        try:
            async with asyncio.timeout(self._limits.budget_seconds):
                answers = await self._ask(texts, query)
        except (ServiceDown, TimeoutError) as error:
            self._metrics.asked(self.name, "failed", time.perf_counter() - started)
            # asyncio raises its TimeoutError without a message.
            failure = RefusedRequest if isinstance(error, RefusedRequest) else ServiceDown
            raise failure(f"{self.name}: {str(error) or 'no answer in time'}") from None
        self._metrics.asked(self.name, "answered", time.perf_counter() - started)
        return answers

    async def _ask(self, texts: list[str], query: dict[str, Any]) -> list[ModelAnswer]:
        try:
            return await self._attempt(texts, query)
        except TransientFailure:
            # Predictions have no side effects, so a request whose answer was lost can be sent again.
            self._metrics.retries.labels(self.name).inc()
            return await self._attempt(texts, query)

    async def _attempt(self, texts: list[str], query: dict[str, Any]) -> list[ModelAnswer]:
        breaker = await self._breakers.get_breaker(self.name)
        self._context = breaker.context
        if breaker.context.state == HALF_OPENED:
            # Another request is testing the service; purgatory (3.0) would let every request test it, and wait for it.
            raise ServiceDown("its circuit breaker is half-open, and another request is testing it")
        try:
            async with breaker:
                answer = await self._post(texts, query)
                answers = _answers(answer, len(texts)) if answer.status == 200 else []
        except OpenedState:
            raise ServiceDown("its circuit breaker is open after repeated failures") from None
        finally:
            self._log_state(breaker.context.state)
        if not answers:
            # The service works but refuses this request, which is no reason to keep the others from it.
            raise RefusedRequest(f"it answers {answer.status}")
        return answers

    async def _post(self, texts: list[str], query: dict[str, Any]) -> HttpReply:
        headers = {"X-Request-ID": current_request_id.get(), "Content-Type": "application/json"}
        try:
            reply = await self._request("POST", "/predict/batch", json.dumps({"texts": texts}), query, headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransientFailure(f"it does not answer ({type(error).__name__})") from None
        if reply.status != 200 and (not 400 <= reply.status < 500 or reply.status in TRANSIENT):
            raise TransientFailure(f"it answers {reply.status}")
        return reply

    async def _request(
        self,
        method: str,
        path: str,
        body: str | None = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> HttpReply:
        # A session belongs to the running event loop, so it cannot be created earlier. It has no limit of connections:
        # MAX_IN_FLIGHT limits requests, and waiting for a connection would look like a slow service.
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        options: dict[str, Any] = {"data": body, "params": query, "headers": headers, "allow_redirects": False}
        async with (
            asyncio.timeout(self._limits.attempt_seconds),
            self._session.request(method, self._url + path, **options) as answer,
        ):
            return HttpReply(answer.status, await answer.read())

    def _log_state(self, state: str) -> None:
        if state != self._logged_state:
            logger.warning("circuit breaker", extra={"service": self.name, "state": state})
        self._logged_state = state

    async def refresh(self) -> None:
        """Ask the service which model it has."""
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
        if card:
            self.labels = card["labels"]
        self._metrics.service_ready.labels(self.name).set(card is not None)

    async def fetch_reference(self) -> ModelReference | None:
        """Return how the test tickets looked to the model, if it or its service is not too old to know.

        Raises a ServiceDown when the service gives no usable answer.
        """
        try:
            answer = await self._request("GET", "/model/reference")
            if answer.status == 200:
                return ModelReference.model_validate_json(answer.content)
            if answer.status == 404:
                return None
            trouble = f"/model/reference answers {answer.status}"
        except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
            trouble = f"no usable answer to /model/reference ({type(error).__name__})"
        raise ServiceDown(f"{self.name}: {trouble}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()


def _answers(answer: HttpReply, count: int) -> list[ModelAnswer]:
    """Return the predictions; a TransientFailure when they do not have the promised shape."""
    try:
        found = PREDICTIONS.validate_json(answer.content)["predictions"]
    except ValidationError:
        raise TransientFailure("its answer is not what a model service promises") from None
    if len(found) != count or not all(each["best"] for each in found):
        raise TransientFailure("its answer has another number of tickets, or a ticket without a category")
    return [_answer(each) for each in found]


def _answer(found: Prediction) -> ModelAnswer:
    probabilities = {each["category"]: each["probability"] for each in found["best"]}
    explanation, known_text = found.get("explanation", []), found.get("known_text", True)
    version, figures = found["model_version"], found.get("text_figures")
    threshold, contrast = found.get("threshold"), tuple(found.get("contrast", ()))
    reasons = (explanation, known_text, figures, threshold, contrast)
    return ModelAnswer(probabilities, found["needs_review"], version, *reasons)
