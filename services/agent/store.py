"""Tickets and people's answers, kept and found again. Its methods block: the application calls them on a thread."""

import hashlib
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection

from services.agent.database import answers, tickets, upgrade
from services.agent.holds import FREE, Wish, take
from services.agent.retention import forget
from services.common.problems import Problem

RETRY_SECONDS = "5"


class Ticket(NamedTuple):
    """A ticket that was answered: its scrubbed text, the answer as it was given, and what weighed for it."""

    id: str
    text: str
    answer: dict[str, Any]
    explanation: list[dict[str, Any]]

    @property
    def digest(self) -> str:
        """By which the same text is known again, without keeping it."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def row(self) -> dict[str, Any]:
        """As it is stored: without its text when no person has to look at it."""
        now, review = datetime.now(UTC), self.answer["decision"] == "review"
        return {
            "id": self.id,
            "received_at": now,
            "day": now.date().isoformat(),
            "text_sha256": self.digest,
            "text": storable(self.text) if review else None,
            "explanation": self.explanation if review else None,
            "category": self.answer["category"],
            "confidence": self.answer["confidence"],
            "decision": self.answer["decision"],
            "waiting": review,
            "answer": self.answer,
        }


class Store:
    """The database, as the agent needs it. Each method raises a Problem 503 when it cannot be reached."""

    def __init__(self, engine: Engine) -> None:
        """Nothing is asked yet; prepared says whether the tables are there and up to date."""
        self._engine = engine
        self.prepared = False
        # SQLite has one writer, and lets the others look again after ever longer pauses; a lock hands over at once.
        self._writing = Lock() if engine.dialect.name == "sqlite" else nullcontext()

    def prepare(self) -> None:
        """Bring the schema up to date, once."""
        if not self.prepared:
            with _reported():
                upgrade(self._engine)
            self.prepared = True

    def find(self, ticket_id: str, digest: str) -> dict[str, Any] | None:
        """Return the answer that this ticket has had, or None; a Problem 409 when that was another text."""
        with _reported(), self._engine.connect() as connection:
            row = connection.execute(select(tickets).where(tickets.c.id == ticket_id)).first()
        if row is None:
            return None
        if row.text_sha256 != digest:
            raise Problem(409, "a ticket of this id, with another text, was answered before")
        return row.answer

    def add(self, new: list[Ticket]) -> None:
        """Keep tickets; all or none."""
        rows = [ticket.row for ticket in new]
        with _reported(), self._writing, self._engine.begin() as connection:
            connection.execute(insert(tickets), rows)

    def add_once(self, ticket: Ticket) -> dict[str, Any]:
        """Keep a ticket and return its answer; when the same one came in meanwhile, return the answer that one got."""
        try:
            self.add([ticket])
            return ticket.answer
        except IntegrityError:
            return self.find(ticket.id, ticket.digest) or ticket.answer

    def waiting(self, limit: int) -> tuple[int, list[dict[str, Any]]]:
        """Return how many tickets wait for a person, and those that have waited longest."""
        wait = tickets.c.waiting.is_(True)
        oldest = select(tickets).where(wait).order_by(tickets.c.received_at, tickets.c.id).limit(limit)
        with _reported(), self._engine.connect() as connection:
            count = connection.scalar(select(func.count()).select_from(tickets).where(wait))
            return count, [_shown(row) for row in connection.execute(oldest)]

    def next_review(self, wish: Wish, seconds: float) -> tuple[int, dict[str, Any] | None]:
        """Return how many tickets wait, and one that the reviewer holds for so many seconds, if one is free."""
        with _reported():
            found = take(self._engine, wish, seconds)
            count, _ = self.waiting(0)
        return count, self.ticket(found) if found else None

    def ticket(self, ticket_id: str) -> dict[str, Any]:
        """Return a ticket with people's answers; a Problem 404 when there is none."""
        said = select(answers).where(answers.c.ticket_id == ticket_id).order_by(answers.c.id)
        with _reported(), self._engine.connect() as connection:
            row = _existing(connection, ticket_id)
            return _shown(row) | {"answers": [_shown_answer(each) for each in connection.execute(said)]}

    def add_answer(
        self, ticket_id: str, category: str, by: str | None, text: str | None
    ) -> tuple[dict[str, Any], bool]:
        """Keep a person's answer; return it and whether the model had said so. The ticket no longer waits.

        text is the scrubbed text, which a ticket that was decided without a person still lacks.
        """
        with _reported(), self._engine.begin() as connection:
            row = _existing(connection, ticket_id, lock=True)
            changes: dict[str, Any] = {"waiting": False} | FREE
            if row.text is None:
                if text is None:
                    raise Problem(422, "this ticket was decided without a person and its text not kept: send it along")
                if Ticket(ticket_id, text, {}, []).digest != row.text_sha256:
                    raise Problem(409, "this is not the text that was answered under this id")
                changes["text"] = storable(text)
            connection.execute(update(tickets).where(tickets.c.id == ticket_id).values(changes))
            values = {"ticket_id": ticket_id, "category": category, "answered_by": by, "answered_at": datetime.now(UTC)}
            number = connection.execute(insert(answers).values(values)).inserted_primary_key[0]
            found = connection.execute(select(answers).where(answers.c.id == number)).one()
        return _shown_answer(found) | {"ticket_id": ticket_id}, category == row.category

    def withdraw(self, answer_id: int) -> dict[str, Any]:
        """Take an answer back; the ticket waits again when it has no other. A Problem 404 when there is none."""
        with _reported(), self._engine.begin() as connection:
            found = connection.execute(select(answers).where(answers.c.id == answer_id).with_for_update()).first()
            if found is None:
                raise Problem(404, "there is no such answer")
            standing = answers.c.withdrawn_at.is_(None)
            mine = update(answers).where(answers.c.id == answer_id, standing)
            connection.execute(mine.values(withdrawn_at=datetime.now(UTC)))
            others = select(func.count()).select_from(answers).where(answers.c.ticket_id == found.ticket_id, standing)
            ticket = _existing(connection, found.ticket_id, lock=True)
            wait = ticket.decision == "review" and connection.scalar(others) == 0
            connection.execute(update(tickets).where(tickets.c.id == ticket.id).values(waiting=wait))
            row = connection.execute(select(answers).where(answers.c.id == answer_id)).one()
        return _shown_answer(row) | {"ticket_id": found.ticket_id}

    def volumes(self, days: int) -> list[dict[str, Any]]:
        """Return the tickets of the last days by day, category and decision."""
        since = (datetime.now(UTC).date() - timedelta(days=days - 1)).isoformat()
        by = (tickets.c.day, tickets.c.category, tickets.c.decision)
        counted = select(*by, func.count().label("tickets")).where(tickets.c.day >= since).group_by(*by).order_by(*by)
        with _reported(), self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(counted)]

    def forget(self, days: int) -> int:
        """Delete some of the tickets whose time is up; return how many."""
        with _reported(), self._writing:
            return forget(self._engine, days)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


