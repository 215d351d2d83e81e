"""Stores tickets and people's answers. Its methods block, so the application calls them on a thread."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, bindparam, delete, func, insert, not_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection

from callcenterai.agent_data.live_figures.counting import SeenTickets, count_tickets
from services.agent.storage.audits import AuditedDay, audited_days
from services.agent.storage.database import answers, known_labels, migrate, outcomes, tickets
from services.agent.storage.holds import (
    IS_LABEL_CHECK,
    IS_WAITING,
    LABEL_CHECK,
    NOT_HELD,
    HoldRequest,
    hold_next,
    is_in,
    queues_in_order,
)
from services.agent.storage.retention import delete_old_tickets
from services.agent.storage.rows import existing_ticket, isoformat, standing_outcomes, wait_unless_settled
from services.common.agent_api import RequestedOrder, ReviewAnswer, RoutedTicket
from services.common.predictions import Weight
from services.common.problems import Problem

RETRY_SECONDS = "5"
# All that a reviewer is told of an audited ticket or a doubtful label: what arrived.
BLIND = ("ticket_id", "received_at", "text", "language", "personal_data", "waiting", "audit", "label_check")


class DriftFigures(NamedTuple):
    """What drift is found by, of what the TF-IDF model said by itself; all None if it was not asked."""

    first_category: str | None = None
    first_confidence: float | None = None
    characters: int | None = None
    unknown_words: float | None = None


class StoredTicket(NamedTuple):
    """An answered ticket: its text without personal data, the answer as it was given, and the heaviest terms.

    decided_by names the models and the policy; audit_probability is None for a ticket that is not audited. contrast has
    the heaviest terms for the first category against the second.
    """

    id: str
    text: str
    answer: RoutedTicket
    explanation: list[Weight]
    decided_by: str | None = None
    audit_probability: float | None = None
    figures: DriftFigures = DriftFigures()
    contrast: Sequence[Weight] = ()

    @property
    def row(self) -> dict[str, Any]:
        """The ticket as it is stored, without its text unless a person has to review or audit it."""
        now, review = datetime.now(UTC), self.answer["decision"] == "review"
        waiting = review or self.audit_probability is not None
        return {
            "id": self.id,
            "received_at": now,
            "day": now.date().isoformat(),
            "text_sha256": text_digest(self.id, self.text),
            "text": storable(self.text) if waiting else None,
            "explanation": self.explanation if review else None,
            "contrast": list(self.contrast) if review else None,
            "category": self.answer["category"],
            "confidence": self.answer["confidence"],
            "decision": self.answer["decision"],
            "waiting": waiting,
            "answer": self.answer,
            "decided_by": self.decided_by,
            "audit_probability": self.audit_probability,
            "language": self.answer["language"],
            **self.figures._asdict(),
        }


class ShadowAnswer(NamedTuple):
    """What a version in Staging says of a stored ticket."""

    ticket_id: str
    version: str
    category: str
    confidence: float


class StoredAnswer(NamedTuple):
    """A person's answer, the decision on its ticket, and whether the model agrees."""

    answer: ReviewAnswer
    decision: str
    agrees: bool


