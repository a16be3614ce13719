"""The one reader of the changes in a process: it misses nothing, and halts nobody."""

from __future__ import annotations

import asyncio

from bridge.api.feed import Feed
from bridge.bus import MemoryBus
from bridge.store import schema
from bridge.store.changes_log import Change, note_changes
from bridge.store.engine import connect
from tests.gateways import until

BEHIND = 1_000


async def test_feed_that_is_far_behind_lets_others_go_between_its_looks(database_url: str) -> None:
    """A thousand changes at once, as after an outage: requests are answered while they are told."""
    database, bus = connect(database_url), MemoryBus()
    await schema.prepare(database)
    feed = Feed(database, bus, {})
    heard: list[str] = []
    turns: list[int] = []

    async def take_turns() -> None:
        while True:
            turns.append(len(heard))
            await asyncio.sleep(0)

    async def has_heard_all() -> bool:
        return len(heard) >= BEHIND

    await feed.start()
    feed.subscribe(lambda kind, *_: heard.append(kind))
    some: list[Change] = [("channels", None, None)] * BEHIND
    await database.write(lambda tx: note_changes(tx, some, 1))
    other = asyncio.create_task(take_turns())
    try:
        bus.ring("changes")
        await until(has_heard_all)
    finally:
        other.cancel()
        await feed.close()
        await database.close()
    assert len(heard) == BEHIND
    assert len({count for count in turns if 0 < count < BEHIND}) >= 2
