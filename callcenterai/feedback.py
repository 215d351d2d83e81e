"""Export people's answers about tickets from the agent's database as a file that prepare reads."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from callcenterai.core.cli import UserError, one_line
from callcenterai.core.files import write_bytes
from callcenterai.data.fingerprints import fold
from callcenterai.formats.delimited import csv_bytes
from callcenterai.privacy.scrub import without_placeholders

COLUMNS = ("text", "label", "ticket_id", "answered_at")
STANDING_ANSWERS = """
    SELECT tickets.text, answers.category AS label, tickets.id AS ticket_id, answers.answered_at
    FROM answers JOIN tickets ON tickets.id = answers.ticket_id
    WHERE answers.withdrawn_at IS NULL ORDER BY answers.id
"""


def export_feedback(database: str, output: Path) -> None:
    """Write the last answer to each text as CSV; the file is replaced as a whole or not at all."""
    answers = standing_answers(database)
    last = last_of_each_text(answers)
    if not last:
        raise UserError(f"nobody has answered a ticket yet: {output} is not written")
    write_bytes(output, csv_bytes(COLUMNS, ([answer[name] for name in COLUMNS] for answer in last)))
    print(f"{output}: tickets written: {len(last)}; answers read: {len(answers)}")


def standing_answers(database: str) -> list[dict[str, Any]]:
    """Return the answers that were not withdrawn, the earliest first; a UserError when they cannot be read."""
    try:
        with sqlalchemy.create_engine(_url(database)).connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sqlalchemy.text(STANDING_ANSWERS))]
    except (ArgumentError, NoSuchModuleError):
        raise UserError(
            "--database is not an address such as sqlite:///agent.db or postgresql://user@host/name"
        ) from None
    except DBAPIError as error:
        raise UserError(
            f"the agent's tables cannot be read ({one_line(str(error.orig))}): check that --database is the agent's "
            "DATABASE_URL and that the database is running"
        ) from None


def _url(database: str) -> sqlalchemy.URL:
    url = sqlalchemy.make_url(database)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+pg8000")
    # SQLite would create an empty database under a name that does not exist.
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise UserError(f"{url.database}: no such database; name the agent's with --database or DATABASE_URL")
    return url


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
