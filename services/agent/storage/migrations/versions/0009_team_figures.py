"""Indexes for what was answered in the last days, and for the number of waiting tickets."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add them."""
    op.create_index("answers_time", "answers", ["answered_at"])
    op.create_index("outcomes_time", "outcomes", ["given_at"])
    op.create_index("tickets_waiting_decision", "tickets", ["waiting", "decision"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("tickets_waiting_decision", "tickets")
    op.drop_index("outcomes_time", "outcomes")
    op.drop_index("answers_time", "answers")
