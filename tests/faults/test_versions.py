"""Two versions of the code on one database, as in every upgrade that stops nobody.

There is one version of the code here, so the newer one is made: a copy of the package with a migration
more, which changes the tables that every message goes through.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import bridge
from bridge.sandbox.vendors import Vendors
from bridge.store import schema
from tests.bridges import Bridge
from tests.clusters import ONLY_SMS, Cluster, cluster, more, traffic
from tests.gateways import until
from tests.servers import PostgreSQL

HOT_TABLES = ("addresses", "contacts", "conversations", "messages", "lanes", "attempts", "changes", "duties")
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
works_with = "{works_with}"


def upgrade() -> None:
    op.create_table("moods{revision}", sa.Column("id", sa.Integer(), primary_key=True))
    for table in {tables}:
        op.add_column(table, sa.Column("mood{revision}", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("grade{revision}", sa.Integer(), server_default="0", nullable=False))
        op.create_index(table + "_mood{revision}", table, ["mood{revision}"])
"""


def newer(folder: Path, before: Path, revision: str, works_with: str) -> Path:
    """The folder of a version of Bridge with one more migration than the one in `before`."""
    shutil.copytree(before / "bridge", folder / "bridge", ignore=shutil.ignore_patterns("__pycache__"))
    versions = folder / "bridge/store/migrations/versions"
    last = max(path.name[:4] for path in versions.glob("[0-9]*.py"))
    text = MIGRATION.format(revision=revision, before=last, works_with=works_with, tables=HOT_TABLES)
    (versions / f"{revision}_newer.py").write_text(text)
    return folder


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The version after this one. This one works with its schema."""
    return newer(tmp_path / "next", Path(bridge.__file__).parents[1], "9998", schema.head())


@pytest.fixture
def one_further(tmp_path: Path, next_version: Path) -> Path:
    """The version after the next one. This one does not work with its schema."""
    return newer(tmp_path / "further", next_version, "9999", "9998")


def as_version(bridge: Bridge, folder: Path) -> None:
    """Have another version of the code run from now on."""
    bridge.settings["PYTHONPATH"] = str(folder)


@pytest.fixture
async def two(
    tmp_path: Path, postgresql_url: str, redis_url: str, vendors: Vendors
) -> AsyncIterator[Cluster]:
    """Two processes of this version."""
    async with cluster(
        tmp_path, postgresql_url, vendors, {**ONLY_SMS, "REDIS_URL": redis_url}, nodes=2
    ) as made:
        yield made


@pytest.mark.timeout(300)
@pytest.mark.slow  # several processes, replaced one by one: `make faults`
async def test_upgrade_while_customers_write_and_are_answered(
    two: Cluster, postgresql_url: str, next_version: Path
) -> None:
    """Migrate, then restart one process after another: nobody notices, and nothing is lost or doubled."""
    first, second = two.bridges
    async with traffic(two) as phones:
        as_version(first, next_version)  # for its commands, and its next start
        migrated = await asyncio.to_thread(first.run, "migrate")
        assert migrated.returncode == 0, migrated.stderr
        assert f"from {schema.head()} to 9998" in migrated.stdout
        await more(phones)  # of two processes whose schema has changed under them
        second.kill()  # before its turn has come
        await asyncio.to_thread(second.start)
        await more(phones)  # of one that was started anew
        await asyncio.to_thread(first.stop)
        await asyncio.to_thread(first.start)
        await more(phones)  # of both versions
        as_version(second, next_version)
        await asyncio.to_thread(second.stop)
        await asyncio.to_thread(second.start)
        await more(phones)


async def test_migration_does_not_keep_everybody_waiting_behind_a_backup(
    two: Cluster, postgresql_url: str, next_version: Path
) -> None:
    """Who reads a table for hours holds up its change, and behind a change that waits all others would."""
    first, _ = two.bridges
    async with traffic(two) as phones:
        as_version(first, next_version)
        backup = await asyncpg.connect(postgresql_url)
        async with backup.transaction():
            await backup.execute("LOCK TABLE messages IN ACCESS SHARE MODE")
            migrating = asyncio.create_task(asyncio.to_thread(first.run, "migrate"))
            await until(partial(waits_for_a_table, backup))
            await more(phones)
            assert not migrating.done()
        await backup.close()
        migrated = await migrating
        assert migrated.returncode == 0, migrated.stderr


async def waits_for_a_table(connection: Any) -> bool:
    """Whether somebody wants a table for themselves."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
    return bool(await connection.fetchval(query))


async def test_step_that_is_too_large_is_refused_while_processes_serve(
    two: Cluster, postgresql: PostgreSQL, postgresql_url: str, one_further: Path
) -> None:
    """Their version is two behind: they would go on writing what the new schema has no place for."""
    first, second = two.bridges
    as_version(first, one_further)
    before = dump(postgresql, postgresql_url)
    refused = await asyncio.to_thread(first.run, "migrate")
    assert refused.returncode == 2
    assert "Stop all of them" in refused.stderr
    assert dump(postgresql, postgresql_url) == before
    for one in (first, second):
        await asyncio.to_thread(one.stop)
    migrated = await asyncio.to_thread(first.run, "migrate")
    assert migrated.returncode == 0, migrated.stderr


COMMANDS = [
    ("serve",),
    ("migrate",),
    ("agent", "add", "anna@example.com", "--name", "Anna", "--password-stdin"),
    ("agent", "token", "anna@example.com"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_newer_schema_is_refused_before_anything_is_touched(
    tmp_path: Path, empty_database_url: str, one_further: Path, postgresql: PostgreSQL,
    command: Sequence[str],
) -> None:  # fmt: skip
    """An old program must not write into what it does not know; one line says what to do."""
    bridge = Bridge(tmp_path / "bridge", {"DATABASE_URL": empty_database_url})
    with_newer = Bridge(tmp_path / "newer", bridge.settings)
    as_version(with_newer, one_further)
    made = with_newer.run("migrate")
    assert made.returncode == 0, made.stderr
    before = dump(postgresql, empty_database_url)
    refused = bridge.run(*command, stdin="a long enough password\n")
    assert refused.returncode == 2, refused.stdout
    assert "made by a newer version of Bridge (9999). Run that version." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert dump(postgresql, empty_database_url) == before


def dump(server: PostgreSQL, url: str) -> bytes:
    """Everything in a database, but for what who serves notes by the second, and readers do."""
    if url.startswith("sqlite"):
        return Path(url.removeprefix("sqlite:///")).read_bytes()
    return server.text_of(url.rpartition("/")[2], without=("duties", "meta"))
