"""Replies that wait, or that need a person: what is known of each but its words.

Each list is read in the order of an index, a page at a time: there may be millions.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from bridge.ids import first_id, now_ms
from bridge.store import channels
from bridge.store.deadlines import DEADLINE
from bridge.store.engine import Statement, Tx
from bridge.views import DeliveryView, QueueView, WhyItWaits

# Counting goes no further: whoever sees this number has another problem.
COUNTED = 10_000

_FIRST = "00000000-0000-0000-0000-000000000000"
_LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class Waiting(NamedTuple):
    """Where a page of what waits ended: after this message of this lane, which was due then."""

    due_at: int
    conversation_id: str
    seq: int


class Unknown(NamedTuple):
    """Where a page of what is unknown ended."""

    conversation_id: str
    seq: int


class Failed(NamedTuple):
    """Where a page of what failed ended."""

    id: str


Place = Waiting | Unknown | Failed
State = Literal["", "waiting", "unknown", "failed"]

_DUE_FIRST = Waiting(0, _FIRST, 0)

_IDS = Statement(
    "SELECT id FROM channels WHERE CAST(:channel AS text) = '' OR type = CAST(:channel AS text) ORDER BY id"
)
_CHANNELS = Statement(
    """SELECT ch.id, ch.type, ch.label,
        CASE WHEN ch.paused_until > {now} THEN ch.paused_until END AS paused_until,
        (SELECT count(*) FROM (SELECT 1 FROM lanes l WHERE l.channel_id = ch.id AND l.due_at IS NOT NULL
            LIMIT CAST(:most AS bigint)) AS counted) AS lanes
    FROM channels ch ORDER BY ch.id"""
)
_UNKNOWN_OF = Statement(
    """SELECT channel_id, count(*) AS number FROM (SELECT channel_id FROM messages WHERE status = 'unknown'
        LIMIT CAST(:most AS bigint)) AS counted GROUP BY channel_id"""
)

_COLUMNS = f"""m.id, m.conversation_id, m.seq, m.channel_id, m.status, m.reason, m.tries, m.created_at,
    {DEADLINE} AS deadline_at, ch.type, ch.state AS channel_state, ch.detail,
    CASE WHEN ch.paused_until > {{now}} THEN ch.paused_until END AS paused_until"""
_NO_LANE = "NULL AS due_at, 0 AS rests, 0 AS behind"
_CHANNEL = "JOIN channels ch ON ch.id = m.channel_id"
# In the order in which their lanes are due: their channel's sender has the same.
_WAITING = Statement(
    f"""SELECT {_COLUMNS}, l.due_at, CASE WHEN l.due_at > {{now}} THEN 1 ELSE 0 END AS rests,
        CASE WHEN EXISTS (SELECT 1 FROM messages e WHERE e.conversation_id = m.conversation_id
            AND e.status IN ('queued', 'sending') AND e.seq < m.seq) THEN 1 ELSE 0 END AS behind
    FROM (SELECT w.conversation_id, w.due_at FROM lanes w
        WHERE w.channel_id = :channel_id AND w.due_at IS NOT NULL AND w.due_at >= CAST(:due_at AS bigint)
            AND (w.due_at > CAST(:due_at AS bigint) OR w.conversation_id >= :conversation_id)
            AND EXISTS (SELECT 1 FROM messages e WHERE e.conversation_id = w.conversation_id
                AND e.status IN ('queued', 'sending'))
        ORDER BY w.due_at, w.conversation_id LIMIT CAST(:most AS bigint)) AS l
    JOIN messages m ON m.conversation_id = l.conversation_id AND m.status IN ('queued', 'sending') {_CHANNEL}
    WHERE l.due_at > CAST(:due_at AS bigint) OR l.conversation_id > :conversation_id
        OR m.seq > CAST(:seq AS integer)
    ORDER BY l.due_at, m.conversation_id, m.seq LIMIT CAST(:most AS bigint)"""
)
# The sign keeps SQLite from another index, which has them in this order among all messages.
_UNKNOWN = Statement(
    f"""SELECT {_COLUMNS}, {_NO_LANE} FROM messages m {_CHANNEL}
    WHERE m.status = 'unknown' AND m.conversation_id >= :conversation_id
        AND (m.conversation_id > :conversation_id OR m.seq > CAST(:seq AS integer))
        AND (CAST(:channel AS text) = '' OR ch.type = CAST(:channel AS text))
    ORDER BY m.conversation_id, +m.seq LIMIT CAST(:most AS bigint)"""
)
# Those that a person has ended are nobody's concern any more.
_ENDED = """m.status IN ('rejected', 'failed', 'expired') AND m.id > :since
    AND m.reason NOT IN ('cancelled', 'given_up')
    AND (CAST(:channel AS text) = '' OR ch.type = CAST(:channel AS text))"""
_FAILED = Statement(
    f"""SELECT {_COLUMNS}, {_NO_LANE} FROM messages m {_CHANNEL} WHERE {_ENDED} AND m.id < :id
    ORDER BY m.id DESC LIMIT CAST(:most AS bigint)"""
)
# Sent again, what the customer or the vendor has closed would only fail again. What may have arrived is sent
# again only by who says so of this very reply (I6).
_RETRIABLE = Statement(
    f"""SELECT m.id FROM messages m {_CHANNEL} JOIN addresses a ON a.id = m.address_id
    WHERE {_ENDED} AND a.state = 'open' AND a.consent_at IS NOT NULL AND ch.state <> 'off'
        AND NOT EXISTS (SELECT 1 FROM attempts t WHERE t.message_id = m.id AND t.outcome = 'unknown')
    ORDER BY m.id LIMIT CAST(:most AS bigint)"""
)

# A vendor's own words may name whom it did not reach.
_NUMBER = re.compile(r"\+?\d(?:[\s().-]?\d){6,}")


async def queues(tx: Tx) -> list[QueueView]:
    """Every channel that was ever used, with how much waits there, counted up to `COUNTED`."""
    unknown = {row.channel_id: row.number for row in await _UNKNOWN_OF.run(tx, most=COUNTED)}
    states = await channels.states(tx)
    return [
        QueueView(
            channel_id=row.id, channel=row.type, label=row.label, state=states[row.id][0],
            detail=states[row.id][1], paused_until=row.paused_until, conversations=row.lanes,
            unknown=unknown.get(row.id, 0),
        )
        for row in await _CHANNELS.run(tx, most=COUNTED)
    ]  # fmt: skip


async def page(
    tx: Tx, *, state: State = "", channel: str = "", hours: int = 24, after: Place | None = None, limit: int
) -> tuple[list[DeliveryView], Place | None]:
    """Replies in a state, and where the next page begins, if there is one. `channel` is a type.

    `waiting` ones are those on their way, too, and come in the order in which they are due. `failed` are
    those that were written in the last `hours`, the newest first. Without a state it is what is unknown,
    and then what waits.
    """
    if state == "failed":
        start = after if isinstance(after, Failed) else Failed(_LAST)
        return await _failed(tx, channel, hours, start, limit)
    found: list[DeliveryView] = []
    following: Place | None = None
    if state != "waiting" and not isinstance(after, Waiting):
        start_unknown = after if isinstance(after, Unknown) else Unknown(_FIRST, 0)
        found, following = await _unknown(tx, channel, start_unknown, limit)
    if state == "unknown" or following:
        return found, following
    if len(found) == limit:
        return found, _DUE_FIRST
    start_waiting = after if isinstance(after, Waiting) else _DUE_FIRST
    more, following = await _waiting(tx, channel, start_waiting, limit - len(found))
    return found + more, following


async def retriable(tx: Tx, *, channel: str = "", hours: int, after: str = _FIRST, limit: int) -> list[str]:
    """Replies of the last hours that failed and could go by now: oldest first, after the one of this id."""
    since = max(_since(hours), after)
    return [row.id for row in await _RETRIABLE.run(tx, channel=channel, since=since, most=limit)]


async def _waiting(
    tx: Tx, channel: str, start: Waiting, limit: int
) -> tuple[list[DeliveryView], Waiting | None]:
    rows: list[Any] = []
    for each in await _IDS.run(tx, channel=channel):
        rows += await _WAITING.run(tx, channel_id=each.id, **start._asdict(), most=limit + 1)
    rows.sort(key=lambda row: (row.due_at, row.conversation_id, row.seq))
    views = [_view(row) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    return views, Waiting(last.due_at, last.conversation_id, last.seq) if last else None


async def _unknown(
    tx: Tx, channel: str, start: Unknown, limit: int
) -> tuple[list[DeliveryView], Unknown | None]:
    rows = await _UNKNOWN.run(tx, channel=channel, **start._asdict(), most=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return [_view(row) for row in rows[:limit]], Unknown(last.conversation_id, last.seq) if last else None


async def _failed(
    tx: Tx, channel: str, hours: int, start: Failed, limit: int
) -> tuple[list[DeliveryView], Failed | None]:
    rows = await _FAILED.run(tx, channel=channel, since=_since(hours), id=start.id, most=limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return [_view(row) for row in rows[:limit]], Failed(last.id) if last else None


def _since(hours: int) -> str:
    return first_id(now_ms() - hours * 3600 * 1000)


def _view(row: Any) -> DeliveryView:
    why = _why(row)
    reason = row.detail if why == "setup" else row.reason
    pause = row.paused_until or 0
    tried_next = max(row.due_at, pause) if why in ("back_off", "paused") and row.due_at else None
    return DeliveryView(
        id=row.id, conversation_id=row.conversation_id, seq=row.seq, channel=row.type,
        channel_id=row.channel_id, status=row.status, why=why, reason=_NUMBER.sub("…", reason),
        since=row.created_at, next_try_at=tried_next, deadline_at=row.deadline_at, tries=row.tries,
    )  # fmt: skip


def _why(row: Any) -> WhyItWaits:
    """What keeps it; of several things the one that has to end first."""
    if row.status != "queued":
        return "on_its_way" if row.status == "sending" else row.status
    if row.channel_state == "off":
        return "off"
    if row.behind:
        return "behind"
    if row.channel_state == "setup":
        return "setup"
    if row.paused_until:
        return "paused"
    if row.rests:  # without a try of its own, its lane rests for the fate of the one before it
        return "back_off" if row.reason else "behind"
    return "due"
