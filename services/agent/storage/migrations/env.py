"""Run by alembic through services/agent/storage/database.py, within the transaction of its connection."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
