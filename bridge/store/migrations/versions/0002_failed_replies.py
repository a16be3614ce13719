"""An index of the replies that failed: they are looked for among all that ever were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
works_with = "0001"

FAILED = sa.text("status IN ('rejected', 'failed', 'expired')")


def upgrade() -> None:
    op.create_index("messages_failed", "messages", ["id"], postgresql_where=FAILED, sqlite_where=FAILED)
