"""Puts the likely label errors of a training into the agent's review queue, where people say what is right."""

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy

from callcenterai.agent_data.connection import open_agent_database
from callcenterai.core.cli import UserError, describe_os_error
from callcenterai.text.language import detect

# The columns of suspicious.csv that are needed; docs/labels.md describes them all.
NEEDED = ("suggested_label", "suggested_probability", "text")
# What such a ticket has as its decision, beside the agent's own `auto` and `review`.
DECISION = "check"
# services/agent/storage/database.py makes the table.
TICKETS = sqlalchemy.table(
    "tickets",
    *(sqlalchemy.column(name) for name in ("id", "day", "text_sha256", "text", "category", "confidence", "decision")),
    sqlalchemy.column("received_at", sqlalchemy.DateTime(timezone=True)),
    sqlalchemy.column("waiting", sqlalchemy.Boolean),
    sqlalchemy.column("answer", sqlalchemy.JSON),
)


def queue_label_checks(suspicious: Path, database: str, limit: int) -> int:
    """Queue the first likely label errors of a file, and return how many of them are new.

    A text that was queued before is left alone, whatever was answered. Raises a UserError when the file or the database
    cannot be used; then nothing is queued.
    """
    rows = read_suspicious(suspicious)[:limit]
    tickets = {ticket["id"]: ticket for ticket in map(make_ticket, rows)}
    with open_agent_database(database) as connection:
        for known in [ticket_id for ticket_id in tickets if is_there(connection, ticket_id)]:
            del tickets[known]
        if tickets:
            connection.execute(sqlalchemy.insert(TICKETS), list(tickets.values()))
    return len(tickets)


def read_suspicious(path: Path) -> list[dict[str, str]]:
    """Return the rows of suspicious.csv, the likeliest label error first."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        raise UserError(f"{path} cannot be read ({reason}): name the suspicious.csv that training wrote") from None
    if missing := [name for name in NEEDED if name not in (reader.fieldnames or ())]:
        raise UserError(f"{path} has no column {missing[0]}: name the suspicious.csv that training wrote")
    return rows


def make_ticket(row: dict[str, str]) -> dict[str, Any]:
    """Return the ticket that waits for a person's answer; its id is that of its text."""
    text, now = row["text"], datetime.now(UTC)
    ticket_id = f"label-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    category, confidence = row["suggested_label"], float(row["suggested_probability"])
    shown = {"category": category, "confidence": confidence, "language": detect(text), "personal_data": {}}
    return {
        "id": ticket_id,
        "received_at": now,
        "day": now.date().isoformat(),
        # Nobody sends such a ticket again, so there is nothing to recognise it by.
        "text_sha256": "",
        "text": text,
        "category": category,
        "confidence": confidence,
        "decision": DECISION,
        "waiting": True,
        "answer": {"ticket_id": ticket_id, **shown},
    }


def is_there(connection: sqlalchemy.Connection, ticket_id: str) -> bool:
    """Return whether the database has a ticket."""
    return connection.execute(sqlalchemy.select(TICKETS.c.id).where(TICKETS.c.id == ticket_id)).first() is not None
