"""The categories that each model service last reported."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table; it fills as the services answer."""
    op.create_table(
        "known_labels",
        sa.Column("service", sa.String(64), primary_key=True),
        sa.Column("labels", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("known_labels")
