"""Stores one category for several waiting tickets at once, and withdraws it from all of them again."""

import secrets
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import insert, select, update

from services.agent.storage.database import answers, tickets
from services.agent.storage.holds import NOT_HELD, is_free
from services.agent.storage.rows import wait_unless_settled
from services.agent.storage.store import TicketStore
from services.common.problems import Problem


class AnsweredTicket(NamedTuple):
    """A ticket that was answered with others: the decision on it, and whether the model agrees."""

    decision: str
    agrees: bool


class BulkAnswers:
    """People's answers to several tickets at once. Every method raises a Problem 503 without a database."""

    def __init__(self, store: TicketStore) -> None:
        """Share the connections of the other tables."""
        self._store = store

    def add(
        self, ticket_ids: list[str], category: str, by: str | None, reviewer: str
    ) -> tuple[str, list[AnsweredTicket]]:
        """Answer those of the tickets that wait and that nobody else holds: all or none of these.

        Returns a new id for these answers, and the tickets. A Problem 409 when there is no such ticket.
        """
        batch, now = secrets.token_hex(16), datetime.now(UTC)
        with self._store.writing() as connection:
            wanted = (tickets.c.id.in_(ticket_ids), is_free(reviewer))
            # Locked in one order for everybody: otherwise two people who answer the same tickets could each wait for
            # the other.
            connection.execute(select(tickets.c.id).where(*wanted).order_by(tickets.c.id).with_for_update()).all()
            settled = update(tickets).where(*wanted).values({"waiting": False} | NOT_HELD)
            found = connection.execute(settled.returning(tickets.c.id, tickets.c.decision, tickets.c.category)).all()
            if not found:
                raise Problem(409, "others hold or have answered all of these tickets")
            values = {"category": category, "answered_by": by, "answered_at": now, "batch_id": batch}
            connection.execute(insert(answers), [values | {"ticket_id": row.id} for row in found])
        return batch, [AnsweredTicket(row.decision, row.category == category) for row in found]

    def withdraw(self, batch: str) -> int:
        """Withdraw these answers, and return to how many tickets; a Problem 404 when there are none."""
        with self._store.writing() as connection:
            these = select(answers.c.ticket_id).where(answers.c.batch_id == batch).order_by(answers.c.ticket_id)
            ticket_ids = connection.scalars(these.with_for_update()).all()
            if not ticket_ids:
                raise Problem(404, "there are no such answers")
            standing = (answers.c.batch_id == batch, answers.c.withdrawn_at.is_(None))
            connection.execute(update(answers).where(*standing).values(withdrawn_at=datetime.now(UTC)))
            for ticket_id in ticket_ids:
                wait_unless_settled(connection, ticket_id)
        return len(ticket_ids)
