"""A database whose clock is set: every time in it is moved the other way instead, which is the same."""

from __future__ import annotations

import sqlalchemy as sa

from bridge.store.engine import Database, Tx
from bridge.store.tables import metadata

_TIMES = [
    column
    for table in metadata.sorted_tables
    for column in table.columns
    if column.name.endswith("_at") or column.name in ("until", "paused_until", "waiting_since", "at")
]


async def set_clock(database: Database, ms: int) -> None:
    """Set the database's clock forward by so many milliseconds, or back by negative ones."""

    async def move(tx: Tx) -> None:
        for column in _TIMES:
            moved = sa.update(column.table).where(column > 0).values({column.name: column - ms})
            await tx.run(moved)
        noted = sa.text(
            "UPDATE meta SET value = CAST(CAST(value AS bigint) - :ms AS text) WHERE key = 'clock'"
        )
        await tx.count(noted, {"ms": ms})

    await database.write(move)