class TicketStore:
    """The agent's database. Every method raises a Problem 503 when the database cannot be reached."""

    def __init__(self, engine: Engine) -> None:
        """Asks nothing yet; `prepared` says whether the tables exist and are up to date."""
        self._engine = engine
        self.prepared = False
        # SQLite has one writer at a time, and lets the others poll with growing pauses; a lock hands over at once.
        sqlite = engine.dialect.name == "sqlite"
        self._writing: AbstractContextManager[Any] = Lock() if sqlite else nullcontext()

    def prepare(self) -> None:
        """Bring the schema up to date, once."""
        if not self.prepared:
            with _database_errors_as_problems():
                migrate(self._engine)
            self.prepared = True

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that writes nothing."""
        with _database_errors_as_problems(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that is committed at the end."""
        with _database_errors_as_problems(), self._writing, self._engine.begin() as connection:
            yield connection

    def find(self, ticket_id: str, text: str) -> RoutedTicket | None:
        """Return the earlier answer to this ticket, or None; a Problem 409 when its text was another one."""
        with _database_errors_as_problems(), self._engine.connect() as connection:
            row = connection.execute(select(tickets).where(tickets.c.id == ticket_id)).first()
        if row is None:
            return None
        if not is_text_of(row, text):
            raise Problem(409, "a ticket with this id and another text was answered before")
        return row.answer

    def add(self, new: list[StoredTicket]) -> None:
        """Store tickets: all or none."""
        rows = [ticket.row for ticket in new]
        with _database_errors_as_problems(), self._writing, self._engine.begin() as connection:
            connection.execute(insert(tickets), rows)

    def add_once(self, new: list[StoredTicket]) -> list[RoutedTicket | Problem]:
        """Store tickets, in one transaction if that is possible, and return their answers.

        If a ticket was stored before, its answer is the earlier one. A ticket that cannot be stored has the Problem
        instead; no other ticket suffers from it.
        """
        try:
            self.add(new)
            return [ticket.answer for ticket in new]
        except IntegrityError:
            # One of them was stored before, or is here twice.
            return [self._add_one(ticket) for ticket in new]

    def _add_one(self, ticket: StoredTicket) -> RoutedTicket | Problem:
        try:
            self.add([ticket])
            return ticket.answer
        except IntegrityError:
            try:
                return self.find(ticket.id, ticket.text) or ticket.answer
            except Problem as problem:
                return problem
        except Problem as problem:
            return problem

    def waiting(self, limit: int, order: RequestedOrder = "age") -> tuple[int, list[dict[str, Any]]]:
        """Return the number of tickets that wait for a person, and the first ones in an order."""
        with _database_errors_as_problems(), self._engine.connect() as connection:
            counted = select(func.count()).select_from(tickets).where(IS_WAITING, is_in(order))
            count = connection.execute(counted).scalar_one()
            found: list[Row] = []
            for which, columns in queues_in_order(connection, order) if limit else ():
                first = select(tickets).where(IS_WAITING, which).order_by(*columns).limit(limit - len(found))
                found += connection.execute(first)
            return count, [_review_shown(row) for row in found]

    def next_review(self, request: HoldRequest, seconds: float) -> tuple[int, dict[str, Any] | None]:
        """Return the number of waiting tickets, and one that is held for the reviewer from now on, if one is free."""
        with _database_errors_as_problems():
            found = hold_next(self._engine, request, seconds)
            count, _ = self.waiting(0, request.order)
        return count, self._with_answers(found, _review_shown) if found else None

    def ticket(self, ticket_id: str) -> dict[str, Any]:
        """Return a ticket with people's answers; a Problem 404 when there is none."""
        return self._with_answers(ticket_id, _ticket_shown)

    def _with_answers(self, ticket_id: str, show: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
        given = select(answers).where(answers.c.ticket_id == ticket_id).order_by(answers.c.id)
        with _database_errors_as_problems(), self._engine.connect() as connection:
            row = existing_ticket(connection, ticket_id)
            said = {"answers": [_answer_shown(each) for each in connection.execute(given)]}
            return show(row) | said | {"outcomes": standing_outcomes(connection, ticket_id)}

    def add_answer(
        self, ticket_id: str, category: str, by: str | None, text: str | None, comment: str | None = None
    ) -> StoredAnswer:
        """Store a person's answer, after which the ticket no longer waits.

        text is the text without personal data; it is needed for a ticket that was stored without it.
        """
        with _database_errors_as_problems(), self._engine.begin() as connection:
            row = existing_ticket(connection, ticket_id, lock=True)
            changes: dict[str, Any] = {"waiting": False} | NOT_HELD
            if row.text is None:
                if text is None:
                    raise Problem(
                        422, "this ticket was decided automatically, so its text was not stored: send the text as well"
                    )
                if not is_text_of(row, text):
                    raise Problem(409, "this is not the text that was answered under this id")
                changes["text"] = storable(text)
            connection.execute(update(tickets).where(tickets.c.id == ticket_id).values(changes))
            values = {"ticket_id": ticket_id, "category": category, "answered_by": by, "answered_at": datetime.now(UTC)}
            new = insert(answers).values(values | {"comment": comment and storable(comment)})
            inserted = connection.execute(new).inserted_primary_key
            number = inserted[0]  # type: ignore[index]  # None only for an insert of several rows
            found = connection.execute(select(answers).where(answers.c.id == number)).one()
        return StoredAnswer(_review_answer(found), row.decision, category == row.category)

    def withdraw(self, answer_id: int) -> ReviewAnswer:
        """Withdraw an answer; the ticket waits again if it has no other. A Problem 404 when there is no such answer."""
        with _database_errors_as_problems(), self._engine.begin() as connection:
            found = connection.execute(select(answers).where(answers.c.id == answer_id).with_for_update()).first()
            if found is None:
                raise Problem(404, "there is no such answer")
            standing = answers.c.withdrawn_at.is_(None)
            this = update(answers).where(answers.c.id == answer_id, standing)
            connection.execute(this.values(withdrawn_at=datetime.now(UTC)))
            wait_unless_settled(connection, found.ticket_id)
            row = connection.execute(select(answers).where(answers.c.id == answer_id)).one()
        return _review_answer(row)

    def erase(self, ticket_id: str) -> None:
        """Erase a ticket and people's answers to it; a Problem 404 when there is none."""
        with _database_errors_as_problems(), self._writing, self._engine.begin() as connection:
            existing_ticket(connection, ticket_id, lock=True)
            for table in (answers, outcomes):
                connection.execute(delete(table).where(table.c.ticket_id == ticket_id))
            connection.execute(delete(tickets).where(tickets.c.id == ticket_id))

    def volumes(self, days: int) -> list[dict[str, Any]]:
        """Return the number of tickets of the last days by day, category and decision."""
        since = (datetime.now(UTC).date() - timedelta(days=days - 1)).isoformat()
        by = (tickets.c.day, tickets.c.category, tickets.c.decision)
        routed = (tickets.c.day >= since, not_(IS_LABEL_CHECK))
        counted = select(*by, func.count().label("tickets")).where(*routed).group_by(*by).order_by(*by)
        with _database_errors_as_problems(), self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(counted)]

    def audits(self, days: int) -> list[AuditedDay]:
        """Return the audits of the last days, by day and by what decided."""
        since = (datetime.now(UTC).date() - timedelta(days=days - 1)).isoformat()
        with _database_errors_as_problems(), self._engine.connect() as connection:
            return audited_days(connection, since)

    def add_shadows(self, found: list[ShadowAnswer]) -> None:
        """Store what a version in Staging says of tickets; those that were erased meanwhile stay erased."""
        # Other names than those of columns, which SQLAlchemy would take for values to set.
        rows = [{f"its_{name}": value for name, value in each._asdict().items()} for each in found]
        values: dict[str, Any] = {
            f"shadow_{name}": bindparam(f"its_{name}") for name in ("version", "category", "confidence")
        }
        this = update(tickets).where(tickets.c.id == bindparam("its_ticket_id")).values(values)
        with _database_errors_as_problems(), self._writing, self._engine.begin() as connection:
            connection.execute(this, rows)

    def seen(self, reference: dict[str, Any], version: str, days: int) -> SeenTickets:
        """Return the counts of the last days' tickets about which a version was asked, as its reference has them."""
        today = datetime.now(UTC).date()
        with _database_errors_as_problems(), self._engine.connect() as connection:
            return count_tickets(connection, reference, version, today - timedelta(days=days - 1), today)

    def delete_old(self, days: int) -> int:
        """Delete some of the tickets that are older than so many days; return how many."""
        with _database_errors_as_problems(), self._writing:
            return delete_old_tickets(self._engine, days)

    def known_labels(self) -> dict[str, list[str]]:
        """Return the categories that each model service last reported, by its name."""
        with _database_errors_as_problems(), self._engine.connect() as connection:
            return {row.service: row.labels for row in connection.execute(select(known_labels))}

    def keep_labels(self, service: str, labels: list[str]) -> None:
        """Keep the categories that a model service reports; of agents that do so at once, one succeeds."""
        is_service = known_labels.c.service == service
        with (
            suppress(IntegrityError),
            _database_errors_as_problems(),
            self._writing,
            self._engine.begin() as connection,
        ):
            if connection.execute(update(known_labels).where(is_service).values(labels=labels)).rowcount == 0:
                connection.execute(insert(known_labels).values(service=service, labels=labels))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


