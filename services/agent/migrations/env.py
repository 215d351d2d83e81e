"""Run by alembic, through services/agent/database.py, with the connection whose transaction it shares."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
