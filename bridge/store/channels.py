"""Channels' rows: how they are doing, and how long they rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from bridge.ids import now_ms
from bridge.store import health
from bridge.store.changes_log import note_changes
from bridge.store.engine import Row, Statement, Tx
from bridge.store.tables import channels

_REGISTER = Statement(
    """INSERT INTO channels (type, identity, label, created_at) VALUES (:type, :identity, :label, {now})
    ON CONFLICT (type, identity) DO UPDATE SET label = excluded.label,
        state = CASE WHEN channels.state = 'off' THEN 'up' ELSE channels.state END
    RETURNING id"""
)
_SAY = Statement(
    """UPDATE channels SET state = :state, detail = :detail
    WHERE id = :id AND (state <> :state OR detail <> :detail) RETURNING id"""
)
_PAUSE = Statement(
    """UPDATE channels SET paused_until = {greatest}(coalesce(paused_until, 0), {now} + CAST(:ms AS bigint))
    WHERE id = :id"""
)
_PAUSED = Statement("SELECT coalesce(paused_until, 0) - {now} AS left_ms FROM channels WHERE id = :id")


async def register(tx: Tx, kind: str, identity: str, label: str) -> int:
    """The row of an account, made at its first start; a rotated token keeps it.

    How it is stays: others may be running who know.
    """
    channel_id: int = (await _REGISTER.run(tx, type=kind, identity=identity, label=label))[0].id
    return channel_id


async def known(tx: Tx) -> dict[tuple[str, str], int]:
    """The row's id of every account that was ever used, `{(type, identity): id}`."""
    rows = await tx.run(sa.select(channels.c.type, channels.c.identity, channels.c.id))
    return {(row.type, row.identity): row.id for row in rows}


async def named(tx: Tx, name: str) -> Sequence[Row]:
    """The channels of a type, or the one with this number, that are not off; all of them without a name."""
    of = channels.c
    query = sa.select(of.id, of.type).where(of.state != "off").order_by(of.id)
    if name.isdecimal():
        query = query.where(sa.cast(of.id, sa.Text) == name)
    elif name:
        query = query.where(of.type == name)
    return await tx.run(query)


async def switch_off_others(tx: Tx, on: Collection[int]) -> None:
    """Channels that were used before and are not configured any more: nothing can be sent there."""
    await tx.run(sa.update(channels).where(channels.c.id.not_in(on)).values(state="off", detail=""))


async def say_state(tx: Tx, channel_id: int, state: str, detail: str) -> None:
    """Show how a channel is doing."""
    if await _SAY.run(tx, id=channel_id, state=state, detail=detail):
        await note_changes(tx, [("channels", None, None)], now_ms())


async def states(tx: Tx) -> dict[int, tuple[Any, str]]:
    """How every channel is doing: its state, and why it is so. What needs a person comes first."""
    return {row.id: said for row, said in await _all(tx)}


async def troubles(tx: Tx) -> dict[tuple[str, str], str]:
    """By type and identity, what is wrong with a channel that does not work."""
    return {(row.type, row.identity): detail for row, (_, detail) in await _all(tx) if detail}


async def _all(tx: Tx) -> list[tuple[Row, tuple[Any, str]]]:
    found = await health.states(tx)
    of = channels.c
    rows = await tx.run(sa.select(of.id, of.type, of.identity, of.state, of.detail))
    return [(row, _said(row, found.get((row.id, "out")))) for row in rows]


def _said(row: Row, found: health.Found | None) -> tuple[Any, str]:
    if row.state in ("off", "setup") or found is None or found.state == "up":
        return row.state, row.detail
    return found.state, found.why or row.detail


async def pause(tx: Tx, channel_id: int, ms: int) -> None:
    """Let a channel rest; a longer pause stays."""
    await tx.count(_PAUSE.text(tx.engine), {"id": channel_id, "ms": ms})


async def paused_for(tx: Tx, channel_id: int) -> float:
    """Seconds that a channel has still to rest."""
    return max(float((await _PAUSED.run(tx, id=channel_id))[0].left_ms), 0.0) / 1000
