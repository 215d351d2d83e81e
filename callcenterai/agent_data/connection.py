"""The connection of a command to the agent's database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from callcenterai.core.cli import UserError, one_line


@contextmanager
def open_agent_database(address: str) -> Iterator[sqlalchemy.Connection]:
    """Give a connection in a transaction that is committed at the end; a UserError when the tables cannot be used."""
    try:
        with sqlalchemy.create_engine(_url(address)).begin() as connection:
            yield connection
    except (ArgumentError, NoSuchModuleError):
        raise UserError(
            "--database is not an address such as sqlite:///agent.db or postgresql://user@host/name"
        ) from None
    except DBAPIError as error:
        raise UserError(
            f"the agent's tables cannot be used ({one_line(str(error.orig))}): check that --database is the agent's "
            "DATABASE_URL and that the database is running"
        ) from None


def _url(address: str) -> sqlalchemy.URL:
    url = sqlalchemy.make_url(address)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+pg8000")
    # SQLite would create an empty database under a name that does not exist.
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise UserError(f"{url.database}: no such database; name the agent's with --database or DATABASE_URL")
    return url
