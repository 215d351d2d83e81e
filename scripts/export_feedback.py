"""Write what people have answered about tickets as a file that prepare takes.

    python scripts/export_feedback.py data/raw/feedback.csv
    python scripts/export_feedback.py data/raw/feedback.csv --database postgresql://agent@db.example.com/agent

Then set `prepare.feedback_input` in params.yaml to that file. Of several answers to one ticket, or to tickets that say
the same, the last one counts; one that was withdrawn does not. The texts are as the models see them: without personal
data. The same database gives the same bytes.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import _path  # noqa: F401
from callcenterai.core.cli import UserError, run

DEFAULT = "sqlite:///agent.db"
COLUMNS = ("text", "label", "ticket_id", "answered_at")
# What the agent puts in place of personal data. The models see an ellipsis there, as callcenterai/privacy says.
KINDS = ("URL", "EMAIL", "SECRET", "IBAN", "CARD", "NATIONAL_ID", "IP", "PHONE")
PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")
STANDING = """
    SELECT tickets.text, answers.category AS label, tickets.id AS ticket_id, answers.answered_at
    FROM answers JOIN tickets ON tickets.id = answers.ticket_id
    WHERE answers.withdrawn_at IS NULL ORDER BY answers.id
"""


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and export; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="CSV file to write")
    shown = "DATABASE_URL, else " + DEFAULT
    parser.add_argument("--database", default=os.environ.get("DATABASE_URL", DEFAULT), help=f"default: {shown}")
    args = parser.parse_args(argv)
    return run(lambda: export(args.database, args.output))


def export(database: str, output: Path) -> None:
    """Read the standing answers and write them; the file is replaced whole or not at all."""
    from callcenterai.core.files import write_bytes
    from callcenterai.formats.csv_files import csv_bytes

    found = standing_answers(database)
    last = last_of_each_text(found)
    if not last:
        raise UserError(f"nobody has answered a ticket yet: {output} is not written")
    write_bytes(output, csv_bytes(COLUMNS, ([row[name] for name in COLUMNS] for row in last)))
    print(f"{output}: {len(last)} tickets of {len(found)} answers")


def standing_answers(database: str) -> list[dict[str, Any]]:
    """Return the answers that were not withdrawn, the earliest first; a UserError when they cannot be read."""
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

    try:
        url = sqlalchemy.make_url(database)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+pg8000")
        # SQLite would make an empty database of a name that does not exist.
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
            raise UserError(f"{url.database}: no such database; name the agent's with --database or DATABASE_URL")
        with sqlalchemy.create_engine(url).connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sqlalchemy.text(STANDING))]
    except (ArgumentError, NoSuchModuleError):
        raise UserError("--database is no address such as sqlite:///agent.db or postgresql://user@host/name") from None
    except DBAPIError as error:
        told = " ".join(str(error.orig).split())
        raise UserError(
            f"the agent's tables cannot be read ({told}): is --database its DATABASE_URL, and up?"
        ) from None


def last_of_each_text(answers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each text, with the last answer to it, in the order of these answers."""
    from callcenterai.data.near_duplicates import fold

    last: dict[str, dict[str, Any]] = {}
    for answer in answers:
        text = PLACEHOLDER.sub("\N{HORIZONTAL ELLIPSIS}", answer["text"])
        key = " ".join(fold(text).split())
        # Taken out first, so that it comes where its last answer was given.
        last.pop(key, None)
        last[key] = answer | {"text": text}
    return list(last.values())


if __name__ == "__main__":
    sys.exit(main())
