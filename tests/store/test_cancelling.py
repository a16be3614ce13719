"""Work that is given up: it ends as cancelled, and the next work finds a database that works."""

from __future__ import annotations

import asyncio
import random

from bridge.store import changes
from bridge.store.engine import Database, Tx


async def test_cancelled_work_is_cancelled_and_leaves_no_trace(database: Database) -> None:
    """A loop that is told to stop must not take a broken connection for a passing error, and go on."""
    jitter = random.Random(7)

    async def look(tx: Tx) -> None:
        for _ in range(20):
            await changes.feed_id(tx)

    for _ in range(60):
        tasks = [asyncio.create_task(database.read(look)) for _ in range(4)]
        await asyncio.sleep(jitter.random() * 0.01)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ends), ends
        assert await database.read(changes.feed_id)
