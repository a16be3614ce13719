"""How each channel is, and the times in which one was down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
# An older version takes no notice of these tables.
works_with = "0001"

ID = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
MS = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "health",
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="up", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("since", MS, nullable=False),
        sa.Column("calm", MS, nullable=True),
        sa.Column("switch", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="health_channel_id_fkey"),
        sa.PrimaryKeyConstraint("channel_id", "direction", name="health_pkey"),
        sqlite_strict=True,
    )
    op.create_table(
        "incidents",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", MS, nullable=False),
        sa.Column("ended_at", MS, nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="incidents_channel_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="incidents_pkey"),
        sqlite_strict=True,
    )
    op.create_index(
        "incidents_open", "incidents", ["channel_id", "direction"], unique=True, postgresql_where=OPEN,
        sqlite_where=OPEN,
    )  # fmt: skip
    op.create_index("incidents_channel_id", "incidents", ["channel_id", "ended_at"])
    op.create_table(
        "incident_lines",
        sa.Column("id", ID, nullable=False),
        sa.Column("incident_id", ID, nullable=False),
        sa.Column("at", MS, nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("agent_id", ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name="incident_lines_incident_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="incident_lines_agent_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="incident_lines_pkey"),
        sqlite_strict=True,
    )
    op.create_index("incident_lines_incident_id", "incident_lines", ["incident_id", "id"])
