"""The rows of an MLflow database: read from an embedded one as they are at one moment, written to an empty PostgreSQL.

The tables are those of the installed MLflow, in the order in which they refer to each other, and the columns' types are
its own, so that a boolean or a JSON text arrives as what it is. A database of another MLflow is refused.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from callcenterai.core.cli import UserError

# What a running server keeps for itself: its jobs and who is at work on them.
SERVERS_OWN = {"jobs", "job_locks", "scheduler_leases"}
# What a server makes in an empty database when it starts: one row each, which the source has too.
MADE_AT_START = {"experiments": "name = 'Default'", "workspaces": "name = 'default'"}
ROWS_AT_ONCE = 500
# More parameters a statement PostgreSQL does not take.
MOST_PARAMETERS = 30_000

# A table's name and a row of it, to the row as it is in the target.
Rewrite = Callable[[str, dict[str, Any]], dict[str, Any]]


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what a database or MLflow refuses into a UserError, which never holds an address with a password."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        raise UserError(f"the database refuses: {reason_of(error)}; no row was written") from error
    except MlflowException as error:
        raise UserError(f"MLflow refuses: {error.message}") from error


def reason_of(error: Any) -> str:
    """Return what the driver said, without the statement and its values."""
    said = getattr(error, "orig", None) or error
    first = said.args[0] if said.args else said
    return str(first.get("M", first) if isinstance(first, dict) else first).partition("\n")[0]


def tables() -> list[Any]:
    """Return the tables that are moved, in the order in which they refer to each other."""
    # Importing it makes all of them known.
    from mlflow.store.db import utils

    return [table for table in utils.Base.metadata.sorted_tables if table.name not in SERVERS_OWN]


@contextmanager
def read(path: Path) -> Iterator[Any]:
    """Give a connection that reads an embedded database, at one moment, and can change nothing."""
    from mlflow.store.db.utils import _get_latest_schema_revision, _get_schema_version
    from sqlalchemy import create_engine

    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True))
    found, wanted = _get_schema_version(engine), _get_latest_schema_revision()
    if found != wanted:
        import mlflow

        raise UserError(
            f"{path} is of another MLflow (its schema is {found}, that of {mlflow.__version__} is {wanted}): copy it, "
            f"and bring it up to date with `mlflow db upgrade sqlite:///{path.as_posix()}`"
        )
    try:
        with engine.connect() as connection:
            # Python's driver begins no transaction for a SELECT; without one, each would see another moment.
            connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


def open_target(url: str) -> Any:
    """Return an engine of the target, with MLflow's tables in it; a UserError when it cannot be one."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise UserError("the target's address is not understood: postgresql+pg8000://user@host/name") from None
    if engine.dialect.name != "postgresql":
        raise UserError(f"the target is {engine.dialect.name}: it has to be postgresql+pg8000://user@host/name")
    # MLflow would try again and again.
    with engine.connect():
        pass
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # As a server does when it starts: makes the tables where there are none, refuses those of another MLflow.
    SqlAlchemyStore(url, "mlflow-artifacts:/")
    return engine


def check_empty(new: Any) -> None:
    """Raise a UserError when the target has rows that a server does not make by itself."""
    from sqlalchemy import func, select, text

    for table in tables():
        query = select(func.count()).select_from(table)
        if table.name in MADE_AT_START:
            query = query.where(text(f"NOT ({MADE_AT_START[table.name]})"))
        if count := new.execute(query).scalar():
            raise UserError(
                f"the target is not empty: {count:,} rows in {table.name}; name a new database, since runs and "
                "versions of two cannot be put together"
            )


def copy(old: Any, new: Any, rewrite: Rewrite) -> dict[str, int]:
    """Copy all rows and compare them; return how many each table has. To be called in a transaction of the target."""
    from sqlalchemy import text

    # Who reads may go on; who writes waits until it is decided.
    names = ", ".join(f'"{table.name}"' for table in tables())
    new.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
    check_empty(new)
    for name in MADE_AT_START:
        # A name from the table above, which no parameter could stand for; nothing that a user gives.
        new.execute(text(f"DELETE FROM {name}"))  # nosec B608
    counts = {}
    for table in tables():
        written = write(table, rows_of(old, table, rewrite), new)
        found = summary(rows_of(new, table, lambda name, row: row))
        if found != written:
            raise UserError(f"{table.name} has {found[0]:,} rows after copying {written[0]:,}, or others; none is kept")
        if written[0]:
            counts[table.name] = written[0]
        set_sequence(table, new)
    return counts


def rows_of(connection: Any, table: Any, rewrite: Rewrite) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table without what the database computes."""
    from sqlalchemy import select

    columns = [column for column in table.columns if column.computed is None]
    found = connection.execute(select(*columns), execution_options={"yield_per": ROWS_AT_ONCE})
    for row in found.mappings():
        yield rewrite(table.name, dict(row))


def write(table: Any, rows: Iterator[dict[str, Any]], new: Any) -> tuple[int, int]:
    """Insert rows, many with each statement, and return their summary."""
    from sqlalchemy import JSON, insert, null

    # Otherwise JSON's null is written where there is nothing.
    documents = [column.name for column in table.columns if isinstance(column.type, JSON)]
    at_once = min(ROWS_AT_ONCE, MOST_PARAMETERS // len(table.columns))
    count = total = 0
    while batch := list(islice(rows, at_once)):
        more, sum_of_batch = summary(iter(batch))
        count, total = count + more, (total + sum_of_batch) % 2**64
        empty = [(row, name) for row in batch for name in documents if row[name] is None]
        for row, name in empty:
            row[name] = null()
        new.execute(insert(table).values(batch))
    return count, total


def summary(rows: Iterator[dict[str, Any]]) -> tuple[int, int]:
    """Return how many rows there are, and a number that their values decide, whatever their order."""
    count = total = 0
    for row in rows:
        values = [bytes(value) if isinstance(value, memoryview | bytearray) else value for value in row.values()]
        count, total = count + 1, (total + hash(repr(values))) % 2**64
    return count, total


def set_sequence(table: Any, new: Any) -> None:
    """Have the next row that PostgreSQL numbers by itself come after those that were copied."""
    from sqlalchemy import Integer, func, select

    for column in table.primary_key.columns:
        if isinstance(column.type, Integer):
            sequence = new.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar()
            last = new.execute(select(func.max(column))).scalar()
            if sequence and last:
                new.execute(select(func.setval(sequence, last)))
