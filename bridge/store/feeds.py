"""Which feed of changes this is: after a restore another one than open pages know.

A restore brings an earlier state back. A page that went on there with its cursor would keep what is gone
and miss what is new; and nobody says that there was a restore.
"""

from __future__ import annotations

import secrets

from bridge.store.changes import END_OF, pruned
from bridge.store.engine import Statement, Tx

_NAME = Statement("SELECT value FROM meta WHERE key = 'feed_id' {alone}")
_SET = Statement(
    """INSERT INTO meta (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
)

# On SQLite each start makes a new feed, which goes on where the one before ends in this file. So a cursor
# from behind that end comes from what is not here any more.
_GO_ON = Statement(
    """INSERT INTO meta (key, value) SELECT :key, CAST(coalesce(max(seq), 0) AS text)
    FROM sqlite_sequence WHERE name = 'changes'"""
)
_FORGET = Statement(f"DELETE FROM meta WHERE key LIKE '{END_OF}%' AND CAST(value AS integer) < :pruned")

_EMPTY = Statement("TRUNCATE changes")
_NOT_PRUNED = Statement("DELETE FROM meta WHERE key = 'changes_pruned'")

# On PostgreSQL, where others may be at work, a restored table is known by its place, having been made anew.
_PLACE = Statement(
    """SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::text
        || '.' || 'changes'::regclass::oid::text AS place,
    (SELECT value FROM meta WHERE key = 'feed_place') AS known"""
)
# In another cluster it may be in the same one by chance. Of a transaction that has not begun there yet a
# row would not be read, and not be forgotten.
_STRANGE = Statement(
    "SELECT 1 FROM changes WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()) ORDER BY xid DESC LIMIT 1"
)


async def begin(tx: Tx) -> None:
    """See at a start whether this is the database that pages know. Several nodes may start at once."""
    (feed,) = await _NAME.run(tx)
    if tx.engine == "sqlite":
        await _go_on(tx, feed.value)
    else:
        await _look_around(tx)


async def _go_on(tx: Tx, before: str) -> None:
    await _GO_ON.run(tx, key=END_OF + before)
    await _SET.run(tx, key="feed_id", value=secrets.token_hex(4))
    await _FORGET.run(tx, pruned=(await pruned(tx)).pos)


async def _look_around(tx: Tx) -> None:
    (found,) = await _PLACE.run(tx)
    if found.known not in (None, found.place) or await _STRANGE.run(tx):
        # Pages load all that is, and what has changed before is of no use to them. It may be millions.
        await _EMPTY.run(tx)
        await _NOT_PRUNED.run(tx)
        await _SET.run(tx, key="feed_id", value=secrets.token_hex(4))
    if found.known != found.place:
        await _SET.run(tx, key="feed_place", value=found.place)
