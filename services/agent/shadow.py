"""The shadow: the version in Staging is asked about a share of the tickets too, after they were answered.

What it says has no effect on any ticket. It is stored, so that `mlflow_registry.py check` can compare both versions.
"""

import asyncio
import logging
from secrets import SystemRandom
from typing import NamedTuple

from services.agent.metrics import AgentMetrics
from services.agent.routing.upstream import ModelServiceClient, ServiceDown
from services.agent.storage.store import ShadowAnswer, TicketStore
from services.common.problems import Problem

logger = logging.getLogger("services.agent")
# Tickets that may wait; more are not asked about, since a text can be long and the agent's memory is limited.
LONGEST_QUEUE = 200
# Tickets in one request, and in one transaction.
LARGEST_REQUEST = 50


class AnsweredTicket(NamedTuple):
    """A ticket that has its answer, and its text as models read it."""

    id: str
    text: str


class Shadow:
    """Asks a model service about tickets that were answered already. It is used by one event loop."""

    def __init__(
        self, service: ModelServiceClient | None, store: TicketStore, metrics: AgentMetrics, share: float
    ) -> None:
        """share is the expected share of the tickets, from 0 to 1; without a service no ticket is taken."""
        self._service, self._store, self._metrics = service, store, metrics
        self._share, self._random = share if service else 0.0, SystemRandom()
        self._waiting: asyncio.Queue[AnsweredTicket] = asyncio.Queue(LONGEST_QUEUE)

    def offer(self, ticket_id: str, text: str) -> None:
        """Take a ticket with the probability of the share, unless too many wait."""
        if self._random.random() >= self._share:
            return
        try:
            self._waiting.put_nowait(AnsweredTicket(ticket_id, text))
        except asyncio.QueueFull:
            self._metrics.shadow_skipped.inc()

    async def ask_for_ever(self) -> None:
        """Ask about the tickets that wait, in turn."""
        while self._service:
            tickets = [await self._waiting.get()]
            while len(tickets) < LARGEST_REQUEST and not self._waiting.empty():
                tickets.append(self._waiting.get_nowait())
            try:
                await self._ask(self._service, tickets)
            except ServiceDown:
                # The client has counted it; a shadow that is away is no trouble of the agent's.
                continue
            except Problem as problem:
                logger.error("database", extra={"trouble": problem.detail})
            except Exception as error:
                # Later tickets may be answered.
                logger.error("internal error", exc_info=error)

    async def _ask(self, service: ModelServiceClient, tickets: list[AnsweredTicket]) -> None:
        answers = await service.predict([ticket.text for ticket in tickets], explain=False)
        found = [
            ShadowAnswer(ticket.id, answer.version, answer.category, answer.confidence)
            for ticket, answer in zip(tickets, answers, strict=True)
        ]
        await asyncio.to_thread(self._store.add_shadows, found)
