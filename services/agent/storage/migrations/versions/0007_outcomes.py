"""How reviews ended without a category, and comments on answers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the table and the column.

    The database deletes outcomes with their ticket, since the release before deletes tickets without knowing of them.
    """
    op.create_table(
        "outcomes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("ticket_id", sa.String(64), sa.ForeignKey("tickets.id", ondelete="CASCADE"), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("comment", sa.Text),
        sa.Column("given_by", sa.String(100)),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
    )
    op.create_index("outcomes_ticket", "outcomes", ["ticket_id", "id"])
    op.add_column("answers", sa.Column("comment", sa.Text))


def downgrade() -> None:
    """Drop the table and the column."""
    op.drop_column("answers", "comment")
    op.drop_table("outcomes")
