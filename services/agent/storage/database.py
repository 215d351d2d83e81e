"""The agent's database: its tables, its address, and the migration of its schema."""

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

# An arbitrary number for the PostgreSQL advisory lock under which one process at a time changes the schema.
SCHEMA_LOCK = 7_202_611
BUSY_SECONDS = 10

metadata = MetaData()
# The indexes of audited tickets and of those with a shadow hold no other ones.
AUDITED, SHADOWED = text("audit_probability IS NOT NULL"), text("shadow_version IS NOT NULL")

# Every ticket that was answered. Its text is stored only if a person reviews, corrects or audits it.
#
# decided_by names the models and the policy. audit_probability is the probability with which an audited ticket was
# drawn, null for every other ticket. The columns from language on are for the report on drift: first_* is what the
# TF-IDF model said by itself, since only one model's answers can be compared with its training. shadow_* is what the
# version in Staging says, if it was asked too.
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
    Column("decided_by", String(200)),
    Column("audit_probability", Float),
    Column("language", String(8)),
    Column("characters", Integer),
    Column("unknown_words", Float),
    Column("first_category", String(500)),
    Column("first_confidence", Float),
    Column("shadow_version", String(64)),
    Column("shadow_category", String(500)),
    Column("shadow_confidence", Float),
    Column("contrast", JSON),
    Index("tickets_waiting", "waiting", "received_at", "id"),
    Index("tickets_unsure", "waiting", "confidence", "received_at", "id"),
    Index("tickets_waiting_decision", "waiting", "decision"),
    Index("tickets_day", "day", "category", "decision"),
    Index("tickets_audited", "day", sqlite_where=AUDITED, postgresql_where=AUDITED),
    Index("tickets_shadowed", "shadow_version", sqlite_where=SHADOWED, postgresql_where=SHADOWED),
)

# People's answers. A withdrawn answer stays, with the time of the withdrawal. Answers that were given at once share a
# batch_id.
answers = Table(
    "answers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket_id", String(64), ForeignKey("tickets.id"), nullable=False),
    Column("category", String(500), nullable=False),
    Column("answered_by", String(100)),
    Column("answered_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("comment", Text),
    Column("batch_id", String(32)),
    Index("answers_ticket", "ticket_id", "id"),
    Index("answers_batch", "batch_id"),
    Index("answers_time", "answered_at"),
)

# How a review ended without a category. A comment has no personal data that was found.
outcomes = Table(
    "outcomes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticket_id", String(64), ForeignKey("tickets.id", ondelete="CASCADE"), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("comment", Text),
    Column("given_by", String(100)),
    Column("given_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True)),
    Index("outcomes_ticket", "ticket_id", "id"),
    Index("outcomes_time", "given_at"),
)

# The categories that each model service last reported: people go on answering while a service is away.
known_labels = Table(
    "known_labels",
    metadata,
    Column("service", String(64), primary_key=True),
    Column("labels", JSON, nullable=False),
)


def make_engine(address: str) -> Engine:
    """Return an engine, without connecting yet; a ValueError when the address is not one that the agent can use."""
    wrong = ValueError("DATABASE_URL must be an address such as sqlite:///agent.db or postgresql://user@host/name")
    try:
        url = make_url(address)
    except ArgumentError:
        raise wrong from None
    kind = url.get_backend_name()
    # A SQLite database without a name lives in memory, and each thread would have its own.
    if kind not in ("sqlite", "postgres", "postgresql") or not url.database:
        raise wrong
    if kind == "sqlite":
        engine = create_engine(url.set(drivername="sqlite"), pool_timeout=BUSY_SECONDS)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    url = url.set(drivername="postgresql+pg8000")
    # Without a timeout, pg8000 waits for ever for a server that no longer responds.
    connect_args = {"timeout": BUSY_SECONDS}
    return create_engine(url, pool_pre_ping=True, pool_timeout=BUSY_SECONDS, connect_args=connect_args)


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # With a timeout, a writer waits for another writer instead of failing.
    for pragma in (f"busy_timeout={1000 * BUSY_SECONDS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    # In WAL mode readers do not wait for the writer. The switch, once for each database, ignores the timeout.
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to date, or to an earlier revision; several processes may do so at once.

    A schema of a later release is left alone, so that going back to this release works: every migration keeps what the
    release before it reads and writes.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": SCHEMA_LOCK})
        else:
            # Takes SQLite's write lock before alembic reads the current version.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        there = MigrationContext.configure(connection).get_current_heads()
        if not known.issuperset(there):
            logger.warning("the database has the schema of a later agent", extra={"schema": ", ".join(there)})
            return
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
