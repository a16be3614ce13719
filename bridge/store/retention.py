"""What is forgotten, and when: vendors' events, their receipts, and tries that came to nothing.

It is done in short steps, each over the rows that follow in the order of their key, and others write
between two of them. How far they came stands in `meta`. Ids begin with their time: what is old is first.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from bridge.ids import first_id
from bridge.store.engine import Statement, Tx

# Rows of a step: SQLite writes nothing else meanwhile.
AT_ONCE = 500

_DAY_MS = 24 * 3600 * 1000
# WhatsApp repeats an event for seven days, others for less, and a sweep finds what is older; a receipt or
# a question about a send that comes after a month comes to nothing.
LEAST_DAYS = 30
# What could not be read waits for a person, and for a version that can read it. It is a customer's words
# all the same.
PARKED_DAYS = 180
# An id may be made long before its row can be seen, and no step comes back.
_SEEN_MS = 3600 * 1000

_FIRST = "00000000-0000-0000-0000-000000000000"
_PLACE = Statement("SELECT value FROM meta WHERE key = :key {alone}")
# The database's, because a node whose clock is wrong would forget what is still needed.
_CLOCK = Statement("SELECT {now} AS now")
_MOVE = Statement(
    """INSERT INTO meta (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
)

Step = Callable[[Tx], Coroutine[Any, Any, bool]]


class _Walk:
    """Goes over a table in the order of its ids, and never back. `forget` is for the rows that it passes."""

    def __init__(self, name: str, table: str, forget: str) -> None:
        self._name = name
        rows = f"SELECT id FROM {table} WHERE id > :after AND id < :until ORDER BY id"
        self._end = Statement(f"{rows} LIMIT 1 OFFSET CAST(:most AS bigint) - 1")
        self._last = Statement(f"{rows} DESC LIMIT 1")
        self._forget = Statement(f"{forget} AND id > :after AND id <= :last")

    async def place(self, tx: Tx) -> str:
        """The id up to which it came, held until the commit."""
        rows = await _PLACE.run(tx, key=self._name)
        return rows[0].value if rows else _FIRST

    async def step(self, tx: Tx, days: int) -> bool:
        """Forget some of what is older than so many days; whether there is more."""
        now, after = await _now(tx), await self.place(tx)
        until = first_id(now - max(days * _DAY_MS, _SEEN_MS))
        if after > first_id(now):  # of a clock that was ahead: what came after it would stay for ever
            after = _FIRST
        ends = await self._end.run(tx, after=after, until=until, most=AT_ONCE)
        rest = ends or await self._last.run(tx, after=after, until=until)
        if rest:
            await self._forget.run(tx, after=after, last=rest[0].id)
            await _MOVE.run(tx, key=self._name, value=rest[0].id)
        return bool(ends)


_RAW = _Walk("forgotten_raw", "events", "UPDATE events SET body = '' WHERE state = 'done' AND body <> ''")
_KEYS = _Walk("forgotten_keys", "events", "DELETE FROM events WHERE state = 'done'")
# A channel that is down for a day leaves a thousand of them for each reply. What was accepted, refused or
# may have arrived is evidence, and stays.
_TRIES = _Walk(
    "forgotten_tries", "attempts", "DELETE FROM attempts WHERE outcome IN ('not_sent', 'throttled')"
)

_PARKED = Statement(
    """DELETE FROM events WHERE id IN (SELECT id FROM events
        WHERE state = 'parked' AND received_at < CAST(:before AS bigint)
        ORDER BY received_at LIMIT CAST(:most AS bigint)) RETURNING id"""
)

# They are found by the vendor's ids alone: an index by time would be paid for at every receipt. So these
# steps go over all of them, again and again.
_RECEIPTS = "forgotten_receipts"
_NO_RECEIPT = (2_147_483_647, "")  # comes after all of them
# Without a cast, which would keep SQLite from looking into the second column of the index.
_AFTER = "(channel_id, external_id) > (:channel_id, :external_id)"
_RECEIPTS_END = Statement(
    f"""SELECT channel_id, external_id FROM receipts WHERE {_AFTER}
    ORDER BY channel_id, external_id LIMIT 1 OFFSET CAST(:most AS bigint) - 1"""
)
# That a part failed says what is to be sent when an agent has it sent again, however late.
_FORGET_RECEIPTS = Statement(
    f"""DELETE FROM receipts WHERE {_AFTER}
    AND (channel_id, external_id) <= (:last_channel_id, :last_external_id)
    AND at < CAST(:before AS bigint) AND (status <> 'failed' OR NOT EXISTS (SELECT 1 FROM attempts a
        WHERE a.channel_id = receipts.channel_id AND a.external_id = receipts.external_id))"""
)

_SETTLE = Statement(
    """UPDATE events SET state = 'done', error = '',
        body = CASE WHEN id <= :forgotten THEN '' ELSE body END WHERE id = :id"""
)
_DELETE = Statement("DELETE FROM events WHERE id = :id")


def steps(raw_days: int) -> tuple[Step, ...]:
    """What goes by age, where raw events are kept for so many days. Each says whether there is more."""
    days = max(raw_days, LEAST_DAYS)
    return (
        lambda tx: _RAW.step(tx, raw_days),
        lambda tx: _KEYS.step(tx, days),
        lambda tx: _TRIES.step(tx, days),
        lambda tx: _forget_parked(tx, max(raw_days, PARKED_DAYS)),
    )


async def forget_receipts(tx: Tx) -> bool:
    """Forget receipts that nothing needs any more; whether there are more to look at."""
    rows = await _PLACE.run(tx, key=_RECEIPTS)
    channel_id, external_id = orjson.loads(rows[0].value) if rows else (0, "")
    after = {"channel_id": channel_id, "external_id": external_id}
    ends = await _RECEIPTS_END.run(tx, **after, most=AT_ONCE)
    last = (ends[0].channel_id, ends[0].external_id) if ends else _NO_RECEIPT
    before = await _now(tx) - LEAST_DAYS * _DAY_MS
    await _FORGET_RECEIPTS.run(tx, **after, last_channel_id=last[0], last_external_id=last[1], before=before)
    await _MOVE.run(tx, key=_RECEIPTS, value=orjson.dumps(last if ends else (0, "")).decode())
    return bool(ends)


async def settle(tx: Tx, event_id: str) -> None:
    """A parked event need not wait any more: what others of its age have lost, it loses now."""
    if event_id <= await _KEYS.place(tx):
        await _DELETE.run(tx, id=event_id)
    else:
        await _SETTLE.run(tx, id=event_id, forgotten=await _RAW.place(tx))


async def _forget_parked(tx: Tx, days: int) -> bool:
    before = await _now(tx) - days * _DAY_MS
    return len(await _PARKED.run(tx, before=before, most=AT_ONCE)) == AT_ONCE


async def _now(tx: Tx) -> int:
    (clock,) = await _CLOCK.run(tx)
    now: int = clock.now
    return now
