"""Messages as a thread shows them: by id or by page, with their files, and their older versions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from bridge.errors import NotFound
from bridge.ids import now_ms
from bridge.store.engine import Row, Tx
from bridge.store.tables import (
    agents,
    attachments,
    channels,
    contacts,
    conversations,
    lanes,
    messages,
    versions,
)
from bridge.views import AttachmentView, MessageView, Person, Quote, VersionView

# What the core notes for itself in `data`: the fingerprint of a request, the vendor's id it answers.
_INTERNAL = ("request", "reply_to")

# Later than this after the vendor's time, a message is shown as late (UX, "Thread").
_LATE_MS = 120_000

# Only of those that wait, or a long thread would be walked for each of its messages.
_waits = (messages.c.status == "queued") & (messages.c.reason == "")
_earlier = messages.alias("earlier")
_BEHIND = sa.case(
    (
        _waits,
        sa.exists().where(
            _earlier.c.conversation_id == messages.c.conversation_id,
            _earlier.c.seq < messages.c.seq,
            _earlier.c.status.in_(("queued", "sending")),
        ),
    ),
    else_=False,
)
_LANE_DUE_AT = sa.case(
    (
        _waits,
        sa.select(lanes.c.due_at)
        .where(lanes.c.conversation_id == messages.c.conversation_id)
        .scalar_subquery(),
    )
)
_SELECT = sa.select(
    messages,
    channels.c.type.label("channel"),
    channels.c.label.label("channel_label"),
    channels.c.paused_until,
    _BEHIND.label("behind"),
    _LANE_DUE_AT.label("lane_due_at"),
    agents.c.name.label("agent_name"),
    conversations.c.contact_id,
    contacts.c.name.label("contact_name"),
).select_from(
    messages.join(conversations, conversations.c.id == messages.c.conversation_id)
    .join(contacts, contacts.c.id == conversations.c.contact_id)
    .outerjoin(channels, channels.c.id == messages.c.channel_id)
    .outerjoin(agents, agents.c.id == messages.c.agent_id)
)
_BY_ID = _SELECT.where(messages.c.id.in_(sa.bindparam("ids", expanding=True)))

_IN_CONVERSATION = _SELECT.where(messages.c.conversation_id == sa.bindparam("conversation"))
_AFTER = (
    _IN_CONVERSATION.where(messages.c.seq > sa.bindparam("seq"))
    .order_by(messages.c.seq)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_BEFORE = (
    _IN_CONVERSATION.where(messages.c.seq < sa.bindparam("seq"))
    .order_by(messages.c.seq.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_FILES = (
    sa.select(attachments)
    .where(attachments.c.message_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(attachments.c.position, attachments.c.id)
)


async def views(tx: Tx, ids: Collection[str]) -> dict[str, MessageView]:
    """The messages with these ids, two statements for any number; unknown ids are left out."""
    if not ids:
        return {}
    rows = await tx.run(_BY_ID, {"ids": list(ids)})
    return {view.id: view for view in await _views(tx, rows)}


async def after(tx: Tx, conversation_id: str, seq: int, limit: int) -> list[MessageView]:
    """The messages that follow `seq` in a conversation, at most `limit`."""
    return await _views(tx, await tx.run(_AFTER, _page(conversation_id, seq, limit)))


async def before(tx: Tx, conversation_id: str, seq: int, limit: int) -> list[MessageView]:
    """The last messages ahead of `seq`, at most `limit`, the oldest of them first."""
    rows = await tx.run(_BEFORE, _page(conversation_id, seq, limit))
    return await _views(tx, rows[::-1])


async def all_versions(tx: Tx, message_id: str) -> list[VersionView]:
    """Every text that a message has had, the current one last; `NotFound` for no message."""
    columns = (messages.c.text, messages.c.created_at, messages.c.edited_at)
    current = await tx.run(sa.select(*columns).where(messages.c.id == message_id))
    if not current:
        raise NotFound("There is no such message")
    # A version's time says until when it was shown: it began when the one before ended.
    replaced = await tx.run(
        sa.select(versions.c.text, versions.c.at)
        .where(versions.c.message_id == message_id)
        .order_by(versions.c.at)
    )
    texts = [*(row.text for row in replaced), current[0].text]
    begins = [current[0].created_at, *(row.at for row in replaced)]
    return [VersionView(text=text, at=at) for text, at in zip(texts, begins, strict=True)]


def _page(conversation_id: str, seq: int, limit: int) -> dict[str, Any]:
    return {"conversation": conversation_id, "seq": seq, "most": limit}


async def _views(tx: Tx, rows: Sequence[Row]) -> list[MessageView]:
    files: dict[str, list[AttachmentView]] = {}
    if rows:
        for file in await tx.run(_FILES, {"ids": [row.id for row in rows]}):
            files.setdefault(file.message_id, []).append(attachment_view(file))
    return [_view(row, files.get(row.id, [])) for row in rows]


def attachment_view(row: Row) -> AttachmentView:
    """A file, from a whole row of `attachments`."""
    return AttachmentView(
        id=row.id, kind=row.kind, name=row.name, mime=row.mime, size=row.size, width=row.width,
        height=row.height, duration=row.duration, state=row.state,
        url=f"/api/files/{row.id}" if row.state == "stored" else "",
    )  # fmt: skip


def _view(row: Row, files: list[AttachmentView]) -> MessageView:
    data: dict[str, Any] = orjson.loads(row.data)
    quote = data.pop("quote", None)
    for name in _INTERNAL:
        data.pop(name, None)
    late = row.provider_at is not None and row.created_at - row.provider_at > _LATE_MS
    return MessageView(
        id=row.id, conversation_id=row.conversation_id, seq=row.seq, direction=row.direction,
        kind=row.kind, channel=row.channel, channel_id=row.channel_id, text=row.text, data=data,
        attachments=files, status=row.status, reason=row.reason or _why_it_waits(row), author=_author(row),
        client_id=row.client_id, reply_to=Quote(**quote) if quote else None,
        created_at=row.created_at, provider_at=row.provider_at, edited_at=row.edited_at, late=late,
    )  # fmt: skip


def _why_it_waits(row: Row) -> str:
    """Why a reply waits that nobody has tried yet; empty for one that is about to leave."""
    now = now_ms()
    if row.status != "queued":
        return ""
    if (row.paused_until or 0) > now:
        return f"{row.channel_label} asks for a pause"
    return "waits for the reply before it" if row.behind or (row.lane_due_at or 0) > now else ""


def _author(row: Row) -> Person | None:
    if row.agent_id:
        return Person(id=row.agent_id, name=row.agent_name)
    return Person(id=row.contact_id, name=row.contact_name) if row.direction == "inbound" else None
