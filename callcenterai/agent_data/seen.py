"""Counts what the agent has seen, in the intervals of a model's reference; the database does the counting."""

from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from callcenterai.agent_data.connection import open_agent_database
from callcenterai.core.cli import UserError

COLUMNS = ("day", "decided_by", "first_category", "language", "first_confidence", "characters", "unknown_words")
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


def count_seen(
    database: str, reference: dict[str, Any], since: date, until: date, wanted: str | None, sha256: str
) -> SeenTickets:
    """Return the counts of the days from since to until, for a version of the model, by default the model's own.

    sha256 is the hash of the reference's model: its first digits are the version of a model that is served from a
    folder. Raises a UserError when there is no such ticket.
    """
    with open_agent_database(database) as connection:
        days = sa.and_(
            tickets.c.day.between(since.isoformat(), until.isoformat()), tickets.c.first_category.is_not(None)
        )
        versions = _versions(connection, days)
        version = wanted or _own_version(versions, sha256)
        if version not in versions:
            known = ", ".join(sorted(versions)) or "none: was an agent of this release asked"
            raise UserError(f"no ticket of version {version} from {since} to {until}; there are {known}")
        # The first words of decided_by are "tfidf VERSION"; a policy may follow after a comma.
        name = f"tfidf {version}"
        of_version = sa.and_(
            days, sa.or_(tickets.c.decided_by == name, tickets.c.decided_by.startswith(f"{name},", autoescape=True))
        )
        counts = {figure: _count(connection, of_version, COLUMN_OF[figure]) for figure in reference["counts"]}
        for figure, intervals in reference["intervals"].items():
            counts[figure] = _count(connection, of_version, _interval(COLUMN_OF[figure], intervals["edges"]))
    return SeenTickets(version, versions[version], counts)


def _own_version(versions: dict[str, int], sha256: str) -> str:
    """Return the version of the model: the first digits of its hash, or the number that a registry gave it."""
    own = sha256[:12]
    if own in versions or not versions:
        return own
    only = next(iter(versions))
    # Any other hash is that of another model.
    if len(versions) == 1 and only.isdecimal():
        return only
    known = ", ".join(sorted(versions))
    raise UserError(f"the agent asked the versions {known}: say with --version which one is the model's")


def _versions(connection: sa.Connection, days: sa.ColumnElement[bool]) -> dict[str, int]:
    counted = sa.select(tickets.c.decided_by, sa.func.count()).where(days).group_by(tickets.c.decided_by)
    versions: dict[str, int] = {}
    for decided_by, number in connection.execute(counted):
        version = decided_by.partition(",")[0].removeprefix("tfidf ")
        versions[version] = versions.get(version, 0) + number
    return versions


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
