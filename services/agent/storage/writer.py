"""Stores tickets that come at the same time in one transaction: most of the cost of storing a ticket is its commit."""

import asyncio
from collections import deque
from typing import NamedTuple

from services.agent.storage.store import StoredTicket, TicketStore
from services.common.agent_api import RoutedTicket

LARGEST_TRANSACTION = 100


class UnstoredTicket(NamedTuple):
    """A ticket, and the future of the answer that is stored for it."""

    ticket: StoredTicket
    stored: asyncio.Future[RoutedTicket]


class TicketWriter:
    """Stores tickets, one transaction at a time, each with all that came meanwhile. It is used by one event loop."""

    def __init__(self, store: TicketStore) -> None:
        """Stores nothing yet."""
        self._store = store
        self._unstored: deque[UnstoredTicket] = deque()
        self._work: asyncio.Task[None] | None = None

    async def add_once(self, ticket: StoredTicket) -> RoutedTicket:
        """Store a ticket; return its answer, or the earlier one if it was stored before, once that is committed.

        Raises a Problem 503 when the database cannot be reached, and 409 when the same id has another text.
        """
        stored = asyncio.get_running_loop().create_future()
        self._unstored.append(UnstoredTicket(ticket, stored))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._store_all())
        return await stored

    async def _store_all(self) -> None:
        while self._unstored:
            taken = [self._unstored.popleft() for _ in range(min(LARGEST_TRANSACTION, len(self._unstored)))]
            found: list[RoutedTicket | Exception]
            try:
                found = [*await asyncio.to_thread(self._store.add_once, [each.ticket for each in taken])]
            except Exception as error:
                # Those that came meanwhile shall not wait as long for a database that does not answer.
                taken += self._unstored
                self._unstored.clear()
                found = [error] * len(taken)
            for each, result in zip(taken, found, strict=True):
                # A request that was given up no longer waits for its answer; its ticket is stored all the same.
                if each.stored.done():
                    continue
                if isinstance(result, Exception):
                    each.stored.set_exception(result)
                else:
                    each.stored.set_result(result)
