"""The feed: whoever follows it sees every change once, whatever commits in which order."""

from __future__ import annotations

import asyncio
import random

import pytest
import sqlalchemy as sa

from bridge.ids import new_id, now_ms
from bridge.store import changes
from bridge.store.changes import Cursor, Position, parse_cursor
from bridge.store.changes_log import note_changes
from bridge.store.engine import Database, Tx
from bridge.store.tables import changes as change_table
from tests.servers import PostgreSQL


async def note(database: Database, *subjects: str) -> None:
    """Write changes in one transaction."""
    await database.write(lambda tx: note_changes(tx, [("message", None, one) for one in subjects], now_ms()))


async def follow(database: Database, position: Position, limit: int = 100) -> tuple[list[str], Position]:
    """The subjects after a place, and the place after them."""
    found = await database.read(lambda tx: changes.after(tx, position, limit=limit))
    return [str(change.subject_id) for change in found], found[-1].at if found else position


async def test_reading_goes_on_where_it_stopped(database: Database) -> None:
    """Page by page, in order, each change once; from `now` on only what is new."""
    begin = await database.read(changes.now)
    first, second, third = (new_id() for _ in range(3))
    await note(database, first, second)
    assert await follow(database, begin, limit=1) == ([first], (await follow(database, begin, limit=1))[1])
    _, position = await follow(database, begin, limit=1)
    assert (await follow(database, position))[0] == [second]
    now = await database.read(changes.now)
    assert (await follow(database, now))[0] == []
    await note(database, third)
    assert (await follow(database, now))[0] == [third]
    assert (await follow(database, position))[0] == [second, third]


async def test_rolled_back_changes_are_never_told(database: Database) -> None:
    """The feed says what happened, not what was tried."""
    begin = await database.read(changes.now)

    async def fail(tx: Tx) -> None:
        await note_changes(tx, [("message", None, new_id())], now_ms())
        raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError):
        await database.write(fail)
    kept = new_id()
    await note(database, kept)
    assert (await follow(database, begin))[0] == [kept]


async def test_follower_misses_nothing_of_many_writers(database: Database) -> None:
    """Of two transactions the later one may commit first; the follower still gets both, once."""
    position = await database.read(changes.now)
    wanted = [[new_id() for _ in range(random.Random(n).randrange(1, 4))] for n in range(120)]
    seen: list[str] = []

    async def write(group: list[str]) -> None:
        async def work(tx: Tx) -> None:
            await note_changes(tx, [("message", None, one) for one in group[:1]], now_ms())
            if tx.engine == "postgresql":
                pause = sa.text("SELECT pg_sleep(:seconds)")
                await tx.run(pause, {"seconds": random.Random(group[0]).choice([0.0, 0.002, 0.02])})
            await note_changes(tx, [("message", None, one) for one in group[1:]], now_ms())

        await database.write(work)

    writing = asyncio.gather(*(write(group) for group in wanted))
    total = sum(map(len, wanted))
    async with asyncio.timeout(60):
        while len(seen) < total:
            found, position = await follow(database, position, limit=7)
            seen += found
    await writing
    assert sorted(seen) == sorted(one for group in wanted for one in group)
    assert (await follow(database, position))[0] == []


async def test_change_behind_a_running_transaction_waits_for_it(
    database: Database, postgresql: PostgreSQL
) -> None:
    """On PostgreSQL a committed change is held back while an older transaction may still come before it."""
    if database.engine == "sqlite":
        assert not await database.read(lambda tx: changes.may_have_more(tx, []))
        return
    begin = await database.read(changes.now)
    early, late = new_id(), new_id()
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Tx) -> None:
        await note_changes(tx, [("message", None, early)], now_ms())
        entered.set()
        await go_on.wait()

    running = asyncio.create_task(database.write(slow))
    await entered.wait()
    await note(database, late)
    assert (await follow(database, begin))[0] == []
    assert await database.read(lambda tx: changes.may_have_more(tx, []))
    now = await database.read(changes.now)
    go_on.set()
    await running
    assert (await follow(database, begin))[0] == [early, late]
    assert (await follow(database, now))[0] == [early, late], "neither was readable at that time"


async def test_pruning_forgets_the_old_and_its_cursors(database: Database) -> None:
    """Who has a cursor from before must load anew; everybody else notices nothing."""
    feed = await database.read(changes.feed_id)
    begin = Cursor(feed, await database.read(changes.now))
    await note(database, new_id(), new_id())
    await database.write(lambda tx: tx.run(sa.update(change_table).values(at=now_ms() - 10_000)))
    _, position = await follow(database, begin.position)
    recent = new_id()
    await note(database, recent)
    assert await database.write(lambda tx: changes.prune(tx, kept_ms=5_000)) == 2
    assert await database.write(lambda tx: changes.prune(tx, kept_ms=5_000)) == 0
    assert not await database.read(lambda tx: changes.is_known(tx, begin))
    assert await database.read(lambda tx: changes.is_known(tx, Cursor(feed, position)))
    assert not await database.read(lambda tx: changes.is_known(tx, Cursor("other", position)))
    assert (await follow(database, position))[0] == [recent]


@pytest.mark.parametrize(
    "text",
    ["", "a", "a-g-h", "a-b-c ", "a-1_0-0", "é-1-1", "a--1-0", "a-0", "a-0-0-0", f"a-0-{1 << 63:x}", "a-0-٣"],
)
def test_nonsense_is_no_cursor(text: str) -> None:
    """What a page sends is not trusted to be what we sent it."""
    assert parse_cursor(text) is None


def test_cursor_survives_the_way_to_a_page_and_back() -> None:
    """A cursor is opaque text to a page."""
    cursor = Cursor("1f2e", Position(12345678901, 42))
    assert parse_cursor(str(cursor)) == cursor
