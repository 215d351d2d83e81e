"""Watches whether the live tickets are still like those that the TF-IDF model was tested on."""

import asyncio

from callcenterai.agent_data.live_figures.homogeneity import FEWEST_TICKETS, Drift, compare_figures
from services.agent.metrics import AgentMetrics
from services.agent.routing.upstream import ModelServiceClient
from services.agent.storage.store import TicketStore


class DriftWatcher:
    """Compares the tickets of the last days with the reference of the model that serves."""

    def __init__(self, service: ModelServiceClient, store: TicketStore, metrics: AgentMetrics, days: int) -> None:
        """service is the TF-IDF service, which is asked about every ticket."""
        self._service, self._store, self._metrics, self._days = service, store, metrics, days

    async def measure(self) -> None:
        """Show the drift in the metrics; a ServiceDown or a Problem when it cannot be measured."""
        reference = await self._service.fetch_reference()
        drifts: list[Drift] = []
        if reference:
            expected = reference.model_dump()
            seen = await asyncio.to_thread(self._store.seen, expected, reference.version, self._days)
            if seen.tickets >= FEWEST_TICKETS:
                drifts = compare_figures(expected, seen.counts)
        self._metrics.drifted(drifts)
