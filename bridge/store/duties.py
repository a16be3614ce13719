"""Duties: what exactly one node does, held by a lease with an epoch, on the database's clock."""

from __future__ import annotations

from bridge.store.engine import Statement, Tx

_NEW = Statement(
    """INSERT INTO duties (name, owner, until, epoch)
    VALUES (:name, :owner, {now} + CAST(:lease AS bigint), 1) ON CONFLICT DO NOTHING RETURNING epoch"""
)
# Not before what its owner began under it (`attempts.FENCE`) is committed, and can be seen.
_FREE = Statement("SELECT 1 FROM duties WHERE name = :name AND (until < {now} OR owner = :owner) {alone}")
_TAKE = Statement(
    """UPDATE duties SET owner = :owner, until = {now} + CAST(:lease AS bigint), epoch = epoch + 1
    WHERE name = :name RETURNING epoch"""
)
_KEEP = Statement(
    """UPDATE duties SET until = {now} + CAST(:lease AS bigint)
    WHERE name = :name AND owner = :owner AND epoch = :epoch RETURNING epoch"""
)
_GIVE_BACK = Statement("UPDATE duties SET until = 0 WHERE name = :name AND owner = :owner AND epoch = :epoch")
_FORGET = Statement("UPDATE duties SET until = 0")


async def take(tx: Tx, name: str, owner: str, lease: int) -> int | None:
    """The new epoch if the duty was free (or ours), for `lease` milliseconds; else `None`."""
    statement = _TAKE if await _FREE.run(tx, name=name, owner=owner) else _NEW
    rows = await statement.run(tx, name=name, owner=owner, lease=lease)
    return rows[0].epoch if rows else None


async def keep(tx: Tx, name: str, owner: str, epoch: int, lease: int) -> bool:
    """Extend the lease; `False` when another node has taken the duty over."""
    return bool(await _KEEP.run(tx, name=name, owner=owner, epoch=epoch, lease=lease))


async def give_back(tx: Tx, name: str, owner: str, epoch: int) -> None:
    """Let another node take the duty at once."""
    await tx.count(_GIVE_BACK.text(tx.engine), {"name": name, "owner": owner, "epoch": epoch})


async def forget(tx: Tx) -> None:
    """Free every duty: on SQLite there is one process, and the last one is gone."""
    await tx.count(_FORGET.text(tx.engine), {})
