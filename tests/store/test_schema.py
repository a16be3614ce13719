"""The schema: made once, migrated with care, and the same as the code believes."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from bridge.errors import SettingsError, Unavailable
from bridge.store import schema
from bridge.store.engine import Database, connect, wait_until_up
from bridge.store.tables import meta, metadata
from tests.gateways import until
from tests.servers import PostgreSQL


def differences(connection: sa.Connection) -> list[object]:
    """What a migration would still have to change; `changes.xid` is PostgreSQL's own."""
    context = MigrationContext.configure(
        connection,
        opts={
            "include_object": lambda _o, name, kind, _r, _c: (
                (kind, name) != ("column", "xid") and name != "changes_xid"
            )
        },
    )
    return list(compare_metadata(context, metadata))


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
async def test_migrations_make_what_the_tables_say(empty_database_url: str) -> None:
    """Code that believes in a column which no migration makes fails in production only."""
    database = connect(empty_database_url)
    await schema.prepare(database)
    await schema.prepare(database)
    assert await database.schema(differences) == []
    await database.close()


async def test_several_processes_may_prepare_at_once(empty_database_url: str) -> None:
    """Two nodes that meet an empty database make one schema."""
    databases = [connect(empty_database_url) for _ in range(3)]
    await asyncio.gather(*(schema.prepare(database) for database in databases))
    query = sa.text("SELECT count(*) AS n FROM meta WHERE key = 'feed_id'")
    assert (await databases[0].read(lambda tx: tx.run(query)))[0].n == 1
    for database in databases:
        await database.close()


async def test_node_that_meets_a_file_in_the_making_waits(tmp_path: Path) -> None:
    """SQLite itself refuses at once to change the mode of a file that another process writes to."""
    other = sqlite3.connect(tmp_path / "bridge.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database = connect(f"sqlite:///{tmp_path / 'bridge.db'}")
    preparing = asyncio.create_task(schema.prepare(database))
    refused, _ = await asyncio.wait({preparing}, timeout=0.3)
    assert not refused
    other.close()
    await preparing
    assert (await schema.look(database)).revision == schema.head()
    await database.close()


async def test_node_that_waits_for_another_to_migrate_has_patience(empty_postgresql_url: str) -> None:
    """A large migration takes longer than any transaction of ours may wait for a lock."""
    first, second = connect(empty_postgresql_url), connect(empty_postgresql_url)
    migrating = sa.text(f"SELECT pg_advisory_xact_lock({0x62726964}), pg_sleep(4)")
    holding = asyncio.create_task(first.write(lambda tx: tx.run(migrating)))
    locked = sa.text("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")
    await until(lambda: first.read(lambda tx: tx.run(locked)))
    await schema.prepare(second)
    await holding
    assert (await schema.look(second)).revision == schema.head()
    await first.close()
    await second.close()


async def test_sessions_of_postgresql_stop_nobody_for_long(postgresql_url: str) -> None:
    """A node that freezes in the middle of something is cut off, not waited for."""
    database = connect(postgresql_url)
    limits = ("idle_in_transaction_session_timeout", "lock_timeout", "transaction_timeout")
    query = sa.text("SELECT current_setting(:name) AS value")
    found = [(await database.read(lambda tx, n=name: tx.run(query, {"name": n})))[0].value for name in limits]  # type: ignore[misc]  # read at once
    assert found == ["3s", "3s", "15s"]
    await database.close()


async def made_by_a_newer_version(database: Database, works_with: str | None) -> None:
    """Make a schema, and have it look as if a later version had."""
    await schema.prepare(database)
    await database.write(lambda tx: tx.run(sa.text("UPDATE alembic_version SET version_num = '9999'")))
    await database.write(lambda tx: tx.run(sa.delete(meta).where(meta.c.key == "works_with")))
    if works_with:
        row = sa.insert(meta).values(key="works_with", value=works_with)
        await database.write(lambda tx: tx.run(row))


@pytest.mark.parametrize("works_with", ["9998", None])
async def test_newer_schema_is_refused(empty_database_url: str, works_with: str | None) -> None:
    """An old program must not write into what it does not know."""
    database = connect(empty_database_url)
    await made_by_a_newer_version(database, works_with)
    with pytest.raises(SettingsError, match="newer version"):
        await schema.prepare(database)
    said: list[str] = []
    with pytest.raises(SettingsError, match="newer version"):
        await schema.migrate(database, said.append)
    await database.close()


async def test_newer_schema_that_works_with_this_version_is_used_as_it_is(empty_database_url: str) -> None:
    """In the middle of an upgrade a process of the version before may end, and must come up again."""
    database = connect(empty_database_url)
    await made_by_a_newer_version(database, schema.head())
    await schema.prepare(database)
    said: list[str] = []
    await schema.migrate(database, said.append)
    assert "9999, a newer version's that works with this one too" in said[0]
    assert (await schema.look(database)).revision == "9999"
    await database.close()


async def test_migrate_makes_a_schema_and_says_so(empty_database_url: str) -> None:
    """The command for PostgreSQL works on both, twice."""
    database = connect(empty_database_url)
    said: list[str] = []
    await schema.migrate(database, said.append)
    await schema.migrate(database, said.append)
    await database.close()
    assert [schema.head() in line for line in said] == [True, True]
    assert "up to date" in said[1]


async def test_database_that_does_not_exist_is_waited_for(postgresql: PostgreSQL) -> None:
    """An operator starts things in any order; the message says what is missing."""
    url = postgresql.url("not_made_yet")
    database = connect(url)
    with pytest.raises(Unavailable, match='database "not_made_yet" does not exist'):
        await database.read(lambda tx: tx.run(sa.text("SELECT 1")))
    said: list[str] = []
    spoken = asyncio.Event()

    def say(line: str) -> None:
        said.append(line)
        spoken.set()

    waiting = asyncio.create_task(wait_until_up(database, say))
    await spoken.wait()
    assert not waiting.done()
    assert "not_made_yet" in said[0]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await database.close()


async def test_url_of_a_hosted_postgresql_is_taken_as_it_is(postgresql_url: str) -> None:
    """Providers hand out URLs for libpq, and say there whether the connection is encrypted."""
    database = connect(f"{postgresql_url}?sslmode=prefer")
    assert (await schema.look(database)).revision == schema.head()
    await database.close()


def test_url_of_another_database_is_refused(tmp_path: Path) -> None:
    """The line names the setting, and shows a good one."""
    for url in ("mysql://localhost/x", "nonsense", f"{tmp_path}/bridge.db"):
        with pytest.raises(SettingsError, match=r"DATABASE_URL: .* Example: DATABASE_URL="):
            connect(url)