@contextmanager
def _database_errors_as_problems() -> Iterator[None]:
    """Turn the errors of a database that cannot be used into a Problem 503."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, NoConnection) as error:
        name = type(getattr(error, "orig", error)).__name__
        raise Problem(
            503, f"the database does not answer ({name}); nothing was kept", {"Retry-After": RETRY_SECONDS}
        ) from error


def text_digest(ticket_id: str, text: str) -> str:
    """Return a hash by which the text of a ticket is recognised without storing it.

    The id salts it: equal texts of two tickets have different hashes, and a list of likely texts cannot be hashed once
    for all tickets.
    """
    return hashlib.sha256(f"{ticket_id}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def is_text_of(row: Row, text: str) -> bool:
    """Return whether this is the text of a stored ticket; rows from before December 2026 have a hash without salt."""
    return row.text_sha256 in (
        text_digest(row.id, text),
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    )


def storable(text: str) -> str:
    """Return a text that every database accepts: PostgreSQL refuses NUL, and UTF-8 has no lone surrogates."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _ticket_shown(row: Row) -> dict[str, Any]:
    kept = {"ticket_id": row.id, "received_at": isoformat(row.received_at), "text": row.text}
    kept |= {"audit": row.audit_probability is not None, "label_check": row.decision == LABEL_CHECK}
    kept |= {"explanation": row.explanation or [], "contrast": row.contrast or []}
    return row.answer | kept | {"waiting": row.waiting}


def _review_shown(row: Row) -> dict[str, Any]:
    """Return a waiting ticket as a reviewer sees it: a check is honest only if the model's answer is not shown."""
    shown = _ticket_shown(row)
    is_blind = shown["audit"] or shown["label_check"]
    return {name: shown[name] for name in BLIND if name in shown} if is_blind else shown


def _answer_shown(row: Row) -> dict[str, Any]:
    return {name: value for name, value in _review_answer(row).items() if name != "ticket_id"}


def _review_answer(row: Row) -> ReviewAnswer:
    return {
        "answer_id": row.id,
        "category": row.category,
        "by": row.answered_by,
        "comment": row.comment,
        "answered_at": isoformat(row.answered_at),
        "withdrawn_at": isoformat(row.withdrawn_at) if row.withdrawn_at else None,
        "ticket_id": row.ticket_id,
    }
