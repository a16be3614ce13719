"""Reading the feed of changes: what happened after a cursor, with nothing missed.

An increasing number is no cursor on PostgreSQL: of two transactions the one with the later number
may commit first, and a reader in between would skip the other for ever. There a row also carries
its transaction (`xid`), and only rows whose transaction is older than every running one are read,
in the order (xid, pos). On SQLite, where one transaction writes at a time, `xid` is always 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import sqlalchemy as sa

from bridge.ids import now_ms
from bridge.store.engine import EngineName, Row, Statement, Tx
from bridge.store.retention import AT_ONCE
from bridge.store.tables import meta

# How long a page may have been away and still resume.
KEPT_MS = 72 * 3600 * 1000


class Position(NamedTuple):
    """A place in the feed, between changes."""

    xid: int
    pos: int


class Change(NamedTuple):
    """One entry of the feed. `subject_id` is the message, activity or contact that `kind` says."""

    at: Position
    kind: str
    conversation_id: str | None
    subject_id: str | None


class Cursor(NamedTuple):
    """A position and the feed it belongs to: a restored database has another feed (`feeds.py`)."""

    feed: str
    position: Position

    def __str__(self) -> str:
        return f"{self.feed}-{self.position.xid:x}-{self.position.pos:x}"


def parse_cursor(text: str) -> Cursor | None:
    """The cursor behind what a page sent, if it is one."""
    found = re.fullmatch(r"(\w{1,40})-([0-9a-f]{1,16})-([0-9a-f]{1,16})", text, re.ASCII)
    if not found:
        return None
    position = Position(int(found[2], 16), int(found[3], 16))
    return Cursor(found[1], position) if max(position) <= _LARGEST else None


# Before the name of an earlier feed in `meta`, which knows where that one ended.
END_OF = "feed:"

_COLUMNS = "pos, kind, conversation_id, subject_id"
_AFTER: dict[EngineName, Statement] = {
    "sqlite": Statement(
        f"SELECT 0 AS xid, {_COLUMNS} FROM changes WHERE pos > :pos AND pos <= :until_pos "
        "ORDER BY pos LIMIT :limit"
    ),
    "postgresql": Statement(
        f"SELECT xid::text::bigint AS xid, {_COLUMNS} FROM changes "
        "WHERE (xid, pos) > (CAST(CAST(:xid AS text) AS xid8), CAST(:pos AS bigint)) "
        "AND (xid, pos) <= (CAST(CAST(:until_xid AS text) AS xid8), CAST(:until_pos AS bigint)) "
        "AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, pos LIMIT CAST(:limit AS int)"
    ),
}
_LARGEST = (1 << 63) - 1
_END = Position(_LARGEST, _LARGEST)

# Whatever is committed by now is before this place, and whatever is not comes after it.
_NOW: dict[EngineName, sa.TextClause] = {
    "sqlite": sa.text(
        "SELECT 0 AS xid, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0) AS pos"
    ),
    "postgresql": sa.text(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid, 0::bigint AS pos"
    ),
}

# By the index, from its end: mostly there is none, and only the whole table would say so otherwise.
_HELD_UP = Statement(
    "SELECT 1 FROM changes WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid DESC LIMIT 1"
)

# In their order, from the oldest on: the newest of the old ones is not to be looked for in all others.
_OLDEST: dict[EngineName, Statement] = {
    "sqlite": Statement("SELECT 0 AS xid, pos, at FROM changes ORDER BY pos LIMIT :most"),
    "postgresql": Statement(
        "SELECT xid::text::bigint AS xid, pos, at FROM changes "
        "WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) "
        "ORDER BY changes.xid, pos LIMIT CAST(:most AS int)"
    ),
}
_PRUNE: dict[EngineName, sa.TextClause] = {
    "sqlite": sa.text("DELETE FROM changes WHERE pos <= :pos"),
    "postgresql": sa.text(
        "DELETE FROM changes WHERE (xid, pos) <= (CAST(CAST(:xid AS text) AS xid8), CAST(:pos AS bigint))"
    ),
}


async def feed_id(tx: Tx) -> str:
    """The name of this database's feed."""
    return await _meta(tx, "feed_id")


async def now(tx: Tx) -> Position:
    """The place after everything that can be read, before everything that cannot yet."""
    row = (await tx.run(_NOW[tx.engine]))[0]
    return Position(row.xid, row.pos)


async def after(tx: Tx, position: Position, *, until: Position = _END, limit: int) -> list[Change]:
    """The next changes after a place, at most `limit`, oldest first."""
    params: dict[str, int | str] = {"pos": position.pos, "until_pos": until.pos, "limit": limit}
    if tx.engine == "postgresql":  # xid8 travels as text
        params |= {"xid": str(position.xid), "until_xid": str(until.xid)}
    return [_change(row) for row in await _AFTER[tx.engine].run(tx, **params)]


async def may_have_more(tx: Tx, found: Sequence[Change]) -> bool:
    """Whether there may be committed changes that cannot be read before an older transaction ends.

    Where some were `found`, looking again soon is cheaper than asking.
    """
    return tx.engine == "postgresql" and (bool(found) or bool(await _HELD_UP.run(tx)))


async def is_known(tx: Tx, cursor: Cursor) -> bool:
    """Whether everything after this cursor is still here, and it is not from another feed."""
    end = await _end(tx, cursor.feed)
    return end is not None and await pruned(tx) <= cursor.position <= end


async def pruned(tx: Tx) -> Position:
    """The place before which nothing is kept."""
    last = parse_cursor(await _meta(tx, "changes_pruned"))
    return last.position if last else Position(0, 0)


async def _end(tx: Tx, feed: str) -> Position | None:
    """The last place of a feed, if it is ours, or on SQLite one that ours continues."""
    if feed == await feed_id(tx):
        return await now(tx)
    end = await _meta(tx, END_OF + feed)
    return Position(0, int(end)) if end else None


async def prune(tx: Tx, kept_ms: int = KEPT_MS) -> int:
    """Forget what is older than `kept_ms`; cursors before that are unknown from then on.

    Returns how many there were, at most `AT_ONCE`: a longer transaction would keep others waiting.
    """
    now = now_ms()
    oldest = await _OLDEST[tx.engine].run(tx, most=AT_ONCE)
    # What a clock dated that was far ahead must not hold up what comes after it.
    old = [*takewhile(lambda row: abs(now - row.at) > kept_ms, oldest)]
    if not old:
        return 0
    last = Position(old[-1].xid, old[-1].pos)
    mark = str(Cursor(await feed_id(tx), last))
    await tx.run(sa.delete(meta).where(meta.c.key == "changes_pruned"))
    await tx.run(sa.insert(meta).values(key="changes_pruned", value=mark))
    params = {"pos": last.pos} | ({"xid": str(last.xid)} if tx.engine == "postgresql" else {})
    return await tx.count(_PRUNE[tx.engine], params)


def _change(row: Row) -> Change:
    return Change(Position(row.xid, row.pos), row.kind, row.conversation_id, row.subject_id)


async def _meta(tx: Tx, key: str) -> str:
    rows = await tx.run(sa.select(meta.c.value).where(meta.c.key == key))
    return str(rows[0].value) if rows else ""
