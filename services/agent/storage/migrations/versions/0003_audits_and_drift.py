"""Which tickets are audited, which models decided, and the figures by which drift is found."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
AUDITED = sa.text("audit_probability IS NOT NULL")
COLUMNS = (
    ("decided_by", sa.String(200)),
    ("audit_probability", sa.Float),
    ("language", sa.String(8)),
    ("characters", sa.Integer),
    ("unknown_words", sa.Float),
    ("first_category", sa.String(500)),
    ("first_confidence", sa.Float),
)


def upgrade() -> None:
    """Add the columns; tickets from before have none of these figures."""
    for name, kind in COLUMNS:
        op.add_column("tickets", sa.Column(name, kind))
    op.create_index("tickets_audited", "tickets", ["day"], sqlite_where=AUDITED, postgresql_where=AUDITED)


def downgrade() -> None:
    """Drop the columns."""
    op.drop_index("tickets_audited", "tickets")
    for name, _ in reversed(COLUMNS):
        op.drop_column("tickets", name)
