"""Making and changing the schema.

An empty database is made at start. An older one is migrated at start on SQLite, after a copy; on
PostgreSQL only by `bridge migrate`, under a lock, because other nodes may be running. Their version is
the one before, which goes on, and may be started again, on the newer schema (ADR 18).
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bridge.errors import SettingsError, Unavailable
from bridge.ids import now_ms
from bridge.store.engine import Database, Statement, wait_until_up
from bridge.store.failures import Contended
from bridge.store.sqlite import SqliteDatabase
from bridge.store.tables import meta

_LOCK = 0x62726964  # "brid": one migration at a time over all nodes
_TRIES, _REST = 20, 1.0

# Whoever serves holds some duty.
_SERVED = Statement("SELECT 1 FROM duties WHERE until > {now}")

# A change of a large table, or the wait for a node that makes one, takes longer than any of ours.
_TAKE_YOUR_TIME = sa.text(
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN "
    "('lock_timeout', 'statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')"
)
# Behind a change that waits for a table everybody else waits too: they would give up after 3 s.
_STAND_ASIDE = sa.text("SELECT set_config('lock_timeout', '2000', true)")


def config(connection: sa.Connection | None = None) -> Config:
    """Alembic's settings, for work on a connection or to look at the migrations alone."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


class Found(NamedTuple):
    """What a database says of its schema. It has neither of them while it is empty.

    `works_with` is the oldest revision whose code may run on it: what made it may be newer than we are.
    """

    revision: str | None = None
    works_with: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether this version of Bridge may run on it as it is."""
        return self.revision == head() or (self.is_newer and _is_known(self.works_with))

    @property
    def is_newer(self) -> bool:
        """Whether a newer version of Bridge made it."""
        return self.revision is not None and not _is_known(self.revision)


def head() -> str:
    """The revision that this version of Bridge makes."""
    revision = _scripts().get_current_head()
    assert revision is not None
    return revision


async def look(database: Database) -> Found:
    """What the schema of a database is; touches nothing."""
    return await database.schema(_found)


async def prepare(database: Database) -> None:
    """Make the schema if there is none; refuse one that this version cannot work with.

    `SettingsError` says what to do.
    """
    found = await look(database)
    if found.is_usable:
        return
    if found.revision is None:
        await _upgrade(database)
        return
    _refuse_newer(found)
    if not isinstance(database, SqliteDatabase):
        raise SettingsError([_too_old(found)])
    await _keep_a_copy(database, found.revision)
    await _upgrade(database)


async def demand(database: Database, say: Callable[[str], None]) -> None:
    """Wait for a database that has been made, by this version; nothing is made or changed.

    `SettingsError` says what to do about one that has not.
    """
    if isinstance(database, SqliteDatabase) and not database.path.exists():
        problem = f"DATABASE_URL: there is no database at {database.path.absolute()}."
        raise SettingsError([f"{problem} Run this where Bridge is started, with its settings"])
    await wait_until_up(database, say)
    found = await look(database)
    if found.revision is None:
        raise SettingsError(["DATABASE_URL: the database is empty. `bridge serve` makes its tables"])
    if not found.is_usable:
        _refuse_newer(found)
        raise SettingsError([_too_old(found)])


async def migrate(database: Database, say: Callable[[str], None]) -> None:
    """Bring an existing schema up to date, whatever the engine. `SettingsError` says what to do."""
    found = await look(database)
    if found.is_usable:
        whose = ", a newer version's that works with this one too" if found.is_newer else ""
        say(f"The schema is up to date ({found.revision}{whose}).")
        return
    _refuse_newer(found)
    if found.revision is not None and isinstance(database, SqliteDatabase):
        say(f"A copy was kept at {await _keep_a_copy(database, found.revision)}.")
    await _upgrade(database)
    say(f"The schema went from {found.revision or 'nothing'} to {head()}.")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())


def _is_known(revision: str | None) -> bool:
    return revision in {known.revision for known in _scripts().walk_revisions()}


def _found(connection: sa.Connection) -> Found:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None or not sa.inspect(connection).has_table("meta"):
        return Found(revision)
    query = sa.select(meta.c.value).where(meta.c.key == "works_with")
    return Found(revision, connection.execute(query).scalar())


def _too_old(found: Found) -> str:
    problem = f"DATABASE_URL: the schema is at {found.revision}, this version needs {head()}."
    return f"{problem} Run `bridge migrate` first."


def _refuse_newer(found: Found) -> None:
    if found.is_newer:
        problem = f"DATABASE_URL: this database was made by a newer version of Bridge ({found.revision})."
        raise SettingsError([f"{problem} Run that version."])


async def _upgrade(database: Database) -> None:
    """Migrate, again where those who serve or a backup are in the way: nothing was changed then."""
    for _ in range(_TRIES):
        with suppress(Contended):
            return await database.schema(_up)
        await asyncio.sleep(_REST)
    raise Unavailable("Too much is going on in the database: try again in a quieter moment")


def _up(connection: sa.Connection) -> None:
    served = connection.dialect.name == "postgresql"
    if served:
        connection.execute(_TAKE_YOUR_TIME)
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        connection.execute(_STAND_ASIDE)
    found = _found(connection)
    if found.is_usable:
        return  # another node was first
    _refuse_newer(found)
    if served:
        _refuse_while_served(connection, found)
    command.upgrade(config(connection), "head")
    _note(connection, "works_with", works_with(head()))
    if not connection.execute(sa.select(meta.c.key).where(meta.c.key == "feed_id")).first():
        _note(connection, "feed_id", secrets.token_hex(4))


def works_with(revision: str) -> str:
    """The oldest revision whose code may run on what a revision makes; its file says so."""
    script = _scripts().get_revision(revision)
    assert script is not None
    oldest: str = script.module.works_with
    return oldest


def _refuse_while_served(connection: sa.Connection, found: Found) -> None:
    """The step is too large for those who serve now: their code is older than what works with it."""
    if found.revision is None or works_with(head()) in _ancestry(found.revision):
        return
    if connection.execute(_SERVED.text("postgresql")).first():
        problem = f"DATABASE_URL: processes that serve now cannot work with the schema {head()}."
        raise SettingsError([f"{problem} Stop all of them, then migrate."])


def _ancestry(revision: str) -> set[str]:
    """A revision and all before it."""
    return {one.revision for one in _scripts().iterate_revisions(revision, "base")}


def _note(connection: sa.Connection, key: str, value: str) -> None:
    connection.execute(meta.delete().where(meta.c.key == key))
    connection.execute(meta.insert().values(key=key, value=value))


async def _keep_a_copy(database: SqliteDatabase, revision: str) -> Path:
    return await database.schema(lambda _: _copy(database.path, revision))


def _copy(path: Path, revision: str) -> Path:
    """A consistent copy of an SQLite file beside it, named after its revision and time."""
    target = path.with_name(f"{path.stem}-{revision}-{now_ms()}{path.suffix}")
    with sqlite3.connect(path) as source:
        source.execute("VACUUM INTO ?", (str(target),))
    source.close()
    return target
