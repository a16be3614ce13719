"""Lanes: what is due on a channel, and the message at the head of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.models import AddressState
from bridge.store.deadlines import DEADLINE
from bridge.store.engine import Batch, Lock, Row, Statement, Tx

# While its channel rests no lane is due, whichever node was told so by the vendor.
_SOONEST = Statement(
    """SELECT conversation_id, {greatest}(due_at, coalesce((SELECT paused_until FROM channels
        WHERE id = :channel_id), 0)) - {now} AS wait FROM lanes
    WHERE channel_id = :channel_id AND due_at IS NOT NULL ORDER BY due_at LIMIT CAST(:limit AS bigint)"""
)
_NEWEST = Statement(
    """SELECT conversation_id FROM lanes
    WHERE channel_id = :channel_id AND due_at IS NOT NULL AND due_at <= {now}
    ORDER BY due_at DESC LIMIT CAST(:limit AS bigint)"""
)
_HEAD_COLUMNS = f"""m.id, m.conversation_id, m.channel_id, m.text, m.data, m.tries, m.address_id,
    {DEADLINE} < {{now}} AS late, a.urn, a.state, a.consent_at,
    (SELECT count(*) FROM attempts t WHERE t.message_id = m.id AND t.outcome = 'accepted') AS parts,
    (SELECT count(*) FROM attachments f WHERE f.message_id = m.id) AS files"""
_HEADS = Batch(
    f"""SELECT {_HEAD_COLUMNS} FROM {{rows}} JOIN messages m ON m.id = (SELECT h.id FROM messages h
        WHERE h.conversation_id = r.conversation_id AND h.status IN ('queued', 'sending')
        ORDER BY h.seq LIMIT 1)
    JOIN addresses a ON a.id = m.address_id""",
    conversation_id="uuid",
)  # fmt: skip
_UNSETTLED = Batch(
    f"""SELECT {_HEAD_COLUMNS} FROM {{rows}} JOIN attempts t ON t.id = r.id AND t.outcome = 'unknown'
    JOIN messages m ON m.id = t.message_id AND m.status IN ('unknown', 'queued')
    JOIN addresses a ON a.id = m.address_id""",
    id="uuid",
)  # fmt: skip
_FILES = Batch(
    """SELECT f.message_id, f.id, f.kind, f.name, f.mime, f.size, f.sha256 FROM {rows}
    JOIN attachments f ON f.message_id = r.id ORDER BY f.message_id, f.position""",
    id="uuid",
)  # fmt: skip
_SENT = Batch(
    """SELECT t.message_id, t.part FROM {rows} JOIN attempts t ON t.message_id = r.id
    WHERE t.outcome = 'accepted'""",
    id="uuid",
)  # fmt: skip
LOCK = Lock("lanes", "conversation_id")
_SLEEP = Batch(
    """UPDATE lanes SET due_at = NULL FROM {rows} WHERE lanes.conversation_id = r.conversation_id
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = lanes.conversation_id
        AND m.status IN ('queued', 'sending'))""",
    conversation_id="uuid",
)  # fmt: skip
_ELSEWHERE = Batch(
    "UPDATE lanes SET channel_id = r.channel_id FROM {rows} WHERE lanes.conversation_id = r.conversation_id",
    conversation_id="uuid", channel_id="int",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The next message of a lane. The parts in `sent` are accepted already."""

    message_id: str
    conversation_id: str
    text: str
    reply_to: str
    urn: str
    address_id: str
    state: AddressState
    agreed: bool
    late: bool
    tries: int
    sent: frozenset[int]
    files: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """The lanes to take next, and the seconds until one more is due: `None` when none is set."""

    lanes: list[str]
    wait: float | None


async def due(tx: Tx, channel_id: int, busy: Collection[str], room: int, fresh: int) -> Due:
    """Up to `room` due lanes that are not busy: the `fresh` newest, and for the rest oldest first.

    So a fresh reply does not wait behind the backlog of an hour.
    """
    limit = room + len(busy)
    soonest = await _SOONEST.run(tx, channel_id=channel_id, limit=limit + 1)
    found = [row.conversation_id for row in soonest if row.wait <= 0 and row.conversation_id not in busy]
    later = [row.wait / 1000 for row in soonest if row.wait > 0]
    if later or len(soonest) <= limit:
        return Due(found[:room], min(later, default=None))
    newest = await _NEWEST.run(tx, channel_id=channel_id, limit=limit)
    first = [row.conversation_id for row in newest if row.conversation_id not in busy][:fresh]
    return Due(first + [lane for lane in found if lane not in first][: room - len(first)], 0.0)


async def heads(tx: Tx, channel_id: int, lanes: Sequence[str]) -> list[Head]:
    """The message at the head of each lane, with its files. Lanes without one are left out."""
    rows = await _HEADS.run_all(tx, [{"conversation_id": lane} for lane in lanes])
    return await _complete(tx, [row for row in rows if row.channel_id == channel_id])


async def unsettled(tx: Tx, attempt_id: str) -> Head | None:
    """The message of an attempt whose fate is unknown, as its lane saw it; `None` when it has been settled.

    One that is to be sent again is not, until that is on its way.
    """
    found = await _complete(tx, await _UNSETTLED.run_all(tx, [{"id": attempt_id}]))
    return found[0] if found else None


async def _complete(tx: Tx, rows: Sequence[Row]) -> list[Head]:
    files: dict[str, list[Any]] = {}
    sent: dict[str, set[int]] = {}
    for file in await _FILES.run_all(tx, [{"id": row.id} for row in rows if row.files]):
        files.setdefault(file.message_id, []).append(file)
    for attempt in await _SENT.run_all(tx, [{"id": row.id} for row in rows if row.parts]):
        sent.setdefault(attempt.message_id, set()).add(attempt.part)
    return [
        Head(
            message_id=row.id, conversation_id=row.conversation_id, text=row.text,
            reply_to=orjson.loads(row.data).get("reply_to", ""), urn=row.urn, address_id=row.address_id,
            state=row.state, agreed=row.consent_at is not None, late=bool(row.late), tries=row.tries,
            sent=frozenset(sent.get(row.id, ())), files=tuple(files.get(row.id, ())),
        )
        for row in rows
    ]  # fmt: skip


async def tidy(tx: Tx, lanes: Sequence[str]) -> None:
    """Lanes that were due without a head on their channel: asleep, or moved to their head's channel."""
    await LOCK.take(tx, lanes)
    rows = [{"conversation_id": lane} for lane in sorted(lanes)]
    await _SLEEP.run_all(tx, rows)
    heads_elsewhere = await _HEADS.run_all(tx, rows)
    moved = [
        {"conversation_id": row.conversation_id, "channel_id": row.channel_id} for row in heads_elsewhere
    ]
    await _ELSEWHERE.run_all(tx, sorted(moved, key=lambda row: row["conversation_id"]))
