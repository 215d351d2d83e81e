"""Stores how reviews ended without a category, beside people's answers."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update

from services.agent.storage.database import outcomes, tickets
from services.agent.storage.holds import NOT_HELD
from services.agent.storage.rows import existing_ticket, show_outcome, wait_unless_settled
from services.agent.storage.store import TicketStore, storable
from services.common.agent_api import SKIPPED, RecordedOutcome
from services.common.problems import Problem


class OutcomeStore:
    """The outcomes in the agent's database. Every method raises a Problem 503 when that cannot be reached."""

    def __init__(self, store: TicketStore) -> None:
        """Share the connections of the other tables."""
        self._store = store

    def add(self, ticket_id: str, outcome: str, by: str | None, comment: str | None) -> RecordedOutcome:
        """Store an outcome, after which the ticket no longer waits, unless it was skipped; then others get it."""
        with self._store.writing() as connection:
            existing_ticket(connection, ticket_id, lock=True)
            changes: dict[str, Any] = NOT_HELD if outcome == SKIPPED else {"waiting": False} | NOT_HELD
            connection.execute(update(tickets).where(tickets.c.id == ticket_id).values(changes))
            values = {"ticket_id": ticket_id, "outcome": outcome, "given_by": by, "given_at": datetime.now(UTC)}
            new = insert(outcomes).values(values | {"comment": comment and storable(comment)}).returning(outcomes)
            return show_outcome(connection.execute(new).one())

    def withdraw(self, outcome_id: int) -> RecordedOutcome:
        """Withdraw an outcome; the ticket waits again if nothing else settles it. A Problem 404 if there is none."""
        with self._store.writing() as connection:
            this = outcomes.c.id == outcome_id
            found = connection.execute(select(outcomes).where(this).with_for_update()).first()
            if found is None:
                raise Problem(404, "there is no such outcome")
            now = {"withdrawn_at": datetime.now(UTC)}
            connection.execute(update(outcomes).where(this, outcomes.c.withdrawn_at.is_(None)).values(now))
            wait_unless_settled(connection, found.ticket_id)
            return show_outcome(connection.execute(select(outcomes).where(this)).one())
