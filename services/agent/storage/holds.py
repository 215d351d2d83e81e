"""Gives each reviewer a waiting ticket of their own, so that no two people decide the same one.

A reviewer holds a ticket until they answer it, skip it or ask for another one, or until the hold expires.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, and_, or_, select, update

from services.agent.storage.database import tickets

NOT_HELD = {"held_by": None, "held_until": None}
IS_WAITING = tickets.c.waiting.is_(True)
OLDEST_FIRST = (tickets.c.received_at, tickets.c.id)


class HoldRequest(NamedTuple):
    """Who asks for a ticket; the ticket that they skip, and the one that they want most, if any."""

    reviewer: str
    after: str | None = None
    ticket_id: str | None = None


def hold_next(engine: Engine, request: HoldRequest, seconds: float) -> str | None:
    """Hold a ticket for the reviewer for so many seconds, and return its id; None when none is free.

    A reviewer who already holds a ticket gets it again, unless they skip it. After a skipped ticket come those that
    arrived later, then the oldest again.
    """
    while True:
        found = _choose(engine, request)
        if found is None or _hold(engine, request.reviewer, found, seconds):
            break
    others = update(tickets).where(IS_WAITING, tickets.c.held_by == request.reviewer)
    with engine.begin() as connection:
        connection.execute((others.where(tickets.c.id != found) if found else others).values(NOT_HELD))
    return found


def _choose(engine: Engine, request: HoldRequest) -> str | None:
    with engine.connect() as connection:
        skipped = select(*OLDEST_FIRST).where(tickets.c.id == request.after)
        place = connection.execute(skipped).first() if request.after else None
        for condition in _preferences(request, place):
            free = select(tickets.c.id).where(_free(request.reviewer), condition).order_by(*OLDEST_FIRST).limit(1)
            if found := connection.scalar(free):
                return found
    return None


def _preferences(request: HoldRequest, place: tuple[datetime, str] | None) -> Iterator[ColumnElement[bool]]:
    if request.ticket_id:
        yield tickets.c.id == request.ticket_id
    own = tickets.c.held_by == request.reviewer
    yield and_(own, tickets.c.id != request.after) if request.after else own
    if place:
        received_at, ticket_id = place
        same = and_(tickets.c.received_at == received_at, tickets.c.id > ticket_id)
        yield or_(tickets.c.received_at > received_at, same)
    yield IS_WAITING


def _hold(engine: Engine, reviewer: str, ticket_id: str, seconds: float) -> bool:
    """Return whether the ticket is now held for the reviewer: if several have chosen it, only one gets it."""
    values = {"held_by": reviewer, "held_until": datetime.now(UTC) + timedelta(seconds=seconds)}
    with engine.begin() as connection:
        # The database checks again that it is free, under the lock of the row (PostgreSQL) or of the file (SQLite).
        held = connection.execute(update(tickets).where(tickets.c.id == ticket_id, _free(reviewer)).values(values))
        return held.rowcount == 1


def _free(reviewer: str) -> ColumnElement[bool]:
    expired = tickets.c.held_until < datetime.now(UTC)
    return and_(IS_WAITING, or_(tickets.c.held_by.is_(None), tickets.c.held_by == reviewer, expired))
