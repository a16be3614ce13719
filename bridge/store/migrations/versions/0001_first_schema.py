"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
works_with = "0001"

ID = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
MS = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("id", ID, nullable=False),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("password_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("role", sa.Text(), server_default="agent", nullable=False),
        sa.Column("language", sa.Text(), server_default="", nullable=False),
        sa.Column("theme", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", MS, nullable=False),
        sa.Column("disabled_at", MS, nullable=True),
        sa.PrimaryKeyConstraint("id", name="agents_pkey"),
        sa.UniqueConstraint("email", name="agents_email_key"),
        sqlite_strict=True,
    )
    op.create_table(
        "changes",
        sa.Column("pos", MS, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("conversation_id", ID, nullable=True),
        sa.Column("subject_id", ID, nullable=True),
        sa.Column("at", MS, nullable=False),
        sa.PrimaryKeyConstraint("pos", name="changes_pkey"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "channels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), server_default="", nullable=False),
        sa.Column("identity", sa.Text(), server_default="", nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="up", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("paused_until", MS, nullable=True),
        sa.Column("created_at", MS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="channels_pkey"),
        sa.UniqueConstraint("type", "identity", name="channels_type_identity_key"),
        sqlite_strict=True,
    )
    op.create_table(
        "contacts",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", MS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="contacts_pkey"),
        sqlite_strict=True,
    )
    op.create_table(
        "duties",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("until", MS, nullable=False),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name="duties_pkey"),
        sqlite_strict=True,
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("key", name="meta_pkey"),
        sqlite_strict=True,
    )
    op.create_table(
        "addresses",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("urn", sa.Text(), server_default="", nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("handle", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("state_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("state_at", MS, nullable=True),
        sa.Column("verified", sa.Integer(), server_default="0", nullable=False),
        sa.Column("consent_source", sa.Text(), server_default="", nullable=False),
        sa.Column("consent_at", MS, nullable=True),
        sa.Column("created_at", MS, nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="addresses_channel_id_fkey"),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contacts.id"],
            name="addresses_contact_id_fkey",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="addresses_pkey"),
        sa.UniqueConstraint("channel_id", "urn", name="addresses_channel_id_urn_key"),
        postgresql_with={"fillfactor": 80},
        sqlite_strict=True,
    )
    op.create_index("addresses_contact_id", "addresses", ["contact_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("body", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="done", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", MS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="events_pkey"),
        sa.UniqueConstraint("channel_id", "key", name="events_channel_id_key_key"),
        sqlite_strict=True,
    )
    op.create_index(
        "events_parked",
        "events",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("state = 'parked'"),
        sqlite_where=sa.text("state = 'parked'"),
    )
    op.create_table(
        "receipts",
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("at", MS, nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "external_id", name="receipts_pkey"),
        sqlite_strict=True,
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("agent_id", ID, nullable=True),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", MS, nullable=False),
        sa.Column("expires_at", MS, nullable=True),
        sa.Column("used_at", MS, nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="tokens_agent_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name="tokens_pkey"),
        sqlite_strict=True,
    )
    op.create_index("tokens_agent_id", "tokens", ["agent_id"], unique=False)
    op.create_table(
        "conversations",
        sa.Column("id", ID, nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("assignee_id", ID, nullable=True),
        sa.Column("address_id", ID, nullable=True),
        sa.Column("last_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unread", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_message_at", MS, nullable=False),
        sa.Column("waiting_since", MS, nullable=True),
        sa.Column("reopened_at", MS, nullable=True),
        sa.Column("resolved_at", MS, nullable=True),
        sa.Column("ended_at", MS, nullable=True),
        sa.Column("created_at", MS, nullable=False),
        sa.ForeignKeyConstraint(["assignee_id"], ["agents.id"], name="conversations_assignee_id_fkey"),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name="conversations_contact_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="conversations_pkey"),
        postgresql_with={"fillfactor": 80},
        sqlite_strict=True,
    )
    op.create_index(
        "conversations_assignee",
        "conversations",
        ["assignee_id", "status", "last_message_at"],
        unique=False,
        postgresql_where=sa.text("assignee_id IS NOT NULL"),
        sqlite_where=sa.text("assignee_id IS NOT NULL"),
    )
    op.create_index("conversations_contact_id", "conversations", ["contact_id"], unique=False)
    op.create_index(
        "conversations_current",
        "conversations",
        ["contact_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "conversations_recent", "conversations", ["status", "last_message_at", "id"], unique=False
    )
    op.create_table(
        "activity",
        sa.Column("id", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("after_seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("agent_id", ID, nullable=True),
        sa.Column("data", sa.Text(), server_default="{}", nullable=False),
        sa.Column("at", MS, nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="activity_agent_id_fkey"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="activity_conversation_id_fkey"
        ),
        sa.PrimaryKeyConstraint("id", name="activity_pkey"),
        sqlite_strict=True,
    )
    op.create_index("activity_conversation_id", "activity", ["conversation_id", "after_seq"], unique=False)
    op.create_table(
        "drafts",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_at", MS, nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="drafts_agent_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="drafts_conversation_id_fkey"
        ),
        sa.PrimaryKeyConstraint("agent_id", "conversation_id", "kind", name="drafts_pkey"),
        sqlite_strict=True,
    )
    op.create_index("drafts_conversation_id", "drafts", ["conversation_id"], unique=False)
    op.create_table(
        "lanes",
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("due_at", MS, nullable=True),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="lanes_conversation_id_fkey"),
        sa.PrimaryKeyConstraint("conversation_id", name="lanes_pkey"),
        postgresql_with={"fillfactor": 80},
        sqlite_strict=True,
    )
    op.create_index(
        "lanes_due",
        "lanes",
        ["channel_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "messages",
        sa.Column("id", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="text", nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=True),
        sa.Column("address_id", ID, nullable=True),
        sa.Column("agent_id", ID, nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("data", sa.Text(), server_default="{}", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("album", sa.Text(), nullable=True),
        sa.Column("provider_at", MS, nullable=True),
        sa.Column("created_at", MS, nullable=False),
        sa.Column("edited_at", MS, nullable=True),
        sa.Column("deadline_at", MS, nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="messages_conversation_id_fkey"
        ),
        sa.PrimaryKeyConstraint("id", name="messages_pkey"),
        sa.UniqueConstraint("conversation_id", "seq", name="messages_conversation_id_seq_key"),
        postgresql_with={"fillfactor": 80},
        sqlite_strict=True,
    )
    op.create_index(
        "messages_album",
        "messages",
        ["address_id", "album"],
        unique=True,
        postgresql_where=sa.text("album IS NOT NULL"),
        sqlite_where=sa.text("album IS NOT NULL"),
    )
    op.create_index(
        "messages_client_id",
        "messages",
        ["conversation_id", "client_id"],
        unique=True,
        postgresql_where=sa.text("client_id IS NOT NULL"),
        sqlite_where=sa.text("client_id IS NOT NULL"),
    )
    op.create_index(
        "messages_unsettled",
        "messages",
        ["conversation_id"],
        unique=False,
        postgresql_where=sa.text("status = 'unknown'"),
        sqlite_where=sa.text("status = 'unknown'"),
    )
    op.create_index(
        "messages_waiting",
        "messages",
        ["conversation_id", "seq"],
        unique=False,
        postgresql_where=sa.text("status IN ('queued', 'sending')"),
        sqlite_where=sa.text("status IN ('queued', 'sending')"),
    )
    op.create_table(
        "attachments",
        sa.Column("id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=True),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("mime", sa.Text(), server_default="", nullable=False),
        sa.Column("size", MS, nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration", sa.Integer(), nullable=True),
        sa.Column("channel_id", sa.Integer(), nullable=True),
        sa.Column("ref", sa.Text(), server_default="", nullable=False),
        sa.Column("sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", MS, nullable=True),
        sa.Column("created_at", MS, nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="attachments_channel_id_fkey"),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name="attachments_message_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="attachments_pkey"),
        sqlite_strict=True,
    )
    op.create_index(
        "attachments_due",
        "attachments",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("attachments_message_id", "attachments", ["message_id"], unique=False)
    op.create_index("attachments_sha256", "attachments", ["sha256"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("started_at", MS, nullable=False),
        sa.Column("ended_at", MS, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name="attempts_message_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="attempts_pkey"),
        postgresql_with={"fillfactor": 80},
        sqlite_strict=True,
    )
    op.create_index(
        "attempts_external_id",
        "attempts",
        ["channel_id", "external_id"],
        unique=False,
        postgresql_where=sa.text("external_id IS NOT NULL"),
        sqlite_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index("attempts_message_id", "attempts", ["message_id"], unique=False)
    op.create_index(
        "attempts_open",
        "attempts",
        ["channel_id"],
        unique=False,
        postgresql_where=sa.text("outcome IS NULL"),
        sqlite_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "versions",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("at", MS, nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name="versions_message_id_fkey", ondelete="CASCADE"
        ),
        sqlite_strict=True,
    )
    op.create_index("versions_message_id", "versions", ["message_id", "at"], unique=False)
    if op.get_context().dialect.name == "postgresql":
        # An increasing id is no cursor here: a later one can commit earlier. See changes.py.
        op.execute("ALTER TABLE changes ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id()")
        op.execute("CREATE INDEX changes_xid ON changes (xid, pos)")
