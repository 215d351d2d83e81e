"""What speaks for the first category of a ticket against the second."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column, which is null for tickets from before and for those that no person decides."""
    op.add_column("tickets", sa.Column("contrast", sa.JSON))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("tickets", "contrast")
