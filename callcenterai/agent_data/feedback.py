"""Export people's answers about tickets from the agent's database as a file that prepare reads."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy

from callcenterai.agent_data.connection import open_agent_database
from callcenterai.core.cli import UserError
from callcenterai.core.files import write_bytes
from callcenterai.data.fingerprints import fold
from callcenterai.formats.delimited import csv_bytes
from callcenterai.privacy.scrub import without_placeholders

COLUMNS = ("text", "label", "ticket_id", "answered_at", "audited")
STANDING_ANSWERS = """
    SELECT tickets.text, answers.category AS label, tickets.id AS ticket_id, answers.answered_at,
        CASE WHEN tickets.audit_probability IS NULL THEN 'no' ELSE 'yes' END AS audited
    FROM answers JOIN tickets ON tickets.id = answers.ticket_id
    WHERE answers.withdrawn_at IS NULL ORDER BY answers.id
"""


def export_feedback(database: str, output: Path) -> None:
    """Write the last answer to each text as CSV; the file is replaced as a whole or not at all."""
    answers = standing_answers(database)
    last = last_of_each_text(answers)
    if not last:
        raise UserError(f"nobody has answered a ticket yet: {output} is not written")
    content = csv_bytes(COLUMNS, ([answer[name] for name in COLUMNS] for answer in last))
    # Texts of customers: only for whoever exports them.
    write_bytes(output, content, private=True)
    print(f"{output}: tickets written: {len(last)}; answers read: {len(answers)}")


def standing_answers(database: str) -> list[dict[str, Any]]:
    """Return the answers that were not withdrawn, the earliest first; a UserError when they cannot be read."""
    with open_agent_database(database) as connection:
        return [dict(row._mapping) for row in connection.execute(sqlalchemy.text(STANDING_ANSWERS))]


def last_of_each_text(answers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last answer to each text, in the order of these answers, with the text as the models read it.

    Texts that differ only in case, accents or white space are one text.
    """
    last: dict[str, dict[str, Any]] = {}
    for answer in answers:
        text = without_placeholders(answer["text"])
        key = " ".join(fold(text).split())
        # Removing an earlier answer first puts the text where its last answer was given.
        last.pop(key, None)
        last[key] = answer | {"text": text}
    return list(last.values())
