"""The writer: jobs share a transaction, and none of them pays for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.errors import Unavailable
from bridge.store import changes
from bridge.store.engine import Database, Tx, connect
from bridge.store.failures import Contended
from bridge.store.writer import MAX_WAITING, Writer


async def halve(tx: Tx, numbers: Sequence[int]) -> list[int]:
    """A step with a bug."""
    await changes.feed_id(tx)
    for number in numbers:
        assert number != 13, "nobody expects this"
    return [number // 2 for number in numbers]


async def test_bug_that_one_job_meets_is_told_to_that_one_alone(database: Database) -> None:
    """A hundred customers must not be sent away because of one whose message we cannot handle."""
    writer = Writer(database)
    results = await asyncio.gather(
        *(writer.write(halve, number) for number in range(100)), return_exceptions=True
    )
    await writer.close()
    assert isinstance(results[13], AssertionError)
    assert [result for result in results if result is not results[13]] == [
        number // 2 for number in range(100) if number != 13
    ]


async def test_flood_of_one_share_leaves_the_others_theirs(database: Database) -> None:
    """Telegram repeats what is refused, Twilio hardly does: the one's backlog is not the other's loss."""
    writer = Writer(database)
    flood = [writer.write(halve, 2, share="flood") for _ in range(MAX_WAITING + 1)]
    *taken, refused, other = await asyncio.gather(
        *flood, writer.write(halve, 4, share="other"), return_exceptions=True
    )
    await writer.close()
    assert taken == [1] * MAX_WAITING
    assert isinstance(refused, Unavailable)
    assert other == 2


async def test_batch_that_was_in_anothers_way_is_not_passed_by_the_next_one(postgresql_url: str) -> None:
    """Two messages of one customer: the first met a deadlock, and must not arrive after the second."""
    database = connect(postgresql_url)
    writer, arrived, begun = Writer(database), list[int](), asyncio.Event()

    async def arrive(tx: Tx, numbers: Sequence[int]) -> list[None]:
        await changes.feed_id(tx)
        if not begun.is_set():
            begun.set()
            raise Contended
        arrived.extend(numbers)
        return [None] * len(numbers)

    first = asyncio.create_task(writer.write(arrive, 1))
    await begun.wait()
    await asyncio.gather(first, writer.write(arrive, 2))
    await writer.close()
    await database.close()
    assert arrived == [1, 2]
