"""The rows of an MLflow database: read from an embedded one in a single snapshot, written to an empty PostgreSQL.

Tables, their order and the types of their columns are those of the installed MLflow (3.17), so that booleans and JSON
arrive with their own types. A database with another schema is refused.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import JSON, Integer, TableClause, create_engine, delete, func, insert, null, select, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from callcenterai.core.cli import UserError

# A running server's own bookkeeping: its jobs and who works on them.
SERVER_TABLES = {"jobs", "job_locks", "scheduler_leases"}
# The rows that a server inserts into an empty database when it starts; the source has them too.
DEFAULT_ROWS = {"experiments": "name = 'Default'", "workspaces": "name = 'default'"}
ROWS_PER_STATEMENT = 500
# PostgreSQL limits bound parameters per statement.
PARAMETERS_PER_STATEMENT = 30_000

# Takes a table's name and a row, returns the row for the target.
RewriteRow = Callable[[str, dict[str, Any]], dict[str, Any]]


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Turn errors of the database or of MLflow into a UserError, which never holds an address with a password."""
    try:
        yield
    except SQLAlchemyError as error:
        raise UserError(f"the database refuses: {driver_message(error)}; no row was written") from error
    except MlflowException as error:
        raise UserError(f"MLflow refuses: {error.message}") from error


def driver_message(error: Any) -> str:
    """Return the first line of the driver's message, without the statement and its values."""
    original = getattr(error, "orig", None) or error
    first = original.args[0] if original.args else original
    return str(first.get("M", first) if isinstance(first, dict) else first).partition("\n")[0]


def list_tables() -> list[Any]:
    """Return the tables to move, each after those that it refers to."""
    return [table for table in utils.Base.metadata.sorted_tables if table.name not in SERVER_TABLES]


@contextmanager
def open_source(path: Path) -> Iterator[Any]:
    """Give a read-only connection that sees an embedded database as it is at one moment."""
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True))
    try:
        # Both functions are private in MLflow 3.17, which has no public way to compare schemas.
        found, expected = utils._get_schema_version(engine), utils._get_latest_schema_revision()
        if found != expected:
            raise UserError(
                f"{path} is of another MLflow (its schema is {found}, that of {mlflow.__version__} is {expected}): "
                f"copy it, and bring it up to date with `mlflow db upgrade sqlite:///{path.as_posix()}`"
            )
        with engine.connect() as connection:
            # Python's sqlite3 begins no transaction for a SELECT, and without one each query sees a state of its own.
            connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


def open_target(url: str) -> Any:
    """Return an engine of the target with MLflow's tables in it, or raise a UserError when it cannot be a target."""
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise UserError("the target's address is not valid: give postgresql+pg8000://user@host/name") from None
    if engine.dialect.name != "postgresql":
        raise UserError(f"the target is {engine.dialect.name}: it has to be postgresql+pg8000://user@host/name")
    # Connect once before MLflow does, which would retry for minutes.
    with engine.connect():
        pass
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # As when a server starts: creates missing tables and refuses those of another MLflow.
    SqlAlchemyStore(url, "mlflow-artifacts:/")
    return engine


def check_target_is_empty(new: Any) -> None:
    """Raise a UserError when the target has rows other than those that a server inserts by itself."""
    for table in list_tables():
        query = select(func.count()).select_from(table)
        if table.name in DEFAULT_ROWS:
            query = query.where(text(f"NOT ({DEFAULT_ROWS[table.name]})"))
        if count := new.execute(query).scalar():
            raise UserError(
                f"the target is not empty: {count:,} rows in {table.name}; name a new database, because two databases "
                "cannot be merged"
            )


def copy_rows(old: Any, new: Any, rewrite: RewriteRow) -> dict[str, int]:
    """Copy all rows and compare them; return how many each table has. Call it in a transaction of the target."""
    # Readers continue; writers wait until the transaction ends.
    names = ", ".join(f'"{table.name}"' for table in list_tables())
    new.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
    check_target_is_empty(new)
    for name in DEFAULT_ROWS:
        new.execute(delete(TableClause(name)))
    counts = {}
    for table in list_tables():
        written = insert_rows(table, read_rows(old, table, rewrite), new)
        found = summarise_rows(read_rows(new, table, lambda name, row: row))
        if found != written:
            raise UserError(
                f"{table.name} has {found[0]:,} rows after {written[0]:,} were copied, or other values; none is kept"
            )
        if written[0]:
            counts[table.name] = written[0]
        advance_sequence(table, new)
    return counts


def read_rows(connection: Any, table: Any, rewrite: RewriteRow) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table without its computed columns."""
    columns = [column for column in table.columns if column.computed is None]
    found = connection.execute(select(*columns), execution_options={"yield_per": ROWS_PER_STATEMENT})
    for row in found.mappings():
        yield rewrite(table.name, dict(row))


def insert_rows(table: Any, rows: Iterator[dict[str, Any]], new: Any) -> tuple[int, int]:
    """Insert rows, many with each statement, and return their summary."""
    json_columns = [column.name for column in table.columns if isinstance(column.type, JSON)]
    batch_size = min(ROWS_PER_STATEMENT, PARAMETERS_PER_STATEMENT // len(table.columns))
    count = total = 0
    while batch := list(islice(rows, batch_size)):
        batch_count, batch_total = summarise_rows(iter(batch))
        count, total = count + batch_count, (total + batch_total) % 2**64
        for row in batch:
            # SQLAlchemy would write None to a JSON column as the JSON value null; null() writes SQL's NULL.
            row.update({name: null() for name in json_columns if row[name] is None})
        new.execute(insert(table).values(batch))
    return count, total


def summarise_rows(rows: Iterator[dict[str, Any]]) -> tuple[int, int]:
    """Return the number of rows and a hash of their values that does not depend on their order."""
    count = total = 0
    for row in rows:
        values = [bytes(value) if isinstance(value, memoryview | bytearray) else value for value in row.values()]
        count, total = count + 1, (total + hash(repr(values))) % 2**64
    return count, total


def advance_sequence(table: Any, new: Any) -> None:
    """Let PostgreSQL number the next row after those that were copied."""
    for column in table.primary_key.columns:
        if isinstance(column.type, Integer):
            sequence = new.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar()
            last = new.execute(select(func.max(column))).scalar()
            if sequence and last:
                new.execute(select(func.setval(sequence, last)))
