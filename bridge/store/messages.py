"""Messages as a thread shows them: by id or by page, with their files, and their older versions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from bridge.errors import NotFound
from bridge.store.engine import Batch, Row, Statement, Tx
from bridge.store.tables import attachments, messages, versions
from bridge.views import AttachmentView, MessageView, VersionView

# What the core notes for itself in `data`: the fingerprint of a request, the vendor's id it answers, the
# captions of an album one by one.
_INTERNAL = ("request", "reply_to", "captions")

# Later than this after the vendor's time, a message is shown as late (UX, "Thread").
_LATE_MS = 120_000

_COLUMNS = """m.id, m.conversation_id, m.seq, m.direction, m.kind, m.channel_id, m.text, m.data, m.status,
    m.reason, m.agent_id, m.client_id, m.provider_at, m.created_at, m.edited_at,
    ch.type AS channel, ag.name AS agent_name, c.contact_id, p.name AS contact_name,
    (SELECT count(*) FROM attachments f WHERE f.message_id = m.id) AS files,
    CASE WHEN ch.paused_until > {now} THEN ch.label || ' asks for a pause'
        WHEN ch.state = 'degraded' THEN ch.detail END AS paused,"""
# Only of those that wait, or a long thread would be walked for each of its messages.
_WAITING = """CASE WHEN m.status = 'queued' AND m.reason = '' THEN
        (SELECT count(*) FROM lanes l WHERE l.conversation_id = m.conversation_id AND l.due_at > {now})
        + (SELECT count(*) FROM messages e WHERE e.conversation_id = m.conversation_id
            AND e.status IN ('queued', 'sending') AND e.seq < m.seq) END AS behind,"""
# Of a part that its vendor had and could not deliver, it is known that it is not there.
_DOUBTS = """CASE WHEN m.status IN ('rejected', 'failed', 'expired') THEN (SELECT count(*) FROM attempts t
        WHERE t.message_id = m.id
            AND (t.outcome = 'unknown' OR t.outcome = 'accepted' AND m.status <> 'failed')) END AS doubts"""
_WITH = """JOIN conversations c ON c.id = m.conversation_id JOIN contacts p ON p.id = c.contact_id
    LEFT JOIN channels ch ON ch.id = m.channel_id LEFT JOIN agents ag ON ag.id = m.agent_id"""
# What `view` needs of a message, for a query of a procedure: its columns, and where they come from.
COLUMNS = """id, conversation_id, seq, direction, kind, channel_id, text, data, status, reason, agent_id,
    client_id, provider_at, created_at, edited_at, channel, agent_name, contact_id, contact_name, files,
    paused, behind, doubts"""
SELECT = f"SELECT {_COLUMNS} {_WAITING} {_DOUBTS}"
OF_ROWS = f"FROM {{rows}} JOIN messages m ON m.id = r.id {_WITH}"
_PAGE = f"{SELECT} FROM messages m {_WITH} WHERE m.conversation_id = :conversation"

_BY_ID = Batch(f"{SELECT} {OF_ROWS}", id="uuid")
_AFTER = Statement(f"{_PAGE} AND m.seq > :seq ORDER BY m.seq LIMIT CAST(:most AS bigint)")
_BEFORE = Statement(f"{_PAGE} AND m.seq < :seq ORDER BY m.seq DESC LIMIT CAST(:most AS bigint)")
_FILES = (
    sa.select(attachments)
    .where(attachments.c.message_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(attachments.c.position, attachments.c.id)
)


async def views(tx: Tx, ids: Collection[str]) -> dict[str, MessageView]:
    """The messages with these ids, two statements for any number; unknown ids are left out."""
    rows = await _BY_ID.run_all(tx, [{"id": each} for each in ids])
    return {view.id: view for view in await _views(tx, rows)}


async def after(tx: Tx, conversation_id: str, seq: int, limit: int) -> list[MessageView]:
    """The messages that follow `seq` in a conversation, at most `limit`."""
    return await _views(tx, await _AFTER.run(tx, conversation=conversation_id, seq=seq, most=limit))


async def before(tx: Tx, conversation_id: str, seq: int, limit: int) -> list[MessageView]:
    """The last messages ahead of `seq`, at most `limit`, the oldest of them first."""
    rows = await _BEFORE.run(tx, conversation=conversation_id, seq=seq, most=limit)
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


async def _views(tx: Tx, rows: Sequence[Any]) -> list[MessageView]:
    files: dict[str, list[AttachmentView]] = {}
    with_files = [row.id for row in rows if row.files]
    if with_files:
        for file in await tx.run(_FILES, {"ids": with_files}):
            files.setdefault(file.message_id, []).append(attachment_view(file))
    return [view(row, files.get(row.id, ())) for row in rows]


def attachment_view(row: Row) -> AttachmentView:
    """A file, from a whole row of `attachments`."""
    return AttachmentView(
        id=row.id, kind=row.kind, name=row.name, mime=row.mime, size=row.size, width=row.width,
        height=row.height, duration=row.duration, state=row.state,
        url=f"/api/files/{row.id}" if row.state == "stored" else "",
    )  # fmt: skip


def view(row: Any, files: Sequence[AttachmentView] = ()) -> MessageView:
    """A message with its files, from a row with `COLUMNS`."""
    data: dict[str, Any] = {} if row.data == "{}" else orjson.loads(row.data)
    quote = data.pop("quote", None)
    for name in _INTERNAL:
        data.pop(name, None)
    late = row.provider_at is not None and row.created_at - row.provider_at > _LATE_MS
    # As one value: pydantic makes what is nested faster than we could.
    return MessageView.model_validate({
        "id": row.id, "conversation_id": row.conversation_id, "seq": row.seq, "direction": row.direction,
        "kind": row.kind, "channel": row.channel, "channel_id": row.channel_id, "text": row.text,
        "data": data, "attachments": files, "status": row.status,
        "reason": row.reason or (_why_it_waits(row) if row.status == "queued" else ""),
        "author": _author(row), "client_id": row.client_id, "reply_to": quote or None,
        "created_at": row.created_at, "provider_at": row.provider_at, "edited_at": row.edited_at,
        "late": late, "may_be_there": bool(row.doubts),
    })  # fmt: skip


def _why_it_waits(row: Any) -> str:
    """Why a reply waits that nobody has tried yet; empty for one that is about to leave."""
    if row.paused:
        return str(row.paused)
    return "waits for the reply before it" if row.behind else ""


def _author(row: Any) -> dict[str, str] | None:
    if row.agent_id:
        return {"id": row.agent_id, "name": row.agent_name}
    return {"id": row.contact_id, "name": row.contact_name} if row.direction == "inbound" else None
