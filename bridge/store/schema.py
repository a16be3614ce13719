"""Making and changing the schema.

An empty database is made at start. An older one is migrated at start on SQLite, after a copy; on
PostgreSQL only by `bridge migrate`, under a lock, because other nodes may be running.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bridge.errors import SettingsError
from bridge.ids import now_ms
from bridge.store.engine import Database
from bridge.store.sqlite import SqliteDatabase

_LOCK = 0x62726964  # "brid": one migration at a time over all nodes


# A change of a large table, or the wait for a node that makes one, takes longer than any of ours.
_TAKE_YOUR_TIME = sa.text(
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN "
    "('lock_timeout', 'statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')"
)


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def head() -> str:
    """The revision that this version of Bridge works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


async def revision(database: Database) -> str | None:
    """The revision that a database has; nothing when it is empty."""
    return await database.schema(_current)


def is_known(revision: str) -> bool:
    """Whether this version of Bridge knows a revision; else a newer one made it."""
    return revision in {known.revision for known in ScriptDirectory.from_config(_config()).walk_revisions()}


async def prepare(database: Database) -> None:
    """Make the schema if there is none; refuse one that this version cannot work with.

    `SettingsError` says what to do.
    """
    current = await database.schema(_current)
    if current == head():
        return
    if current is None:
        await database.schema(_upgrade)
        return
    _refuse_newer(current)
    if not isinstance(database, SqliteDatabase):
        problem = f"DATABASE_URL: the schema is at {current}, this version needs {head()}."
        raise SettingsError([f"{problem} Run `bridge migrate` first."])
    await database.schema(lambda _: _copy(database.path, current))
    await database.schema(_upgrade)


async def migrate(database: Database, say: Callable[[str], None]) -> None:
    """Bring an existing schema up to date, whatever the engine."""
    current = await database.schema(_current)
    if current is not None:
        _refuse_newer(current)
    if current == head():
        say(f"The schema is up to date ({current}).")
        return
    if current is not None and isinstance(database, SqliteDatabase):
        say(f"A copy was kept at {await database.schema(lambda _: _copy(database.path, current))}.")
    await database.schema(_upgrade)
    say(f"The schema went from {current or 'nothing'} to {head()}.")


def _current(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(current: str) -> None:
    if not is_known(current):
        problem = f"DATABASE_URL: this database was made by a newer version of Bridge ({current})."
        raise SettingsError([f"{problem} Run that version."])


def _upgrade(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE_YOUR_TIME)
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if _current(connection) == head():
            return  # another node was first
    command.upgrade(_config(connection), "head")
    meta = sa.table("meta", sa.column("key"), sa.column("value"))
    if not connection.execute(sa.select(meta.c.key).where(meta.c.key == "feed_id")).first():
        # A restored copy gets another one, so that pages know that their cursors mean nothing here.
        connection.execute(meta.insert().values(key="feed_id", value=secrets.token_hex(4)))


def _copy(path: Path, revision: str) -> Path:
    """A consistent copy of an SQLite file beside it, named after its revision and time."""
    target = path.with_name(f"{path.stem}-{revision}-{now_ms()}{path.suffix}")
    with sqlite3.connect(path) as source:
        source.execute("VACUUM INTO ?", (str(target),))
    source.close()
    return target
