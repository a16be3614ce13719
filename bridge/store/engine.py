"""The two engines behind one transaction: SQLite on threads of ours, PostgreSQL through asyncpg.

Work on the database is an `async` function of a `Tx`, written once:

    async def rename(tx: Tx) -> None:
        await tx.run(sa.update(contacts).where(...).values(...))

    await database.write(rename)

On SQLite such a function runs to its end in one thread (nothing in it waits for anything but its
`Tx`, so it never suspends); on PostgreSQL it runs in the event loop. It must await only its `Tx`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bridge.errors import SettingsError, Unavailable
from bridge.store.failures import translate

EngineName = Literal["sqlite", "postgresql"]
T = TypeVar("T")
Row = sa.Row[Any]

# A database that answers nothing for so long is away: callers get `Unavailable` and ask again.
PATIENCE = 10.0


class Tx(Protocol):
    """A transaction: statements in, rows out."""

    engine: EngineName

    async def run(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Execute, and return all rows (none for a statement without `RETURNING`)."""
        ...

    async def count(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> int:
        """Execute a statement that returns nothing, and say how many rows it changed."""
        ...


Work = Callable[[Tx], Coroutine[Any, Any, T]]


class Database(ABC):
    """Where everything is kept. Errors of the engine arrive translated (`failures.py`)."""

    engine: EngineName

    @abstractmethod
    async def read(self, work: Work[T]) -> T:
        """Run `work` on one snapshot; it changes nothing."""

    @abstractmethod
    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction and commit it; an exception rolls it back."""

    @abstractmethod
    async def schema(self, change: Callable[[sa.Connection], T]) -> T:
        """Run a synchronous function on a connection in a transaction: migrations."""

    @abstractmethod
    async def close(self) -> None:
        """Give back connections and threads."""


def connect(url: str) -> Database:
    """The database behind a URL; opens nothing yet. `SettingsError` for a URL of another kind."""
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise SettingsError(
            ["DATABASE_URL: is not a URL. Example: DATABASE_URL=sqlite:///bridge.db"]
        ) from None
    family = parsed.get_backend_name()
    if family == "sqlite":
        return SqliteDatabase(Path(parsed.database or "bridge.db"))
    if family in ("postgresql", "postgres"):
        return PostgresDatabase(parsed)
    problem = f"DATABASE_URL: {family} is not a database Bridge knows. "
    raise SettingsError([problem + "Example: DATABASE_URL=postgresql://bridge:secret@localhost:5432/bridge"])


# ── SQLite ──────────────────────────────────────────────────────────────────────────────────────

_PRAGMAS = (
    "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000",
    "cache_size=-32768", "temp_store=MEMORY", "trusted_schema=OFF",
)  # fmt: skip


class _SyncTx:
    """A `Tx` over a synchronous connection: its coroutines never suspend."""

    engine: EngineName = "sqlite"

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    async def run(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> Sequence[Row]:
        result = self._connection.execute(statement, params)
        return result.all() if result.returns_rows else ()

    async def count(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> int:
        return self._connection.execute(statement, params).rowcount


def _finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends to its end."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise RuntimeError("work on the database must await nothing but its Tx")


class SqliteDatabase(Database):
    """One writer thread with one connection; readers beside it, on WAL snapshots."""

    engine: EngineName = "sqlite"

    def __init__(self, path: Path, readers: int = 3) -> None:
        self.path = path
        self._engine = sa.create_engine(
            URL.create("sqlite", database=str(path)), poolclass=sa.NullPool, hide_parameters=True,
            connect_args={"check_same_thread": False, "isolation_level": None},
        )  # fmt: skip
        sa.event.listen(self._engine, "connect", self._configure)
        sa.event.listen(self._engine, "begin", self._begin)
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._read_threads = ThreadPoolExecutor(readers, thread_name_prefix="sqlite-read")
        self._local = threading.local()
        self._open: list[sa.Connection] = []

    @staticmethod
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @staticmethod
    def _begin(connection: sa.Connection) -> None:
        # A deferred transaction that reads and then writes fails at once with "database is locked",
        # whatever the time-out: who will write says so first.
        immediate = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    def _connection(self, *, writes: bool) -> sa.Connection:
        """This thread's connection, opened at its first use."""
        connection: sa.Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._engine.connect().execution_options(writes=writes)
            if not writes:
                connection.exec_driver_sql("PRAGMA query_only=ON")
                connection.rollback()
            self._local.connection = connection
            self._open.append(connection)
        return connection

    def _work(self, work: Work[T], *, writes: bool) -> T:
        with translate():
            connection = self._connection(writes=writes)
            with connection.begin():
                return _finish(work(_SyncTx(connection)))

    async def read(self, work: Work[T]) -> T:
        return await self._in(self._read_threads, lambda: self._work(work, writes=False))

    async def write(self, work: Work[T]) -> T:
        return await self._in(self._write_thread, lambda: self._work(work, writes=True))

    async def schema(self, change: Callable[[sa.Connection], T]) -> T:
        def run() -> T:
            connection = self._connection(writes=True)
            with translate(), connection.begin():
                return change(connection)

        return await self._in(self._write_thread, run)

    @staticmethod
    async def _in(threads: ThreadPoolExecutor, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, job)

    async def close(self) -> None:
        for threads in (self._read_threads, self._write_thread):
            threads.shutdown(wait=True)
        for connection in self._open:
            connection.close()
        self._engine.dispose()


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────


class _AsyncTx:
    """A `Tx` over an asyncpg connection."""

    engine: EngineName = "postgresql"

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def run(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> Sequence[Row]:
        result = await self._connection.execute(statement, params)
        return result.all() if result.returns_rows else ()

    async def count(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> int:
        return (await self._connection.execute(statement, params)).rowcount


class PostgresDatabase(Database):
    """A pool of connections. A node frozen inside a transaction is cut off, not waited for."""

    engine: EngineName = "postgresql"

    def __init__(self, url: URL, pool: int = 10) -> None:
        self._engine: AsyncEngine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=pool, max_overflow=0, pool_timeout=PATIENCE, pool_pre_ping=False, hide_parameters=True,
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "application_name": "bridge",
                    "idle_in_transaction_session_timeout": "3000",
                    "lock_timeout": "3000",
                    "statement_timeout": "30000",
                },
            },
        )  # fmt: skip
        sa.event.listen(self._engine.sync_engine, "connect", self._configure)

    @staticmethod
    def _configure(connection: Any, _record: object) -> None:
        """Ids travel as text, as everywhere else in Bridge."""
        connection.run_async(
            lambda raw: raw.set_type_codec(
                "uuid", encoder=str, decoder=str, schema="pg_catalog", format="text"
            )
        )

    async def _work(self, work: Work[T]) -> T:
        with translate():
            async with asyncio.timeout(PATIENCE + 5), self._engine.begin() as connection:
                return await work(_AsyncTx(connection))

    async def read(self, work: Work[T]) -> T:
        return await self._work(work)

    async def write(self, work: Work[T]) -> T:
        return await self._work(work)

    async def schema(self, change: Callable[[sa.Connection], T]) -> T:
        with translate():
            async with self._engine.begin() as connection:
                return await connection.run_sync(change)

    async def close(self) -> None:
        await self._engine.dispose()


