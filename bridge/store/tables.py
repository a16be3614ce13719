"""The schema, once for both engines.

Times are Unix milliseconds, ids UUIDv7, JSON is text that only we read. On PostgreSQL ids are of
type `uuid` and arrive as text (`engine.py`); on SQLite every table is STRICT.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

Id = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
Ms = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# STRICT tables know no BIGINT, and SQLite counts rows only for exactly INTEGER PRIMARY KEY.
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _table(name: str, *items: Any, hot: bool = False, **more: Any) -> sa.Table:
    """A STRICT table; a hot one leaves room on each page for updates in place (PostgreSQL HOT)."""
    if hot:
        more["postgresql_with"] = {"fillfactor": 80}
    return sa.Table(name, metadata, *items, sqlite_strict=True, **more)


def _id() -> sa.Column[str]:
    return sa.Column("id", Id, primary_key=True)


def _text(name: str, default: str | None = "") -> sa.Column[str]:
    if default is None:
        return sa.Column(name, sa.Text, nullable=True)
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _ms(name: str, *, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, Ms, nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _ref(name: str, target: str, *, nullable: bool = False, **more: Any) -> sa.Column[Any]:
    kind = sa.Integer if target == "channels.id" else Id
    return sa.Column(name, kind, sa.ForeignKey(target, **more), nullable=nullable)


def _name_of(name: str, target: str, *, nullable: bool = False) -> sa.Column[Any]:
    """The key of a row that is never deleted: checking it would be paid at every message (ADR 12)."""
    return sa.Column(name, sa.Integer if target == "channels" else Id, nullable=nullable)


meta = _table("meta", sa.Column("key", sa.Text, primary_key=True), _text("value"))

channels = _table(
    "channels",
    sa.Column("id", sa.Integer, primary_key=True),
    _text("type"),
    _text("identity"),
    _text("label"),
    _text("state", "up"),
    _text("detail"),
    _ms("paused_until"),
    _ms("created_at", nullable=False),
    sa.UniqueConstraint("type", "identity"),
)

# How one direction of a channel is, as who sends or fetches there found it, and what an administrator made
# of that: `switch` is empty, or the state that it is to have whatever is found. `calm` is how long it has to
# be well (ms) before it is up again.
health = _table(
    "health",
    sa.Column("channel_id", sa.Integer, sa.ForeignKey("channels.id"), primary_key=True),
    sa.Column("direction", sa.Text, primary_key=True),
    _text("state", "up"),
    _text("why"),
    _ms("since", nullable=False),
    _ms("calm"),
    _text("switch"),
)

# A time in which a channel was down. There is at most one at a time for each channel and direction.
incidents = _table(
    "incidents",
    _id(),
    _ref("channel_id", "channels.id"),
    _text("direction"),
    _ms("started_at", nullable=False),
    _ms("ended_at"),
    sa.Index("incidents_channel_id", "channel_id", "ended_at"),
    sa.Index("incidents_open", "channel_id", "direction", unique=True,
             postgresql_where=sa.text("ended_at IS NULL"), sqlite_where=sa.text("ended_at IS NULL")),
)  # fmt: skip

# What happened in it, in its order.
incident_lines = _table(
    "incident_lines",
    _id(),
    _ref("incident_id", "incidents.id", ondelete="CASCADE"),
    _ms("at", nullable=False),
    _text("kind"),
    _text("why"),
    _ref("agent_id", "agents.id", nullable=True),
    sa.Index("incident_lines_incident_id", "incident_id", "id"),
)

events = _table(
    "events",
    _id(),
    _name_of("channel_id", "channels"),
    _text("key"),
    _text("body"),
    _text("state", "done"),
    _text("error"),
    _ms("received_at", nullable=False),
    sa.UniqueConstraint("channel_id", "key"),
    sa.Index("events_parked", "received_at", postgresql_where=sa.text("state = 'parked'"),
             sqlite_where=sa.text("state = 'parked'")),
)  # fmt: skip

contacts = _table("contacts", _id(), _text("name"), _ms("created_at", nullable=False))

# A new address and its contact are made in one transaction, the address first: it locks.
addresses = _table(
    "addresses",
    _id(),
    _ref("channel_id", "channels.id"),
    _text("urn"),
    _ref("contact_id", "contacts.id", deferrable=True, initially="DEFERRED"),
    _text("handle"),
    _text("state", "open"),
    _text("state_reason"),
    _ms("state_at"),
    _count("verified"),
    _text("consent_source"),
    _ms("consent_at"),
    _ms("created_at", nullable=False),
    sa.UniqueConstraint("channel_id", "urn"),
    sa.Index("addresses_contact_id", "contact_id"),
    hot=True,
)

agents = _table(
    "agents",
    _id(),
    _text("email"),
    _text("name"),
    _text("password_hash"),
    _text("role", "agent"),
    _text("language"),
    _text("theme"),
    _ms("created_at", nullable=False),
    _ms("disabled_at"),
    sa.UniqueConstraint("email"),
)

# Sessions, API tokens and the one-time link of the first administrator: only their hash is kept.
tokens = _table(
    "tokens",
    sa.Column("hash", sa.Text, primary_key=True),
    _text("kind"),
    _ref("agent_id", "agents.id", nullable=True, ondelete="CASCADE"),
    _text("label"),
    _ms("created_at", nullable=False),
    _ms("expires_at"),
    _ms("used_at"),
    sa.Index("tokens_agent_id", "agent_id"),
)

conversations = _table(
    "conversations",
    _id(),
    _ref("contact_id", "contacts.id"),
    _text("status", "open"),
    _ref("assignee_id", "agents.id", nullable=True),
    _name_of("address_id", "addresses", nullable=True),
    _count("last_seq"),
    _count("read_seq"),
    _count("unread"),
    _ms("last_message_at", nullable=False),
    _ms("waiting_since"),
    _ms("reopened_at"),
    _ms("resolved_at"),
    # Set when a thread is over for good: the next message of the contact starts a new one.
    _ms("ended_at"),
    _ms("created_at", nullable=False),
    sa.Index("conversations_current", "contact_id", unique=True,
             postgresql_where=sa.text("ended_at IS NULL"), sqlite_where=sa.text("ended_at IS NULL")),
    sa.Index("conversations_contact_id", "contact_id"),
    sa.Index("conversations_recent", "status", "last_message_at", "id"),
    sa.Index("conversations_assignee", "assignee_id", "status", "last_message_at",
             postgresql_where=sa.text("assignee_id IS NOT NULL"),
             sqlite_where=sa.text("assignee_id IS NOT NULL")),
    hot=True,
)  # fmt: skip

# A customer's message has the id of the event that brought it. What is indexed or checked here is paid
# for at every message.
messages = _table(
    "messages",
    _id(),
    _ref("conversation_id", "conversations.id"),
    sa.Column("seq", sa.Integer, nullable=False),
    _text("direction"),
    _text("kind", "text"),
    _name_of("channel_id", "channels", nullable=True),
    _name_of("address_id", "addresses", nullable=True),
    _name_of("agent_id", "agents", nullable=True),
    _text("client_id", None),
    _text("text"),
    _text("data", "{}"),
    _text("status"),
    _text("reason"),
    _text("external_id", None),
    _text("album", None),
    _ms("provider_at"),
    _ms("created_at", nullable=False),
    _ms("edited_at"),
    _ms("deadline_at"),
    _count("tries"),
    sa.UniqueConstraint("conversation_id", "seq"),
    sa.Index("messages_client_id", "conversation_id", "client_id", unique=True,
             postgresql_where=sa.text("client_id IS NOT NULL"),
             sqlite_where=sa.text("client_id IS NOT NULL")),
    sa.Index("messages_album", "address_id", "album", unique=True,
             postgresql_where=sa.text("album IS NOT NULL"), sqlite_where=sa.text("album IS NOT NULL")),
    sa.Index("messages_waiting", "conversation_id", "seq",
             postgresql_where=sa.text("status IN ('queued', 'sending')"),
             sqlite_where=sa.text("status IN ('queued', 'sending')")),
    sa.Index("messages_unsettled", "conversation_id",
             postgresql_where=sa.text("status = 'unknown'"), sqlite_where=sa.text("status = 'unknown'")),
    sa.Index("messages_failed", "id",
             postgresql_where=sa.text("status IN ('rejected', 'failed', 'expired')"),
             sqlite_where=sa.text("status IN ('rejected', 'failed', 'expired')")),
    hot=True,
)  # fmt: skip

versions = _table(
    "versions",
    _ref("message_id", "messages.id", ondelete="CASCADE"),
    _ms("at", nullable=False),
    _text("text"),
    sa.Index("versions_message_id", "message_id", "at"),
)

# A file of a message; while `message_id` is empty, an upload of `owner` that waits to be sent.
attachments = _table(
    "attachments",
    _id(),
    _ref("message_id", "messages.id", nullable=True, ondelete="CASCADE"),
    _count("position"),
    _text("owner"),
    _text("kind"),
    _text("name"),
    _text("mime"),
    _ms("size"),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("duration", sa.Integer),
    _ref("channel_id", "channels.id", nullable=True),
    _text("ref"),
    _text("sha256"),
    _text("state", "pending"),
    _count("tries"),
    _ms("due_at"),
    _ms("created_at", nullable=False),
    sa.Index("attachments_message_id", "message_id"),
    sa.Index("attachments_sha256", "sha256"),
    sa.Index("attachments_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL"),
             sqlite_where=sa.text("due_at IS NOT NULL")),
)  # fmt: skip

# The sending queue of one conversation. `due_at` is ready time and back-off in one.
lanes = _table(
    "lanes",
    sa.Column("conversation_id", Id, sa.ForeignKey("conversations.id"), primary_key=True),
    _name_of("channel_id", "channels"),
    _ms("due_at"),
    sa.Index("lanes_due", "channel_id", "due_at", postgresql_where=sa.text("due_at IS NOT NULL"),
             sqlite_where=sa.text("due_at IS NOT NULL")),
    hot=True,
)  # fmt: skip

attempts = _table(
    "attempts",
    _id(),
    _ref("message_id", "messages.id", ondelete="CASCADE"),
    sa.Column("part", sa.Integer, nullable=False),
    _name_of("channel_id", "channels"),
    sa.Column("epoch", sa.Integer, nullable=False),
    _ms("started_at", nullable=False),
    _ms("ended_at"),
    _text("outcome", None),
    _text("external_id", None),
    _text("reason"),
    sa.Index("attempts_message_id", "message_id"),
    sa.Index("attempts_external_id", "channel_id", "external_id",
             postgresql_where=sa.text("external_id IS NOT NULL"),
             sqlite_where=sa.text("external_id IS NOT NULL")),
    sa.Index("attempts_open", "channel_id", postgresql_where=sa.text("outcome IS NULL"),
             sqlite_where=sa.text("outcome IS NULL")),
    hot=True,
)  # fmt: skip

# The furthest word a vendor said on a part, also when it came before we knew the part.
receipts = _table(
    "receipts",
    sa.Column("channel_id", sa.Integer, primary_key=True),
    sa.Column("external_id", sa.Text, primary_key=True),
    sa.Column("rank", sa.Integer, nullable=False),
    _text("status"),
    _text("reason"),
    _ms("at", nullable=False),
)

duties = _table(
    "duties",
    sa.Column("name", sa.Text, primary_key=True),
    _text("owner"),
    _ms("until", nullable=False),
    _count("epoch"),
    _text("asked_by"),
)

activity = _table(
    "activity",
    _id(),
    _ref("conversation_id", "conversations.id"),
    sa.Column("after_seq", sa.Integer, nullable=False),
    _text("kind"),
    _ref("agent_id", "agents.id", nullable=True),
    _text("data", "{}"),
    _ms("at", nullable=False),
    sa.Index("activity_conversation_id", "conversation_id", "after_seq"),
)

drafts = _table(
    "drafts",
    sa.Column("agent_id", Id, sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("conversation_id", Id, sa.ForeignKey("conversations.id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    _text("text"),
    _ms("updated_at", nullable=False),
    sa.Index("drafts_conversation_id", "conversation_id"),
)

# The feed of agents' and visitors' pages. On PostgreSQL a later `pos` can commit earlier, so the
# cursor is (xid, pos) there, and `xid` exists only there (`changes.py`).
changes = _table(
    "changes",
    sa.Column("pos", Serial, primary_key=True, autoincrement=True),
    _text("kind"),
    sa.Column("conversation_id", Id, nullable=True),
    sa.Column("subject_id", Id, nullable=True),
    _ms("at", nullable=False),
    sqlite_autoincrement=True,
)
