"""Which answers were given at once, and an index for the list of what waits by confidence."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column, which is null for answers to one ticket, and the indexes."""
    op.add_column("answers", sa.Column("batch_id", sa.String(32)))
    op.create_index("answers_batch", "answers", ["batch_id"])
    op.create_index("tickets_unsure", "tickets", ["waiting", "confidence", "received_at", "id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("tickets_unsure", "tickets")
    op.drop_index("answers_batch", "answers")
    op.drop_column("answers", "batch_id")
