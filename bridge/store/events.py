"""How long vendors' events are kept: the raw form for days, the key that tells repeats for a month.

Ids begin with their time, so what is old is found at one end of the primary key.
"""

from __future__ import annotations

from bridge.ids import first_id, now_ms
from bridge.store.engine import Statement, Tx

_DAY_MS = 24 * 3600 * 1000
_RAW_MS = 7 * _DAY_MS
# WhatsApp repeats an event for seven days, others for less.
_KEY_MS = 30 * _DAY_MS
# Whoever was away for longer than this finds no raw form older than the key itself.
_MISSED_MS = 7 * _DAY_MS
# Short transactions: others write beside it.
AT_ONCE = 5_000

# What is parked waits for a person, however long.
_FORGET_RAW = Statement(
    """UPDATE events SET body = '' WHERE id IN (SELECT id FROM events
        WHERE id > :since AND id < :until AND state = 'done' AND body <> '' LIMIT CAST(:most AS bigint))"""
)
_FORGET = Statement(
    """DELETE FROM events WHERE id IN (SELECT id FROM events
        WHERE id < :until AND state = 'done' LIMIT CAST(:most AS bigint))"""
)


async def forget_raw(tx: Tx) -> bool:
    """Drop raw bodies whose days are over; whether there are more."""
    until = now_ms() - _RAW_MS
    params = {"since": first_id(until - _MISSED_MS), "until": first_id(until), "most": AT_ONCE}
    return await tx.count(_FORGET_RAW.text(tx.engine), params) == AT_ONCE


async def forget(tx: Tx) -> bool:
    """Forget events that no vendor will repeat any more; whether there are more."""
    params = {"until": first_id(now_ms() - _KEY_MS), "most": AT_ONCE}
    return await tx.count(_FORGET.text(tx.engine), params) == AT_ONCE
