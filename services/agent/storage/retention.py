"""Deletes old tickets, with people's answers to them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, select

from services.agent.storage.database import answers, outcomes, tickets

# Tickets in one transaction: few enough that others do not wait long for its locks.
MAX_DELETED = 1000


def delete_old_tickets(engine: Engine, days: int) -> int:
    """Delete the oldest tickets that arrived more than so many days ago, at most MAX_DELETED; return how many.

    A ticket that waits for a person stays until it is answered. Several agents may run this at once: each skips the
    rows that another one has locked.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    old = select(tickets.c.id).where(tickets.c.waiting.is_(False), tickets.c.received_at < before)
    oldest = old.order_by(tickets.c.received_at).limit(MAX_DELETED).with_for_update(skip_locked=True)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # Takes the write lock: otherwise a ticket could start waiting again between being found and being deleted.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        ids = connection.scalars(oldest).all()
        if ids:
            for table in (answers, outcomes):
                connection.execute(delete(table).where(table.c.ticket_id.in_(ids)))
            connection.execute(delete(tickets).where(tickets.c.id.in_(ids)))
    return len(ids)
