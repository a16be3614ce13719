"""What an agent has typed and not sent yet, one text per conversation and kind."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa

from bridge.errors import NotFound
from bridge.ids import now_ms
from bridge.store.engine import Statement, Tx
from bridge.store.tables import conversations, drafts

_SAVE = Statement(
    """INSERT INTO drafts (agent_id, conversation_id, kind, text, updated_at)
    VALUES (:agent_id, :conversation_id, :kind, :text, :now)
    ON CONFLICT (agent_id, conversation_id, kind) DO UPDATE SET
        text = excluded.text, updated_at = excluded.updated_at"""
)


async def save(tx: Tx, *, agent_id: str, conversation_id: str, kind: str, text: str) -> None:
    """Keep a draft; an empty text forgets it. `NotFound` without such a conversation."""
    if not await tx.run(sa.select(conversations.c.id).where(conversations.c.id == conversation_id)):
        raise NotFound("There is no such conversation")
    if text:
        await _SAVE.run(
            tx, agent_id=agent_id, conversation_id=conversation_id, kind=kind, text=text, now=now_ms()
        )
        return
    await tx.run(sa.delete(drafts).where(*_mine(agent_id, conversation_id), drafts.c.kind == kind))


async def of(tx: Tx, *, agent_id: str, conversation_id: str) -> dict[Literal["reply", "note"], str]:
    """`{kind: text}` of an agent's drafts in a conversation."""
    rows = await tx.run(sa.select(drafts.c.kind, drafts.c.text).where(*_mine(agent_id, conversation_id)))
    return {row.kind: row.text for row in rows}


def _mine(agent_id: str, conversation_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return drafts.c.agent_id == agent_id, drafts.c.conversation_id == conversation_id
