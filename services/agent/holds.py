"""Gives each reviewer a waiting ticket of their own, so that no two people decide the same one.

A ticket is held by whom it was given to, until they answer it, pass it over or ask for another, or until time is up.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, and_, or_, select, update

from services.agent.database import tickets

FREE = {"held_by": None, "held_until": None}
WAITS = tickets.c.waiting.is_(True)
ORDER = (tickets.c.received_at, tickets.c.id)


class Wish(NamedTuple):
    """Who asks for a ticket; which one they pass over, and which they would have before all others, if any."""

    reviewer: str
    after: str | None = None
    ticket_id: str | None = None


def take(engine: Engine, wish: Wish, seconds: float) -> str | None:
    """Return the id of the ticket that the reviewer holds from now on, for so many seconds; None when none is free.

    Who holds one already gets it again, unless it is passed over. What comes behind a ticket that was passed over goes
    first, then it begins again with the oldest.
    """
    while True:
        found = _choose(engine, wish)
        if found is None or _hold(engine, wish.reviewer, found, seconds):
            break
    others = update(tickets).where(WAITS, tickets.c.held_by == wish.reviewer)
    with engine.begin() as connection:
        connection.execute((others.where(tickets.c.id != found) if found else others).values(FREE))
    return found


def _choose(engine: Engine, wish: Wish) -> str | None:
    with engine.connect() as connection:
        place = connection.execute(select(*ORDER).where(tickets.c.id == wish.after)).first() if wish.after else None
        for condition in _preferences(wish, place):
            free = select(tickets.c.id).where(_free(wish.reviewer), condition).order_by(*ORDER).limit(1)
            if found := connection.scalar(free):
                return found
    return None


def _preferences(wish: Wish, place: tuple[datetime, str] | None) -> Iterator[ColumnElement[bool]]:
    if wish.ticket_id:
        yield tickets.c.id == wish.ticket_id
    own = tickets.c.held_by == wish.reviewer
    yield and_(own, tickets.c.id != wish.after) if wish.after else own
    if place:
        received_at, ticket_id = place
        same = and_(tickets.c.received_at == received_at, tickets.c.id > ticket_id)
        yield or_(tickets.c.received_at > received_at, same)
    yield WAITS


def _hold(engine: Engine, reviewer: str, ticket_id: str, seconds: float) -> bool:
    """Return whether the ticket is the reviewer's now: of several who have chosen it, one gets it."""
    values = {"held_by": reviewer, "held_until": datetime.now(UTC) + timedelta(seconds=seconds)}
    with engine.begin() as connection:
        # The database looks once more whether it is free, under the lock of the row or of the whole.
        held = connection.execute(update(tickets).where(tickets.c.id == ticket_id, _free(reviewer)).values(values))
        return held.rowcount == 1


def _free(reviewer: str) -> ColumnElement[bool]:
    over = tickets.c.held_until < datetime.now(UTC)
    return and_(WAITS, or_(tickets.c.held_by.is_(None), tickets.c.held_by == reviewer, over))
