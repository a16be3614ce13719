"""Duties: what exactly one node does, held by a lease with an epoch.

Whether a lease has run out is not read off a clock, which may be set: a duty is free when it was given
back, or when its row stayed as it is for most of a lease, by the steady clock of whoever looks.

A node with fewer duties than another asks for one of its, and the owner gives it back when it can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bridge.store.engine import Statement, Tx

_LOOK = Statement("SELECT owner, epoch, until, asked_by FROM duties WHERE name = :name")
_NEW = Statement(
    """INSERT INTO duties (name, owner, until, epoch)
    VALUES (:name, :owner, {now} + CAST(:lease AS bigint), 1) ON CONFLICT DO NOTHING RETURNING epoch"""
)
# Waits until every start under the old epoch (`attempts.FENCE`) is committed: the new owner sees them all.
_LOCK_IF_FREE = Statement(
    """SELECT 1 FROM duties WHERE name = :name AND (until = 0 OR owner = :owner
        OR epoch = CAST(:epoch AS integer) AND until = CAST(:until AS bigint)) {alone}"""
)
_TAKE = Statement(
    """UPDATE duties SET owner = :owner, epoch = epoch + 1, asked_by = '',
        until = {greatest}({now} + CAST(:lease AS bigint), until + 1)
    WHERE name = :name RETURNING epoch"""
)
# Each renewal changes the row, whatever the clock says.
_KEEP = Statement(
    """UPDATE duties SET until = {greatest}({now} + CAST(:lease AS bigint), until + 1)
    WHERE name = :name AND owner = :owner AND epoch = :epoch RETURNING asked_by"""
)
# In whatever epoch: it may have been taken without our hearing of it.
_GIVE_BACK = Statement("UPDATE duties SET until = 0 WHERE name = :name AND owner = :owner")
_FORGET = Statement("UPDATE duties SET until = 0")
_HELD = Statement("SELECT name, owner, asked_by FROM duties WHERE until <> 0 OR asked_by <> '' ORDER BY name")
_ASK = Statement(
    """UPDATE duties SET asked_by = :node
    WHERE name = :name AND owner = :owner AND asked_by = '' AND until <> 0"""
)


@dataclass(frozen=True, slots=True)
class Beat:
    """What a duty's row says. One that stays the same for most of a lease has no living owner.

    Who asks for it gives no sign of its owner's life.
    """

    owner: str
    epoch: int
    until: int
    asked_by: str = field(default="", compare=False)


async def look(tx: Tx, name: str) -> Beat | None:
    """The duty as it is now; nothing if nobody ever had it."""
    rows = await _LOOK.run(tx, name=name)
    return Beat(*rows[0]) if rows else None


async def take(tx: Tx, name: str, owner: str, lease: int, silent: Beat | None = None) -> int | None:
    """The new epoch if the duty was free, ours, or still is as `silent` says; else `None`."""
    last = silent or Beat("", 0, 0)
    free = await _LOCK_IF_FREE.run(tx, name=name, owner=owner, epoch=last.epoch, until=last.until)
    rows = await (_TAKE if free else _NEW).run(tx, name=name, owner=owner, lease=lease)
    return rows[0].epoch if rows else None


async def keep(tx: Tx, name: str, owner: str, epoch: int, lease: int) -> str | None:
    """Renew the lease, and hear who asks for the duty; `None` when another node has taken it over."""
    rows = await _KEEP.run(tx, name=name, owner=owner, epoch=epoch, lease=lease)
    return rows[0].asked_by if rows else None


async def give_back(tx: Tx, name: str, owner: str) -> None:
    """Let another node take the duty at once."""
    await tx.count(_GIVE_BACK.text(tx.engine), {"name": name, "owner": owner})


async def forget(tx: Tx) -> None:
    """Free every duty: on SQLite there is one process, and the last one is gone."""
    await tx.count(_FORGET.text(tx.engine), {})


@dataclass(frozen=True, slots=True)
class Held:
    """A duty, who has it, and who asks for it."""

    name: str
    owner: str
    asked_by: str


async def held(tx: Tx) -> list[Held]:
    """The duties that somebody holds or is about to, by name."""
    return [Held(*row) for row in await _HELD.run(tx)]


def too_many(found: Sequence[Held], node: str, among: Collection[str]) -> Held | None:
    """One of the duties `among` these which a node should ask for, of whoever has most of them.

    Only where its owner has still as many as this node when it has passed: else it would be asked back.
    """
    shares = Counter(duty.asked_by or duty.owner for duty in found if duty.name in among)
    others = [duty for duty in found if duty.name in among and not duty.asked_by and duty.owner != node]
    most = max(others, key=lambda duty: shares[duty.owner], default=None)
    return most if most and shares[most.owner] >= shares[node] + 2 else None


async def ask(tx: Tx, node: str, duty: Held) -> bool:
    """Ask the owner of a duty for it; `False` if another node was quicker."""
    return bool(await tx.count(_ASK.text(tx.engine), {"node": node, "name": duty.name, "owner": duty.owner}))
