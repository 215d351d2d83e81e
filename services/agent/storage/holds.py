"""Gives each reviewer a waiting ticket of their own, so that no two people decide the same one.

A reviewer holds a ticket until they answer it, skip it or ask for another one, or until the hold expires.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from secrets import SystemRandom
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, not_, or_, select, update

from services.agent.storage.database import tickets
from services.common.agent_api import RequestedOrder

NOT_HELD = {"held_by": None, "held_until": None}
IS_WAITING = tickets.c.waiting.is_(True)
IS_AUDIT = tickets.c.audit_probability.is_not(None)
# The decision of a ticket of training whose label is doubtful; callcenterai/agent_data/label_checks.py stores them.
LABEL_CHECK = "check"
IS_LABEL_CHECK = tickets.c.decision == LABEL_CHECK
# No blind check: whoever reviews such a ticket sees what the model suggests.
IS_UNSURE = and_(tickets.c.audit_probability.is_(None), not_(IS_LABEL_CHECK))
chance = SystemRandom()


class Queue(NamedTuple):
    """Waiting tickets, and the columns by whose values they come, the smallest first."""

    which: ColumnElement[bool]
    columns: tuple[ColumnElement[Any], ...]


BY_AGE = (tickets.c.received_at, tickets.c.id)
BY_UNCERTAINTY = (tickets.c.confidence, *BY_AGE)
EVERY_TICKET = Queue(not_(IS_LABEL_CHECK), BY_AGE)
# By age in any case: if people answered the uncertain audits first, those answered would not be a random sample.
AUDITS = Queue(IS_AUDIT, BY_AGE)
UNCERTAIN = Queue(IS_UNSURE, BY_UNCERTAINTY)
# The labels that the model contradicts most come first.
LABEL_CHECKS = Queue(IS_LABEL_CHECK, (-tickets.c.confidence, tickets.c.id))


class HoldRequest(NamedTuple):
    """Who asks for a ticket; the ticket that they skip, and the one that they want most, if any; and the order."""

    reviewer: str
    after: str | None = None
    ticket_id: str | None = None
    order: RequestedOrder = "age"


def hold_next(engine: Engine, request: HoldRequest, seconds: float) -> str | None:
    """Hold a ticket for the reviewer for so many seconds, and return its id; None when none is free.

    A reviewer who already holds a ticket gets it again, unless they skip it. After a skipped ticket come those that
    follow it in its queue, then the first ones again.
    """
    while True:
        found = _choose(engine, request)
        if found is None or _hold(engine, request.reviewer, found, seconds):
            break
    others = update(tickets).where(IS_WAITING, tickets.c.held_by == request.reviewer)
    with engine.begin() as connection:
        connection.execute((others.where(tickets.c.id != found) if found else others).values(NOT_HELD))
    return found


def is_in(order: RequestedOrder) -> ColumnElement[bool]:
    """Return whether a ticket belongs to what is asked for: to the doubtful labels, or to all others."""
    return IS_LABEL_CHECK if order == "labels" else not_(IS_LABEL_CHECK)


def queues_in_order(connection: Connection, order: RequestedOrder) -> tuple[Queue, ...]:
    """Return the queues, the one whose tickets come first at its head.

    By uncertainty there are two, and chance decides between them: audits are the sure tickets and would come last, so
    they come as often as their share of the waiting tickets.
    """
    if order == "labels":
        return (LABEL_CHECKS,)
    if order == "age":
        return (EVERY_TICKET,)
    counted = select(func.count(tickets.c.audit_probability), func.count()).where(IS_WAITING, is_in(order))
    audits, waiting = connection.execute(counted).one()
    return (AUDITS, UNCERTAIN) if chance.random() * waiting < audits else (UNCERTAIN, AUDITS)


def _choose(engine: Engine, request: HoldRequest) -> str | None:
    with engine.connect() as connection:
        for which, columns in _preferences(connection, request):
            free = select(tickets.c.id).where(is_free(request.reviewer), which).order_by(*columns).limit(1)
            if found := connection.scalar(free):
                return found
    return None


def _preferences(connection: Connection, request: HoldRequest) -> Iterator[Queue]:
    if request.ticket_id:
        yield Queue(tickets.c.id == request.ticket_id, BY_AGE)
    own = and_(tickets.c.held_by == request.reviewer, is_in(request.order))
    yield Queue(and_(own, tickets.c.id != request.after) if request.after else own, BY_AGE)
    queues = queues_in_order(connection, request.order)
    for queue in queues if request.after else ():
        skipped = select(*queue.columns).where(tickets.c.id == request.after, queue.which)
        if place := connection.execute(skipped).first():
            yield Queue(and_(queue.which, _behind(queue.columns, place)), queue.columns)
            yield from (other for other in queues if other is not queue)
    yield from queues


def _behind(columns: Sequence[ColumnElement[Any]], place: Sequence[Any]) -> ColumnElement[bool]:
    """Return whether a ticket comes after a place, which has a value for each column."""
    pairs = list(zip(columns, place, strict=True))
    return or_(
        *(
            and_(*(earlier == same for earlier, same in pairs[:number]), column > value)
            for number, (column, value) in enumerate(pairs)
        )
    )


def _hold(engine: Engine, reviewer: str, ticket_id: str, seconds: float) -> bool:
    """Return whether the ticket is now held for the reviewer: if several have chosen it, only one gets it."""
    values = {"held_by": reviewer, "held_until": datetime.now(UTC) + timedelta(seconds=seconds)}
    with engine.begin() as connection:
        # The database checks again that it is free, under the lock of the row (PostgreSQL) or of the file (SQLite).
        held = connection.execute(update(tickets).where(tickets.c.id == ticket_id, is_free(reviewer)).values(values))
        return held.rowcount == 1


def is_free(reviewer: str) -> ColumnElement[bool]:
    """Return whether a ticket waits and nobody but this reviewer holds it."""
    expired = tickets.c.held_until < datetime.now(UTC)
    return and_(IS_WAITING, or_(tickets.c.held_by.is_(None), tickets.c.held_by == reviewer, expired))