class _reported:
    """Turns what a database raises when it cannot be used into a Problem."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (DBAPIError, NoConnection)) and not isinstance(error, IntegrityError):
            name = type(getattr(error, "orig", error)).__name__
            raise Problem(
                503, f"the database does not answer ({name}); nothing was kept", {"Retry-After": RETRY_SECONDS}
            ) from error


def storable(text: str) -> str:
    """Return a text as every database takes it: PostgreSQL has no NUL, and UTF-8 no lone surrogates."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _existing(connection: Connection, ticket_id: str, lock: bool = False) -> Row:
    wanted = select(tickets).where(tickets.c.id == ticket_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).first()
    if row is None:
        raise Problem(404, "there is no ticket of this id")
    return row


def _shown(row: Row) -> dict[str, Any]:
    kept = {"ticket_id": row.id, "received_at": _time(row.received_at), "text": row.text}
    return row.answer | kept | {"explanation": row.explanation or [], "waiting": row.waiting}


def _shown_answer(row: Row) -> dict[str, Any]:
    times = {name: _time(getattr(row, name)) for name in ("answered_at", "withdrawn_at")}
    return {"answer_id": row.id, "category": row.category, "by": row.answered_by} | times


def _time(at: datetime | None) -> str | None:
    # SQLite forgets the time zone; all of ours are UTC.
    return at and at.replace(tzinfo=at.tzinfo or UTC).isoformat(timespec="seconds")
