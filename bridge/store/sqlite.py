"""SQLite: one file, one thread that writes, and readers on snapshots of its write-ahead log."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL

from bridge.store.engine import Database, Ended, EngineName, Row, Spelled, Work
from bridge.store.failures import translate

T = TypeVar("T")

_PRAGMAS = (
    "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000",
    "cache_size=-32768", "temp_store=MEMORY", "trusted_schema=OFF",
    # In pages: a log of 40 MB. What changes often is copied back once for many commits.
    "wal_autocheckpoint=10000",
)  # fmt: skip


class _SyncTx:
    """A `Tx` over a synchronous connection: its coroutines never suspend."""

    engine: EngineName = "sqlite"

    def __init__(self, connection: sa.Connection, raw: sqlite3.Connection) -> None:
        self._connection = connection
        self._raw = raw

    async def run(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> Sequence[Row]:
        result = self._connection.execute(statement, params)
        return result.all() if result.returns_rows else ()

    async def count(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> int:
        return self._connection.execute(statement, params).rowcount

    async def fetch(self, statement: Spelled, values: Sequence[Any]) -> Sequence[Any]:
        cursor = self._raw.execute(statement.sql, values)
        if cursor.description is None:
            return ()
        return statement.rows(cursor.fetchall(), lambda: (column[0] for column in cursor.description))


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
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._read_threads = ThreadPoolExecutor(readers, thread_name_prefix="sqlite-read")
        self._local = threading.local()
        self._open: list[sa.Connection] = []

    @staticmethod
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    def _connection(self, *, writes: bool) -> sa.Connection:
        """This thread's connection, opened at its first use."""
        connection: sa.Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Transactions are begun and ended here, so that statements of `run` and `fetch` share them.
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if not writes:
                connection.exec_driver_sql("PRAGMA query_only=ON")
            self._local.connection = connection
            self._open.append(connection)
        return connection

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[tuple[sa.Connection, sqlite3.Connection]]:
        """A transaction on this thread's connection."""
        with translate(sqlite3.Error):
            connection = self._connection(writes=writes)
            raw: Any = connection.connection.driver_connection
            # A deferred transaction that reads and then writes fails at once with "database is locked",
            # whatever the time-out: who will write says so first.
            raw.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                yield connection, raw
                raw.execute("COMMIT")
            except BaseException:
                raw.rollback()
                raise

    def _work(self, work: Work[T], *, writes: bool) -> T:
        with self._transaction(writes=writes) as (connection, raw):
            return _finish(work(_SyncTx(connection, raw)))

    async def read(self, work: Work[T]) -> T:
        return await self._in(self._read_threads, lambda: self._work(work, writes=False))

    async def write(self, work: Work[T]) -> T:
        return await self._in(self._write_thread, lambda: self._work(work, writes=True))

    def begin(self, work: Work[T], ended: Ended) -> None:
        self._write_thread.submit(self._begin_now, work, ended, asyncio.get_running_loop())

    def _begin_now(self, work: Work[T], ended: Ended, loop: asyncio.AbstractEventLoop) -> None:
        try:
            result = self._work(work, writes=True)
        except BaseException as error:  # noqa: BLE001  # whoever began it decides
            loop.call_soon_threadsafe(ended, None, error)
        else:
            loop.call_soon_threadsafe(ended, result, None)

    async def schema(self, change: Callable[[sa.Connection], T]) -> T:
        def run() -> T:
            with self._transaction(writes=True) as (connection, _):
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
