"""The engines' words: what a statement says means the same on both."""

from __future__ import annotations

from bridge.ids import now_ms
from bridge.store.engine import Database, Statement, Tx


async def test_clock_of_the_database_is_this_machines_to_the_millisecond(database: Database) -> None:
    """What is due or over by the one is so by the other: both are of one machine here."""
    now = Statement("SELECT {now} AS ms")

    async def look(tx: Tx) -> list[tuple[int, int, int]]:
        seen, until = [], now_ms() + 50  # many different milliseconds: not each of them shows it
        while now_ms() < until:
            seen.append((now_ms(), (await now.run(tx))[0].ms, now_ms()))
        return seen

    for before, theirs, after in await database.read(look):
        assert before <= theirs <= after
