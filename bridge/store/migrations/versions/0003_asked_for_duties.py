"""A node can ask the owner of a duty for it, so that duties spread over the nodes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
# An older version does not know that it is asked for a duty, and keeps it.
works_with = "0001"


def upgrade() -> None:
    op.add_column("duties", sa.Column("asked_by", sa.Text(), server_default="", nullable=False))
