"""Tickets and people's answers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "tickets",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("text_sha256", sa.String(64), nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("explanation", sa.JSON),
        sa.Column("category", sa.String(500), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("decision", sa.String(10), nullable=False),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
    )
    op.create_index("tickets_waiting", "tickets", ["waiting", "received_at", "id"])
    op.create_index("tickets_day", "tickets", ["day", "category", "decision"])
    op.create_table(
        "answers",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("ticket_id", sa.String(64), sa.ForeignKey("tickets.id"), nullable=False),
        sa.Column("category", sa.String(500), nullable=False),
        sa.Column("answered_by", sa.String(100)),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
    )
    op.create_index("answers_ticket", "answers", ["ticket_id", "id"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("answers")
    op.drop_table("tickets")