# ── Batches ─────────────────────────────────────────────────────────────────────────────────────

_WORDS: dict[EngineName, dict[str, str]] = {
    "sqlite": {
        "now": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        "greatest": "max",
        "skip": "",
        "least": "min",
    },
    "postgresql": {
        "now": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
        "greatest": "greatest",
        "skip": "FOR UPDATE SKIP LOCKED",
        "least": "least",
    },
}


class Statement:
    """One statement in the words of both engines.

    `{now}` is the database's clock in Unix ms, `{greatest}` and `{least}` take two values.
    """

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._texts: dict[EngineName, sa.TextClause] = {}

    def _source(self, engine: EngineName) -> dict[str, str]:
        return _WORDS[engine]

    def text(self, engine: EngineName) -> sa.TextClause:
        """The statement for one engine."""
        if engine not in self._texts:
            self._texts[engine] = sa.text(self._sql.format(**self._source(engine)))
        return self._texts[engine]

    async def run(self, tx: Tx, **params: Any) -> Sequence[Row]:
        """Execute it once."""
        return await tx.run(self.text(tx.engine), params)


class Batch(Statement):
    """One statement over a list of rows, which travels as one JSON parameter.

    `{rows}` stands for a table with the named columns (`id="uuid"`, `seq="int"`, `text="text"`).
    SQLite reads it with `json_each`, PostgreSQL with `json_to_recordset`. Callers sort rows by
    key, so that all nodes lock in one order.
    """

    def __init__(self, sql: str, **columns: Literal["uuid", "int", "bigint", "text"]) -> None:
        super().__init__(sql)
        self._columns = columns

    def _source(self, engine: EngineName) -> dict[str, str]:
        if engine == "sqlite":
            picks = ", ".join(f"value->>'{name}' AS {name}" for name in self._columns)
            rows = f"(SELECT {picks} FROM json_each(:rows)) AS r"
        else:
            picks = ", ".join(f"{name} {kind}" for name, kind in self._columns.items())
            rows = f"json_to_recordset(CAST(:rows AS json)) AS r({picks})"
        return {**_WORDS[engine], "rows": rows}

    async def run_all(self, tx: Tx, rows: Sequence[Mapping[str, Any]], **params: Any) -> Sequence[Row]:
        """Execute it over all rows at once; nothing happens for none."""
        if not rows:
            return ()
        return await tx.run(self.text(tx.engine), {"rows": orjson.dumps(rows).decode(), **params})


async def wait_until_up(database: Database, say: Callable[[str], None]) -> None:
    """Return when the database answers; says once that it is waited for."""
    said = False
    while True:
        try:
            return await database.read(_ask)
        except Unavailable as error:
            if not said:
                say(f"waiting for the database: {error}")
            said = True
            await asyncio.sleep(0.5)


async def _ask(tx: Tx) -> None:
    await tx.run(sa.text("SELECT 1"))
