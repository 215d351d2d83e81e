"""The agent's recurring work: looks for changed models and policies, deletes old tickets, and updates the metrics."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from services.agent.audit.report import AuditReporter
from services.agent.drift import DriftWatcher
from services.agent.metrics import AgentMetrics
from services.agent.routing.policy import PolicyFile
from services.agent.routing.router import Router
from services.agent.routing.upstream import ServiceDown
from services.agent.storage.store import TicketStore
from services.common.problems import Problem

logger = logging.getLogger("services.agent")
# After a measurement that failed; at the agent's start, for example, the database may have no tables yet.
SECONDS_AFTER_FAILURE = 60.0


class Upkeep:
    """Keeps what the agent knows about its services, its policy and its database up to date."""

    def __init__(
        self,
        router: Router,
        policy_file: PolicyFile,
        store: TicketStore,
        metrics: AgentMetrics,
        reporter: AuditReporter,
        watcher: DriftWatcher,
    ) -> None:
        """Does nothing yet."""
        self._router, self._policy_file, self._store, self._metrics = router, policy_file, store, metrics
        self._reporter, self._watcher = reporter, watcher
        self._kept_labels: dict[str, list[str]] | None = None

    async def repeat(self, seconds: float, keep_days: int) -> None:
        """Do the work every so many seconds, for ever; unless keep_days is 0, delete tickets that are older."""
        while True:
            try:
                await self._refresh_routing()
                await self._tend_database(keep_days)
            except Exception as error:
                # The work must go on after any error, or a service that comes back would never be noticed.
                logger.error("internal error", exc_info=error)
            await asyncio.sleep(seconds)

    async def repeat_audits(self, seconds: float) -> None:
        """Calculate the live accuracy every so many seconds, for ever."""
        while True:
            await self._attempt(self._measure_accuracy)
            await asyncio.sleep(seconds)

    async def repeat_drift(self, seconds: float) -> None:
        """Compare the tickets with those of the training every so many seconds, for ever; never if that is 0."""
        while seconds:
            done = await self._attempt(self._watcher.measure)
            await asyncio.sleep(seconds if done else min(seconds, SECONDS_AFTER_FAILURE))

    async def _attempt(self, measure: Callable[[], Awaitable[None]]) -> bool:
        """Measure something in the database, and return whether that worked; the next attempt may."""
        try:
            if self._store.prepared:
                await measure()
                return True
        except ServiceDown as trouble:
            logger.info("model service", extra={"trouble": str(trouble)})
        except Problem as problem:
            logger.error("database", extra={"trouble": problem.detail})
        except Exception as error:
            logger.error("internal error", exc_info=error)
        return False

    async def _measure_accuracy(self) -> None:
        self._metrics.audited(await asyncio.to_thread(self._reporter.report, 1))

    async def _refresh_routing(self) -> None:
        refreshes = (service.refresh() for service in self._router.services)
        await asyncio.gather(asyncio.to_thread(self._policy_file.refresh), *refreshes)
        self._metrics.policy_in_force.set(self._router.policy is not None)

    async def _tend_database(self, keep_days: int) -> None:
        try:
            await asyncio.to_thread(self._store.prepare)
            await self._keep_labels()
            waiting, _ = await asyncio.to_thread(self._store.waiting, 0)
            self._metrics.waiting.set(waiting)
            if keep_days:
                self._metrics.deleted.inc(await asyncio.to_thread(self._store.delete_old, keep_days))
        except Problem as problem:
            logger.error("database", extra={"trouble": problem.detail})

    async def _keep_labels(self) -> None:
        """Keep the categories that services report, and give those that are away the ones they reported last."""
        if self._kept_labels is None:
            self._kept_labels = await asyncio.to_thread(self._store.known_labels)
        for service in self._router.services:
            kept = self._kept_labels.get(service.name, [])
            if not service.labels:
                service.labels = kept
            elif service.labels != kept:
                await asyncio.to_thread(self._store.keep_labels, service.name, service.labels)
                self._kept_labels[service.name] = service.labels
