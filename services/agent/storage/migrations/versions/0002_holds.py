"""Which reviewer holds a waiting ticket."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add both columns; nobody holds a ticket yet."""
    op.add_column("tickets", sa.Column("held_by", sa.String(64)))
    op.add_column("tickets", sa.Column("held_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop both columns."""
    op.drop_column("tickets", "held_until")
    op.drop_column("tickets", "held_by")
