"""Erases tickets from the agent's database, with people's answers to them."""

import hashlib
from collections.abc import Iterator
from itertools import chain

import sqlalchemy

from callcenterai.agent_data.connection import open_agent_database
from callcenterai.core.cli import UserError

# The longest name, address or other words that contains_sha256 is compared with.
MOST_WORDS = 12
PAGE = 1000
COMMENTS = """
    SELECT ticket_id, comment FROM answers WHERE comment IS NOT NULL
    UNION ALL SELECT ticket_id, comment FROM outcomes WHERE comment IS NOT NULL
"""
DELETIONS = (
    "DELETE FROM answers WHERE ticket_id = :id",
    "DELETE FROM outcomes WHERE ticket_id = :id",
    "DELETE FROM tickets WHERE id = :id",
)


def erase_tickets(database: str, ids: list[str], digests: list[str], dry_run: bool = False) -> list[str]:
    """Erase the tickets with these ids, and those whose words have one of these SHA-256; return their ids.

    A ticket's words are those of its text and of people's comments. Raises a UserError, and erases nothing, when an id
    is unknown.
    """
    wanted = {digest.lower() for digest in digests}
    with open_agent_database(database) as connection:
        if missing := [each for each in ids if not _exists(connection, each)]:
            raise UserError(f"there is no ticket {', '.join(missing)} in this database; nothing was erased")
        found = list(ids)
        if wanted:
            texts = chain(_texts(connection), _comments(connection))
            found += [each for each, text in texts if not wanted.isdisjoint(word_digests(text))]
        found = list(dict.fromkeys(found))
        for ticket_id in () if dry_run else found:
            for statement in DELETIONS:
                connection.execute(sqlalchemy.text(statement), {"id": ticket_id})
    return found


def word_digests(text: str) -> Iterator[str]:
    """Yield the SHA-256, in hexadecimal, of the whole text and of every 1 to MOST_WORDS words in a row.

    Punctuation around the words does not count, since people search for a name as it stands in a list.
    """
    yield _digest(text)
    words = text.split()
    for start in range(len(words)):
        for end in range(start + 1, min(len(words), start + MOST_WORDS) + 1):
            phrase = " ".join(words[start:end])
            yield _digest(phrase)
            plain = phrase.strip(".,;:!?()[]<>\"'«»“”„‚‘’")
            if plain != phrase:
                yield _digest(plain)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _exists(connection: sqlalchemy.Connection, ticket_id: str) -> bool:
    found = connection.execute(sqlalchemy.text("SELECT 1 FROM tickets WHERE id = :id"), {"id": ticket_id})
    return found.first() is not None


def _comments(connection: sqlalchemy.Connection) -> Iterator[tuple[str, str]]:
    """Yield the id of the ticket and the text of every comment that a person has written."""
    yield from ((row.ticket_id, row.comment) for row in connection.execute(sqlalchemy.text(COMMENTS)))


def _texts(connection: sqlalchemy.Connection) -> Iterator[tuple[str, str]]:
    """Yield the id and the text of every ticket that has one, a page at a time."""
    after = ""
    page = sqlalchemy.text(
        "SELECT id, text FROM tickets WHERE text IS NOT NULL AND id > :after ORDER BY id LIMIT :most"
    )
    while rows := connection.execute(page, {"after": after, "most": PAGE}).all():
        yield from ((row.id, row.text) for row in rows)
        after = rows[-1].id
