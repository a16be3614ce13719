"""How far the lists of a channel's vendor have been read, and which of their messages are known.

Kept in `meta`: a row for each channel that sweeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from bridge.store.engine import Batch, Statement, Tx, to_json

_FIND = Statement(
    """SELECT c.created_at, {now} AS now, (SELECT m.value FROM meta m WHERE m.key = :key) AS value
    FROM channels c WHERE c.id = :channel_id"""
)
_KEEP = Statement(
    """INSERT INTO meta (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
)
_KNOWN = Batch(
    "SELECT e.key FROM {rows} JOIN events e ON e.channel_id = r.channel_id AND e.key = r.key",
    channel_id="int", key="text",
)  # fmt: skip


@dataclass(slots=True)
class Swept:
    """How far a channel was swept. All times are Unix milliseconds.

    `reached`: up to where each list was read, by the vendor's clock: what it listed until then is stored.
    By the database's clock: `at` is when the last whole sweep began (0: there was none), `created_at`
    when the channel was first on, `now` the moment of asking.
    """

    created_at: int
    now: int
    at: int = 0
    reached: dict[str, int] = field(default_factory=dict)


async def find(tx: Tx, channel_id: int) -> Swept:
    """How far a channel was swept."""
    (row,) = await _FIND.run(tx, key=_key(channel_id), channel_id=channel_id)
    return Swept(created_at=row.created_at, now=row.now, **orjson.loads(row.value or "{}"))


async def keep(tx: Tx, channel_id: int, swept: Swept) -> None:
    """Write it down. Whoever writes down less than another did reads some of it again."""
    value = to_json({"at": swept.at, "reached": swept.reached})
    await _KEEP.run(tx, key=_key(channel_id), value=value)


async def known(tx: Tx, channel_id: int, keys: Sequence[str]) -> set[str]:
    """Which events of a channel have come already."""
    rows = [{"channel_id": channel_id, "key": key} for key in keys]
    return {row.key for row in await _KNOWN.run_all(tx, rows)}


def _key(channel_id: int) -> str:
    return f"swept:{channel_id}"
