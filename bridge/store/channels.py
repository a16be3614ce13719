"""Channels' rows: how they are doing, and how long they rest."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from bridge.ids import now_ms
from bridge.store.changes_log import note_changes
from bridge.store.engine import Statement, Tx
from bridge.store.tables import channels

_REGISTER = Statement(
    """INSERT INTO channels (type, identity, label, created_at) VALUES (:type, :identity, :label, {now})
    ON CONFLICT (type, identity) DO UPDATE SET label = excluded.label, state = 'up', detail = ''
    RETURNING id"""
)
_PAUSE = Statement(
    """UPDATE channels SET paused_until = {greatest}(coalesce(paused_until, 0), {now} + CAST(:ms AS bigint))
    WHERE id = :id"""
)
_PAUSED = Statement("SELECT coalesce(paused_until, 0) - {now} AS left_ms FROM channels WHERE id = :id")


async def register(tx: Tx, kind: str, identity: str, label: str) -> int:
    """The row of an account, made at its first start; a rotated token keeps it."""
    channel_id: int = (await _REGISTER.run(tx, type=kind, identity=identity, label=label))[0].id
    return channel_id


async def switch_off_others(tx: Tx, on: Collection[int]) -> None:
    """Channels that were used before and are not configured any more: nothing can be sent there."""
    await tx.run(sa.update(channels).where(channels.c.id.not_in(on)).values(state="off", detail=""))


async def say_state(tx: Tx, channel_id: int, state: str, detail: str) -> None:
    """Show how a channel is doing."""
    await tx.run(sa.update(channels).where(channels.c.id == channel_id).values(state=state, detail=detail))
    await note_changes(tx, [("channels", None, None)], now_ms())


async def pause(tx: Tx, channel_id: int, ms: int) -> None:
    """Let a channel rest; a longer pause stays."""
    await tx.count(_PAUSE.text(tx.engine), {"id": channel_id, "ms": ms})


async def paused_for(tx: Tx, channel_id: int) -> float:
    """Seconds that a channel has still to rest."""
    return max(float((await _PAUSED.run(tx, id=channel_id))[0].left_ms), 0.0) / 1000
