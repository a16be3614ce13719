"""What a restore does to the feed: pages load anew, and from then on it is as any other."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bridge.ids import new_id, now_ms
from bridge.store import changes, feeds, schema
from bridge.store.changes import Cursor
from bridge.store.engine import Database, connect
from bridge.store.tables import changes as change_table
from tests import servers
from tests.servers import PostgreSQL
from tests.store.test_changes import follow, note


@asynccontextmanager
async def started(url: str) -> AsyncIterator[Database]:
    """A database as a process has it that has just started."""
    database = connect(url)
    try:
        await schema.prepare(database)
        await database.write(feeds.begin)
        yield database
    finally:
        await database.close()


async def cursor(database: Database) -> Cursor:
    """Where a page is that has seen everything."""
    return Cursor(await database.read(changes.feed_id), await database.read(changes.now))


async def is_known(database: Database, page: Cursor) -> bool:
    """Whether a page may go on from there."""
    return await database.read(lambda tx: changes.is_known(tx, page))


async def goes_on(database: Database) -> None:
    """The feed of a database that was restored: its pages miss nothing, it rests, it can be pruned."""
    page = await cursor(database)
    subject = new_id()
    await note(database, subject)
    assert await is_known(database, page)
    assert (await follow(database, page.position))[0] == [subject]
    assert not await database.read(lambda tx: changes.may_have_more(tx, []))
    await database.write(lambda tx: tx.run(sa.update(change_table).values(at=now_ms() - 10_000)))
    assert await database.write(lambda tx: changes.prune(tx, kept_ms=5_000)) >= 1
    assert not await is_known(database, page)
    assert await is_known(database, await cursor(database))


async def test_pages_go_on_over_a_restart(database_url: str) -> None:
    """Whatever a page missed while the process was away, it gets, over any number of restarts."""
    async with started(database_url) as database:
        page = await cursor(database)
        missed = [new_id(), new_id(), new_id()]
        await note(database, missed[0])
    for subject in missed[1:]:
        async with started(database_url) as database:
            assert await is_known(database, page)
            await note(database, subject)
            assert (await follow(database, page.position))[0] == missed[: missed.index(subject) + 1]


async def test_pruning_forgets_the_cursors_of_earlier_runs_too(database_url: str) -> None:
    """A restart is no way around it, and nothing of them is kept."""
    async with started(database_url) as database:
        page = await cursor(database)
        await note(database, new_id())
    async with started(database_url) as database:
        await note(database, new_id())
        await database.write(lambda tx: tx.run(sa.update(change_table).values(at=now_ms() - 10_000)))
        assert await database.write(lambda tx: changes.prune(tx, kept_ms=5_000)) == 2
        assert not await is_known(database, page)
    async with started(database_url) as database:
        assert not await is_known(database, page)
        kept = sa.text("SELECT count(*) AS n FROM meta WHERE key LIKE 'feed:%'")
        assert (await database.read(lambda tx: tx.run(kept)))[0].n <= 1


def vacuum_into(backup: Path, file: Path) -> None:
    """A backup as `docs/operations.md` says it is made."""
    with sqlite3.connect(file) as source:
        source.execute("VACUUM INTO ?", (str(backup),))
    source.close()


def put(file: Path, place: Path) -> None:
    """A copy of a file in place of another, of which nothing stays."""
    for left_over in place.parent.glob(f"{place.name}*"):
        left_over.unlink()
    shutil.copy(file, place)


@pytest.mark.parametrize("way", ["VACUUM INTO", "copy while it rests"])
async def test_page_that_saw_what_a_restored_file_lacks_loads_anew(
    tmp_path: Path, sqlite_url: str, way: str
) -> None:
    """Also when so much has happened since that its cursor would fit; who saw less than that goes on."""
    file, backup = Path(sqlite_url.removeprefix("sqlite:///")), tmp_path / "backup.db"
    async with started(sqlite_url) as database:
        early = await cursor(database)
        await note(database, new_id())
        if way == "VACUUM INTO":
            vacuum_into(backup, file)
    if way == "copy while it rests":
        put(file, backup)
    for _ in range(2):  # the same backup may have to serve again
        async with started(sqlite_url) as database:
            await note(database, new_id())
            late = await cursor(database)
        put(backup, file)
        async with started(sqlite_url) as database:
            await note(database, new_id(), new_id(), new_id())
            assert not await is_known(database, late)
            assert await is_known(database, early)
            assert len((await follow(database, early.position))[0]) == 4
            await goes_on(database)


async def test_feed_of_a_database_that_was_restored_into_another_cluster_rests(
    postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """Its rows are of transactions that are far ahead there: nobody would ever read or forget them."""
    count_up = "DO 'BEGIN FOR n IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'"
    async with started(postgresql_url) as database:
        await asyncio.to_thread(postgresql.run, count_up)
        await note(database, new_id())
        page = await cursor(database)
    backup = await asyncio.to_thread(postgresql.dump, postgresql_url.rsplit("/", 1)[-1])
    with servers.postgresql() as elsewhere:
        url = elsewhere.url(await asyncio.to_thread(elsewhere.restore, backup))
        async with started(url) as first, started(url) as second, started(url) as third:
            assert len({await node.read(changes.feed_id) for node in (first, second, third)}) == 1
            assert not await is_known(first, page)
            await goes_on(first)


async def test_several_nodes_that_start_after_a_restore_agree_on_the_feed(
    postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """The first one begins it, and none throws away what another has written since."""
    async with started(postgresql_url) as database:
        await note(database, new_id())
        page = await cursor(database)
    backup = await asyncio.to_thread(postgresql.dump, postgresql_url.rsplit("/", 1)[-1])
    restored = await asyncio.to_thread(postgresql.restore, backup)
    nodes = [connect(postgresql.url(restored)) for _ in range(4)]
    subjects = [new_id() for _ in nodes]

    async def start(node: Database, subject: str) -> str:
        await node.write(feeds.begin)
        feed = await node.read(changes.feed_id)
        await note(node, subject)
        return feed

    names = await asyncio.gather(*map(start, nodes, subjects))
    assert len(set(names)) == 1
    assert not await is_known(nodes[0], page)
    written = await nodes[0].read(lambda tx: tx.run(sa.select(change_table.c.subject_id)))
    assert sorted(row.subject_id for row in written) == sorted(subjects)
    for node in nodes:
        await node.close()
    postgresql.drop(restored)
