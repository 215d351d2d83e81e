"""What a version in Staging says of a ticket, beside the answer that was given."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
SHADOWED = sa.text("shadow_version IS NOT NULL")
COLUMNS = (
    ("shadow_version", sa.String(64)),
    ("shadow_category", sa.String(500)),
    ("shadow_confidence", sa.Float),
)


def upgrade() -> None:
    """Add the columns, which are null for tickets that no such version was asked about."""
    for name, kind in COLUMNS:
        op.add_column("tickets", sa.Column(name, kind))
    op.create_index("tickets_shadowed", "tickets", ["shadow_version"], sqlite_where=SHADOWED, postgresql_where=SHADOWED)


def downgrade() -> None:
    """Drop the columns."""
    op.drop_index("tickets_shadowed", "tickets")
    for name, _ in reversed(COLUMNS):
        op.drop_column("tickets", name)
