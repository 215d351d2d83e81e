"""Lists waiting tickets by what they are about, a page at a time.

Pages follow each other by the place of a ticket in the order, which an index gives, however many tickets come before.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, literal, select, tuple_

from services.agent.storage.database import tickets
from services.agent.storage.holds import (
    BY_AGE,
    BY_UNCERTAINTY,
    IS_AUDIT,
    IS_LABEL_CHECK,
    IS_UNSURE,
    IS_WAITING,
    is_free,
)
from services.agent.storage.rows import isoformat
from services.agent.storage.store import TicketStore
from services.common.agent_api import MOST_COUNTED, WaitingFilter, WaitingKind, WaitingPage, WaitingRow

EXCERPT = 300
KINDS: dict[WaitingKind, ColumnElement[bool]] = {"unsure": IS_UNSURE, "audit": IS_AUDIT, "labels": IS_LABEL_CHECK}
SHOWN = (
    *(tickets.c.id, tickets.c.received_at, tickets.c.language, tickets.c.category, tickets.c.confidence),
    func.substr(tickets.c.text, 1, EXCERPT).label("excerpt"),
    IS_AUDIT.label("is_audit"),
    IS_LABEL_CHECK.label("is_label_check"),
)


def list_waiting(store: TicketStore, wanted: WaitingFilter) -> WaitingPage:
    """Return a page of the tickets that a filter lets through, and how many there are of them in all."""
    conditions = list(_conditions(wanted))
    by_confidence, backwards = wanted.sort in ("unsure", "sure"), wanted.sort in ("newest", "sure")
    columns = BY_UNCERTAINTY if by_confidence else BY_AGE
    order = [column.desc() if backwards else column for column in columns]
    with store.reading() as connection:
        behind = _behind(connection, columns, wanted, backwards)
        shown = (*SHOWN, is_free(wanted.reviewer or "").label("free"))
        rows = connection.execute(
            select(*shown).where(*conditions, *behind).order_by(*order).limit(wanted.limit + 1)
        ).all()
        if wanted.after is None and len(rows) <= wanted.limit:
            count = len(rows)
        else:
            first = select(tickets.c.id).where(*conditions).limit(MOST_COUNTED + 1).subquery()
            count = connection.scalar(select(func.count()).select_from(first)) or 0
    found = [_show(row) for row in rows[: wanted.limit]]
    return WaitingPage(count=count, tickets=found, next=found[-1]["ticket_id"] if len(rows) > wanted.limit else None)


def _conditions(wanted: WaitingFilter) -> Iterator[ColumnElement[bool]]:
    yield IS_WAITING
    if wanted.kind:
        yield KINDS[wanted.kind]
    if wanted.tells_the_answer:
        # Whoever finds a blind check by its category knows what the model says.
        yield IS_UNSURE
    if wanted.category:
        yield tickets.c.category == wanted.category
    if wanted.language:
        yield tickets.c.language == wanted.language
    if wanted.lowest is not None:
        yield tickets.c.confidence >= wanted.lowest
    if wanted.highest is not None:
        yield tickets.c.confidence <= wanted.highest
    if wanted.hours:
        yield tickets.c.received_at <= datetime.now(UTC) - timedelta(hours=wanted.hours)
    for word in wanted.text.split():
        yield tickets.c.text.icontains(word, autoescape=True)


def _behind(
    connection: Connection, columns: tuple[Any, ...], wanted: WaitingFilter, backwards: bool
) -> list[ColumnElement[bool]]:
    """Return the condition for tickets that come after one; none if there is no such ticket (any more).

    What comes after a blind check by confidence would tell its confidence.
    """
    last = select(*columns).where(tickets.c.id == wanted.after)
    place = connection.execute(last.where(IS_UNSURE) if wanted.tells_the_answer else last).first()
    if place is None:
        return []
    values = tuple_(*(literal(value, column.type) for value, column in zip(place, columns, strict=True)))
    return [tuple_(*columns) < values if backwards else tuple_(*columns) > values]


def _show(row: Row) -> WaitingRow:
    """Return a ticket as the list shows it; a blind check without what the model says of it."""
    is_blind = row.is_audit or row.is_label_check
    return {
        "ticket_id": row.id,
        "received_at": isoformat(row.received_at),
        "text": row.excerpt or "",
        "language": row.language or "und",
        "kind": "audit" if row.is_audit else "labels" if row.is_label_check else "unsure",
        "category": None if is_blind else row.category,
        "confidence": None if is_blind else row.confidence,
        "held": not row.free,
    }
