"""Reads from the database what a team has answered, how it agrees with the model, and how fast the queue changes."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal_column, not_, or_, select, union

from services.agent.storage.database import answers, outcomes, tickets
from services.agent.storage.holds import IS_AUDIT, IS_LABEL_CHECK, IS_UNSURE, IS_WAITING
from services.agent.storage.rows import isoformat
from services.agent.storage.store import TicketStore
from services.common.agent_api import SKIPPED, Correction, PersonDay, QueueFigures, TeamReport

# Over these hours the rates are counted: long enough for a few dozen answers, short enough to be those of this shift.
RATE_HOURS = 4
MOST_CORRECTIONS = 20
# People who have no name answer through a program, or without a login.
NOBODY = ""
AGREES = answers.c.category == tickets.c.category


def report_team(store: TicketStore, days: int) -> TeamReport:
    """Return the figures of the last days (UTC), today included."""
    now = datetime.now(UTC)
    since = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=days - 1)
    with store.reading() as connection:
        return TeamReport(
            people=_people(connection, since),
            corrections=_corrections(connection, since),
            queue=_queue(connection, now),
        )


def _people(connection: Connection, since: datetime) -> list[PersonDay]:
    """Return what each person did on each day, the latest day first.

    An answer to a doubtful label counts as such alone: the label is doubtful because the model differs.
    """
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    key = _key(connection, answers.c.answered_at, answers.c.answered_by)
    counts = {"answered": func.count(), "suggested": _number_of(IS_UNSURE), "blind": _number_of(IS_AUDIT)}
    counts |= {"suggested_agreed": _number_of(IS_UNSURE, AGREES), "blind_agreed": _number_of(IS_AUDIT, AGREES)}
    answered = (
        select(*key, *(count.label(name) for name, count in counts.items()))
        .select_from(answers.join(tickets, tickets.c.id == answers.c.ticket_id))
        .where(answers.c.answered_at >= since, answers.c.withdrawn_at.is_(None))
        .group_by("on_day", "by_person")
    )
    key = _key(connection, outcomes.c.given_at, outcomes.c.given_by)
    skipped = outcomes.c.outcome == SKIPPED
    ended = (
        select(*key, _number_of(not_(skipped)).label("without_category"), _number_of(skipped).label("skipped"))
        .where(outcomes.c.given_at >= since, outcomes.c.withdrawn_at.is_(None))
        .group_by("on_day", "by_person")
    )
    for statement in (answered, ended):
        for row in connection.execute(statement):
            figures = dict(row._mapping)
            found[figures.pop("on_day"), figures.pop("by_person")] |= figures
    order = sorted(sorted(found), key=lambda key: key[0], reverse=True)
    return [PersonDay.model_validate({"day": on, "person": by or None, **found[on, by]}) for on, by in order]


def _corrections(connection: Connection, since: datetime) -> list[Correction]:
    """Return what people changed into what, the most frequent first; for doubtful labels, nothing was suggested."""
    pair = (tickets.c.category, answers.c.category)
    changed = (
        select(*pair, func.count())
        .select_from(answers.join(tickets, tickets.c.id == answers.c.ticket_id))
        .where(answers.c.answered_at >= since, answers.c.withdrawn_at.is_(None), not_(AGREES), not_(IS_LABEL_CHECK))
        .group_by(*pair)
        .order_by(func.count().desc(), *pair)
        .limit(MOST_CORRECTIONS)
    )
    return [
        Correction(suggested=suggested, answered=answered, tickets=count)
        for suggested, answered, count in connection.execute(changed)
    ]


def _queue(connection: Connection, now: datetime) -> QueueFigures:
    """Return what waits, without doubtful labels, which no customer waits for, and how fast that changes."""
    waiting = (IS_WAITING, not_(IS_LABEL_CHECK))
    oldest = connection.scalar(
        select(tickets.c.received_at).where(*waiting).order_by(tickets.c.received_at, tickets.c.id).limit(1)
    )
    since = now - timedelta(hours=RATE_HOURS)
    # The index of days finds the few tickets among which those of the last hours are.
    recent = (tickets.c.day >= since.date().isoformat(), tickets.c.received_at >= since)
    came = and_(or_(tickets.c.decision == "review", IS_AUDIT), not_(IS_LABEL_CHECK))
    arrived = connection.scalar(select(func.count()).select_from(tickets).where(*recent, came))
    said = union(
        select(answers.c.ticket_id).where(answers.c.answered_at >= since, answers.c.withdrawn_at.is_(None)),
        select(outcomes.c.ticket_id).where(
            outcomes.c.given_at >= since, outcomes.c.withdrawn_at.is_(None), outcomes.c.outcome != SKIPPED
        ),
    ).subquery()
    # What was corrected without waiting leaves the queue no shorter.
    left = select(func.count()).select_from(said.join(tickets, tickets.c.id == said.c.ticket_id)).where(came)
    return QueueFigures(
        waiting=connection.scalar(select(func.count()).select_from(tickets).where(*waiting)) or 0,
        oldest=isoformat(oldest) if oldest else None,
        arrived_per_hour=(arrived or 0) / RATE_HOURS,
        answered_per_hour=(connection.scalar(left) or 0) / RATE_HOURS,
    )


def _number_of(*conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((and_(*conditions), 1), else_=0))


def _key(connection: Connection, at: ColumnElement[Any], by: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    """Return the day of a time in UTC, as ISO 8601, and the person, to group by under these names."""
    if connection.dialect.name == "sqlite":
        day = func.date(at)
    else:
        day = func.to_char(func.timezone(literal_column("'UTC'"), at), literal_column("'YYYY-MM-DD'"))
    return day.label("on_day"), func.coalesce(by, NOBODY).label("by_person")
