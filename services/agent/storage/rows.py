"""What several stores read from the tables: a ticket, how its reviews ended, and whether it is settled."""

from datetime import UTC, datetime

from sqlalchemy import Connection, Row, exists, or_, select, update

from services.agent.storage.database import answers, outcomes, tickets
from services.common.agent_api import SKIPPED, RecordedOutcome
from services.common.problems import Problem


def existing_ticket(connection: Connection, ticket_id: str, lock: bool = False) -> Row:
    """Return the row of a ticket; a Problem 404 when there is none."""
    wanted = select(tickets).where(tickets.c.id == ticket_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).first()
    if row is None:
        raise Problem(404, "there is no ticket with this id")
    return row


def wait_unless_settled(connection: Connection, ticket_id: str) -> None:
    """Let a ticket wait again if people have to decide it, and what they said was all withdrawn."""
    # Locked before it is asked what stands, so that of two withdrawals at once the second sees the first.
    ticket = existing_ticket(connection, ticket_id, lock=True)
    answered = exists().where(answers.c.ticket_id == ticket_id, answers.c.withdrawn_at.is_(None))
    standing = (outcomes.c.ticket_id == ticket_id, outcomes.c.withdrawn_at.is_(None), outcomes.c.outcome != SKIPPED)
    settled = connection.scalar(select(or_(answered, exists().where(*standing))))
    for_people = ticket.decision != "auto" or ticket.audit_probability is not None
    connection.execute(update(tickets).where(tickets.c.id == ticket_id).values(waiting=for_people and not settled))


def standing_outcomes(connection: Connection, ticket_id: str) -> list[RecordedOutcome]:
    """Return the outcomes of a ticket that were not withdrawn, the earliest first."""
    standing = (outcomes.c.ticket_id == ticket_id, outcomes.c.withdrawn_at.is_(None))
    found = connection.execute(select(outcomes).where(*standing).order_by(outcomes.c.id))
    return [show_outcome(row) for row in found]


def show_outcome(row: Row) -> RecordedOutcome:
    """Return an outcome in the shape of the API."""
    return {
        "outcome_id": row.id,
        "ticket_id": row.ticket_id,
        "outcome": row.outcome,
        "comment": row.comment,
        "by": row.given_by,
        "given_at": isoformat(row.given_at),
        "withdrawn_at": isoformat(row.withdrawn_at) if row.withdrawn_at else None,
    }


def isoformat(at: datetime) -> str:
    """Return a time as ISO 8601. SQLite drops the time zone; all our times are UTC."""
    return at.replace(tzinfo=at.tzinfo or UTC).isoformat(timespec="seconds")
