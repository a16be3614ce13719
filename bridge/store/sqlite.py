"""SQLite: one file, one transaction at a time that writes, and readers on snapshots of its log."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine import URL

from bridge.store.engine import PATIENCE, Database, Ended, EngineName, Row, Spelled, Stored, Work
from bridge.store.failures import BadData, translate

T = TypeVar("T")

_PRAGMAS = (
    "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000",
    "cache_size=-32768", "temp_store=MEMORY", "trusted_schema=OFF",
    # In pages: a log of 40 MB. What changes often is copied back once for many commits.
    "wal_autocheckpoint=10000",
)  # fmt: skip

# It is in the loop that it would wait.
_NO_WAIT = "PRAGMA busy_timeout=0"

# By its name, how a procedure is called, and how its answer is read.
_Procedures = dict[str, tuple[str, str]]


class _SyncTx:
    """A `Tx` over a synchronous connection: its coroutines never suspend."""

    engine: EngineName = "sqlite"

    def __init__(self, connection: sa.Connection, raw: sqlite3.Connection, procedures: _Procedures) -> None:
        self._connection = connection
        self._raw = raw
        self._procedures = procedures

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

    async def call(self, procedure: Stored, rows: Sequence[Mapping[str, Any]], now: int) -> str | None:
        if procedure.name not in self._procedures:
            for statement in procedure.on_sqlite():
                self._raw.execute(statement)
            self._procedures[procedure.name] = procedure.sqlite_call(), procedure.sqlite_found()
        call, found = self._procedures[procedure.name]
        try:
            self._raw.executemany(call, [(*procedure.values(row), now) for row in rows])
        except (UnicodeEncodeError, OverflowError) as error:
            raise BadData("no text or number of SQLite") from error
        if not found:
            return None
        answer: str | None = self._raw.execute(found, (now,)).fetchone()[0]
        self._raw.execute(f"DELETE FROM {procedure.name}_rows")
        return answer


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
    """One connection that writes, and readers in threads beside it.

    A hot write runs in the event loop: it takes a millisecond or two, and handing its statements to a
    thread would cost more than they do (ADR 14). Threads do what may take long: wait for the disk at
    the commit, or for another process that writes, and all that is no hot write.
    """

    engine: EngineName = "sqlite"
    most_jobs = 64

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
        self._readers: list[sa.Connection] = []
        self._writer: sa.Connection | None = None
        self._turn = asyncio.Lock()
        self._writes: set[asyncio.Task[Any]] = set()

    @staticmethod
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    def _open(self) -> sa.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Transactions are begun and ended here, so that statements of `run` and `fetch` share them.
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    async def read(self, work: Work[T]) -> T:
        return await _in(self._read_threads, lambda: self._read(work))

    def _read(self, work: Work[T]) -> T:
        with translate(sqlite3.Error):
            connection: sa.Connection | None = getattr(self._local, "connection", None)
            if connection is None or connection.closed:
                connection = self._local.connection = self._open()
                connection.exec_driver_sql("PRAGMA query_only=ON")
                self._readers.append(connection)
            raw = _raw(connection)
            raw.execute("BEGIN")
            try:
                return _finish(work(_tx(connection)))
            finally:
                raw.rollback()

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    async def write(self, work: Work[T]) -> T:
        def job() -> T:
            return self._transaction(lambda connection: _finish(work(_tx(connection))))

        return await self._after_the_others(lambda: _in(self._write_thread, job))

    def begin(self, work: Work[T], ended: Ended) -> None:
        self._start(self._begin_hot(work, ended))

    async def _begin_hot(self, work: Work[T], ended: Ended) -> None:
        async with self._turn:
            try:
                result = await self._hot(work)
            except BaseException as error:  # noqa: BLE001  # whoever began it decides
                ended(None, error)
            else:
                ended(result, None)
            await asyncio.sleep(0)  # who waited for this answers before the next one takes the loop

    async def schema(self, change: Callable[[sa.Connection], T]) -> T:
        return await self._after_the_others(
            lambda: _in(self._write_thread, lambda: self._transaction(change))
        )

    async def _hot(self, work: Work[T]) -> T:
        """A transaction whose statements run here and now."""
        with translate(sqlite3.Error):
            writer = self._writer
            if writer is None:
                writer = await _in(self._write_thread, self._open_writer)
            if not self._begins(writer):
                await _in(self._write_thread, lambda: self._begin_patiently(writer))
            try:
                result = _finish(work(_tx(writer)))
                await _in(self._write_thread, lambda: _raw(writer).execute("COMMIT"))
            except BaseException:
                _undo(writer)
                raise
            return result

    def _transaction(self, work: Callable[[sa.Connection], T]) -> T:
        """A transaction in this thread."""
        with translate(sqlite3.Error):
            writer = self._writer or self._open_writer()
            self._begin_patiently(writer)
            try:
                result = work(writer)
                _raw(writer).execute("COMMIT")
            except BaseException:
                _undo(writer)
                raise
            return result

    def _open_writer(self) -> sa.Connection:
        self._writer = self._open()
        self._writer.exec_driver_sql(_NO_WAIT)
        return self._writer

    @staticmethod
    def _begins(writer: sa.Connection) -> bool:
        """Whether the file is ours to write: another process may be at it, a backup or an operator.

        A transaction that reads first and writes then would fail at once if another one wrote meanwhile.
        """
        try:
            _raw(writer).execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith("SQLITE_BUSY"):
                return False
            raise
        return True

    @staticmethod
    def _begin_patiently(writer: sa.Connection) -> None:
        raw = _raw(writer)
        raw.execute(f"PRAGMA busy_timeout={PATIENCE * 1000:.0f}")
        try:
            raw.execute("BEGIN IMMEDIATE")
        finally:
            raw.execute(_NO_WAIT)

    async def _after_the_others(self, job: Callable[[], Awaitable[T]]) -> T:
        """Do it when its turn has come, and to its end: no thread can be told that nobody waits any more."""
        return await asyncio.shield(self._start(self._next(job)))

    async def _next(self, job: Callable[[], Awaitable[T]]) -> T:
        async with self._turn:
            return await job()

    def _start(self, writing: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(writing)
        self._writes.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited may have gone

    async def close(self) -> None:
        await asyncio.gather(*self._writes, return_exceptions=True)
        for threads in (self._read_threads, self._write_thread):
            threads.shutdown(wait=True)
        for connection in (*self._readers, *([self._writer] if self._writer else [])):
            connection.close()
        self._engine.dispose()


async def _in(threads: ThreadPoolExecutor, job: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, job)


def _raw(connection: sa.Connection) -> sqlite3.Connection:
    raw: Any = connection.connection.driver_connection
    return cast("sqlite3.Connection", raw)


def _tx(connection: sa.Connection) -> _SyncTx:
    return _SyncTx(connection, _raw(connection), connection.info.setdefault("procedures", {}))


def _undo(writer: sa.Connection) -> None:
    _raw(writer).rollback()
    writer.info.pop("procedures", None)  # what was made in this transaction is gone
