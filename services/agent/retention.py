"""Takes tickets out of the database whose time is up, with people's answers to them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, select

from services.agent.database import answers, tickets

# Of one transaction: few enough that nobody waits for its locks.
AT_ONCE = 1000


def forget(engine: Engine, days: int) -> int:
    """Delete the oldest tickets that came in before so many days, at most AT_ONCE; return how many.

    One that waits for a person stays until it is answered. Several agents may do so at once: each takes others.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    old = select(tickets.c.id).where(tickets.c.waiting.is_(False), tickets.c.received_at < before)
    oldest = old.order_by(tickets.c.received_at).limit(AT_ONCE).with_for_update(skip_locked=True)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # Its write lock: otherwise a ticket could begin to wait again between being found and being deleted.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        ids = connection.scalars(oldest).all()
        if ids:
            connection.execute(delete(answers).where(answers.c.ticket_id.in_(ids)))
            connection.execute(delete(tickets).where(tickets.c.id.in_(ids)))
    return len(ids)
