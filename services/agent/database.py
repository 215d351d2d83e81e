"""The agent's database: its tables, its address, and how its schema comes up to date."""

import logging
import sqlite3
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError

logger = logging.getLogger("services.agent")

# Any number that nobody else uses: the lock under which one process at a time changes the schema.
SCHEMA_LOCK = 7_202_611
BUSY_SECONDS = 10

metadata = MetaData()

# Every ticket that was answered; its text is kept only while or after a person has to do with it.
tickets = Table(
    "tickets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("day", String(10), nullable=False),
    Column("text_sha256", String(64), nullable=False),
    Column("text", Text),
    Column("explanation", JSON),
    Column("category", String(500), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("decision", String(10), nullable=False),
    Column("waiting", Boolean, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("held_by", String(64)),
    Column("held_until", DateTime(timezone=True)),
    Index("tickets_waiting", "waiting", "received_at", "id"),
    Index("tickets_day", "day", "category", "decision"),
)

# People's answers; one that was withdrawn stays, with the time.
answers = Table(
    "answers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket_id", String(64), ForeignKey("tickets.id"), nullable=False),
    Column("category", String(500), nullable=False),
    Column("answered_by", String(100)),
    Column("answered_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True)),
    Index("answers_ticket", "ticket_id", "id"),
)


def connect(address: str) -> Engine:
    """Return an engine; a ValueError when the address is none. Nothing is asked yet."""
    wrong = ValueError("DATABASE_URL is no address such as sqlite:///agent.db or postgresql://user@host/name")
    try:
        url = make_url(address)
    except ArgumentError:
        raise wrong from None
    kind = url.get_backend_name()
    # A SQLite database without a name is in memory, and another one in each thread.
    if kind not in ("sqlite", "postgres", "postgresql") or not url.database:
        raise wrong
    if kind == "sqlite":
        engine = create_engine(url.set(drivername="sqlite"), pool_timeout=BUSY_SECONDS)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    url = url.set(drivername="postgresql+pg8000")
    # pg8000 would wait for ever for a server that is gone without a word.
    connect_args = {"timeout": BUSY_SECONDS}
    return create_engine(url, pool_pre_ping=True, pool_timeout=BUSY_SECONDS, connect_args=connect_args)


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # A writer waits for another one instead of failing.
    for pragma in (f"busy_timeout={1000 * BUSY_SECONDS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    # And readers do not wait for the writer. A new database comes to this mode once, and does not wait for that itself.
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to date, or to an earlier revision; several processes may do so at once.

    A schema that a later agent has made stays as it is, so that who goes back to this one has a service: a migration
    leaves what the release before it reads and writes.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": SCHEMA_LOCK})
        else:
            # SQLite's write lock, before alembic reads which version there is.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        there = MigrationContext.configure(connection).get_current_heads()
        if not known.issuperset(there):
            logger.warning("the database has the schema of a later agent", extra={"schema": ", ".join(there)})
            return
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
