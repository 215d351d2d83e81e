"""Puts the likely label errors of a training into the agent's review queue, where people say what is right."""

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy

from callcenterai.agent_data.connection import open_agent_database
from callcenterai.core.cli import UserError, describe_os_error
from callcenterai.privacy.scrub import scrub, without_placeholders
from callcenterai.text.language import detect

# What such a ticket has as its decision, beside the agent's own `auto` and `review`; services/agent/storage/holds.py
# finds it by that.
DECISION = "check"
# services/agent/storage/database.py makes the table.
TICKETS = sqlalchemy.table(
    "tickets",
    *(
        sqlalchemy.column(name)
        for name in ("id", "day", "text_sha256", "text", "category", "confidence", "decision", "language")
    ),
    sqlalchemy.column("received_at", sqlalchemy.DateTime(timezone=True)),
    sqlalchemy.column("waiting", sqlalchemy.Boolean),
    sqlalchemy.column("answer", sqlalchemy.JSON),
)


class Doubt(NamedTuple):
    """A ticket of the training with the label that the model suggests instead of its own, and with what probability."""

    text: str
    category: str
    confidence: float


def queue_label_checks(suspicious: Path, database: str, limit: int) -> int:
    """Queue the first likely label errors of a file, and return how many of them are new.

    A text that was queued before is left alone, whatever was answered. Raises a UserError when the file or the database
    cannot be used; then nothing is queued.
    """
    doubts = read_suspicious(suspicious)[:limit]
    tickets = {ticket["id"]: ticket for ticket in map(make_ticket, doubts)}
    with open_agent_database(database) as connection:
        for known in [ticket_id for ticket_id in tickets if is_there(connection, ticket_id)]:
            del tickets[known]
        if tickets:
            connection.execute(sqlalchemy.insert(TICKETS), list(tickets.values()))
    return len(tickets)


def read_suspicious(path: Path) -> list[Doubt]:
    """Return what suspicious.csv says, the likeliest label error first."""
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Doubt(row["text"], row["suggested_label"], float(row["suggested_probability"]))
                for row in csv.DictReader(file)
            ]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({describe_os_error(error)}); `dvc repro` writes it") from None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise UserError(f"{path} is not as training wrote it ({error!r}); `dvc repro -f train_tfidf` does") from None


def make_ticket(doubt: Doubt) -> dict[str, Any]:
    """Return the ticket that waits for a person's answer; its id is that of its text.

    The text is without personal data, as all that the agent stores, also where prepare.remove_personal_data is off.
    """
    scrubbed, now = scrub(doubt.text), datetime.now(UTC)
    text = without_placeholders(scrubbed.text)
    ticket_id = f"label-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    shown = {"category": doubt.category, "confidence": doubt.confidence, "language": detect(text)}
    return {
        "id": ticket_id,
        "received_at": now,
        "day": now.date().isoformat(),
        # Nobody sends such a ticket again, so there is nothing to recognise it by.
        "text_sha256": "",
        "text": text,
        **shown,
        "decision": DECISION,
        "waiting": True,
        "answer": {
            "ticket_id": ticket_id,
            **shown,
            "personal_data": scrubbed.counts,
        },
    }


def is_there(connection: sqlalchemy.Connection, ticket_id: str) -> bool:
    """Return whether the database has a ticket."""
    return connection.execute(sqlalchemy.select(TICKETS.c.id).where(TICKETS.c.id == ticket_id)).first() is not None
