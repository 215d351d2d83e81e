"""Finds the version of a model about whose tickets the report on drift is, and counts them."""

from datetime import date
from typing import Any

import sqlalchemy as sa

from callcenterai.agent_data.connection import open_agent_database
from callcenterai.agent_data.live_figures.counting import SeenTickets, asked_in, count_tickets, tickets
from callcenterai.core.cli import UserError


def count_seen(
    database: str, reference: dict[str, Any], since: date, until: date, wanted: str | None, sha256: str
) -> SeenTickets:
    """Return the counts of the days from since to until, for a version of the model, by default the model's own.

    sha256 is the hash of the reference's model: its first digits are the version of a model that is served from a
    folder. Raises a UserError when there is no such ticket.
    """
    with open_agent_database(database) as connection:
        versions = _versions(connection, asked_in(since, until))
        version = wanted or _own_version(versions, sha256)
        if version not in versions:
            known = ", ".join(sorted(versions)) or "none: was an agent of this release asked"
            raise UserError(f"no ticket of version {version} from {since} to {until}; there are {known}")
        return count_tickets(connection, reference, version, since, until)


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
