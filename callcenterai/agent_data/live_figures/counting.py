"""Counts what the agent has seen, in the intervals of a model's reference; the database does the counting."""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

# The columns of the agent's tickets that are read outside of the agent too.
COLUMNS = (
    *("id", "day", "decided_by", "audit_probability"),
    *("first_category", "first_confidence", "language", "characters", "unknown_words"),
    *("shadow_version", "shadow_category"),
)
tickets = sa.table("tickets", *map(sa.column, COLUMNS))
# The column of each figure of the reference.
COLUMN_OF = {
    "category": tickets.c.first_category,
    "language": tickets.c.language,
    "confidence": tickets.c.first_confidence,
    "characters": tickets.c.characters,
    "unknown_words": tickets.c.unknown_words,
}


class SeenTickets(NamedTuple):
    """How many tickets a version of the TF-IDF model was asked about, and their counts by figure and by value.

    The values of a number are its intervals, from 0 on. Tickets without a value are not counted.
    """

    version: str
    tickets: int
    counts: dict[str, dict[Any, int]]


def count_tickets(
    connection: sa.Connection, reference: Mapping[str, Any], version: str, since: date, until: date
) -> SeenTickets:
    """Return the counts of the tickets from one day to another about which a version was asked."""
    which = sa.and_(asked_in(since, until), answered_by(version))
    number = connection.scalar(sa.select(sa.func.count()).select_from(tickets).where(which))
    counts = {figure: _count(connection, which, COLUMN_OF[figure]) for figure in reference["counts"]}
    for figure, intervals in reference["intervals"].items():
        counts[figure] = _count(connection, which, _interval(COLUMN_OF[figure], intervals["edges"]))
    return SeenTickets(version, number or 0, counts)


def asked_in(since: date, until: date) -> sa.ColumnElement[bool]:
    """Return the condition on a ticket that the TF-IDF model was asked about it, from one day to another."""
    days = tickets.c.day.between(since.isoformat(), until.isoformat())
    return sa.and_(days, tickets.c.first_category.is_not(None))


def answered_by(version: str) -> sa.ColumnElement[bool]:
    """Return the condition on a ticket that a version of the TF-IDF model was the first to answer it."""
    # The first words of decided_by are "tfidf VERSION"; a policy may follow after a comma.
    name = f"tfidf {version}"
    return sa.or_(tickets.c.decided_by == name, tickets.c.decided_by.startswith(f"{name},", autoescape=True))


def _interval(column: sa.ColumnElement[Any], edges: list[float]) -> sa.ColumnElement[Any]:
    """Return the number of a value's interval: a value at an edge belongs to the interval below it."""
    below: list[tuple[Any, Any]] = [
        (column <= sa.literal(edge, sa.Float), sa.literal_column(str(place))) for place, edge in enumerate(edges)
    ]
    last: Any = sa.literal_column(str(len(edges)))
    return sa.case((column.is_(None), sa.null()), *below, else_=last)


def _count(connection: sa.Connection, which: sa.ColumnElement[bool], value: sa.ColumnElement[Any]) -> dict[Any, int]:
    grouped = sa.select(value.label("value")).where(which).subquery()
    counted = sa.select(grouped.c.value, sa.func.count()).group_by(grouped.c.value)
    return {found: number for found, number in connection.execute(counted) if found is not None}
