"""SQLite: one file, one transaction at a time that writes, and readers on snapshots of its log."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine import URL

from bridge.store.engine import PATIENCE, Call, Database, Ended, EngineName, Row, Spelled, Work
from bridge.store.failures import BadData, translate
from bridge.store.procedure import sqlite_trigger

T = TypeVar("T")

_PRAGMAS = (
    "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={PATIENCE * 1000:.0f}",
    "cache_size=-32768", "temp_store=MEMORY", "trusted_schema=OFF",
    # In pages: a log of 40 MB. What changes often is copied back once for many commits.
    "wal_autocheckpoint=10000",
)  # fmt: skip

# Before it reads anything: one that reads first and writes then fails at once if another process, a
# backup or an operator, wrote meanwhile.
_BEGIN = "BEGIN IMMEDIATE"


class _Procedures:
    """The procedures of one connection, made as they are called."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        # By its name: how a procedure gets a row, and how its answer is read.
        self._made: dict[str, tuple[str, str]] = {}
        self._together: set[str] = set()

    def fill(self, calls: Sequence[Call]) -> str:
        """Bring the rows of calls to where they are found, and return the statement that makes the calls."""
        for procedure, rows, now in calls:
            if procedure.name not in self._made:
                self._execute(procedure.on_sqlite())
                self._made[procedure.name] = procedure.sqlite_fill(), procedure.sqlite_found()
            fill, _ = self._made[procedure.name]
            self._raw.execute(f"DELETE FROM {procedure.name}_rows")  # of the last call
            try:
                self._raw.executemany(fill, [(*procedure.values(row), now) for row in rows])
            except (UnicodeEncodeError, OverflowError) as error:
                raise BadData("no text or number of SQLite") from error
        together = "_and_".join(_names(calls))
        if len(calls) > 1 and together not in self._together:
            # A statement of several is the trigger of one more view.
            inserts = "; ".join(f"INSERT INTO {name} VALUES (NULL)" for name in _names(calls))
            self._execute(sqlite_trigger(together, "SELECT NULL", inserts))
            self._together.add(together)
        return f"INSERT INTO {together} VALUES (NULL)"

    def answers(self, calls: Sequence[Call]) -> list[str | None]:
        """What came of them."""
        return [self._answer(call.procedure.name, call.now) for call in calls]

    def forget(self) -> None:
        """What was made in a transaction is gone with it."""
        self._made.clear()
        self._together.clear()

    def _answer(self, name: str, now: int) -> str | None:
        _, found = self._made[name]
        if not found:
            return None
        ((answer,),) = self._raw.execute(found, (now,)).fetchall()
        return cast("str", answer)

    def _execute(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._raw.execute(statement)


def _names(calls: Sequence[Call]) -> list[str]:
    return [call.procedure.name for call in calls]


class _SyncTx:
    """A `Tx` over a synchronous connection: its coroutines never suspend."""

    engine: EngineName = "sqlite"

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._raw = _raw(connection)
        self._procedures = _procedures(connection)

    async def begin(self) -> None:
        pass

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

    async def call(self, calls: Sequence[Call]) -> Sequence[str | None]:
        await self._execute(self._procedures.fill(calls))
        return self._procedures.answers(calls)

    async def _execute(self, statement: str) -> None:
        self._raw.execute(statement)


class _HotTx(_SyncTx):
    """A `Tx` in the event loop, whose calls and transactions are a thread's.

    A call is one statement that commits by itself, and the interpreter is free from its first row until
    it is on disk. The rows come there and the answers back in the loop: of these each row would have
    to wait for its turn at the interpreter.
    """

    def __init__(self, connection: sa.Connection, thread: ThreadPoolExecutor) -> None:
        super().__init__(connection)
        self._thread = thread

    async def begin(self) -> None:
        if not self._raw.in_transaction:
            await self._execute(_BEGIN)

    async def commit(self) -> None:
        """End the transaction, if one was begun."""
        if self._raw.in_transaction:
            await self._execute("COMMIT")

    async def undo(self) -> None:
        """Whatever the transaction has done; waits for what runs."""
        await _in(self._thread, lambda: _undo(self._connection))

    async def _execute(self, statement: str) -> None:
        await _in(self._thread, lambda: self._raw.execute(statement))


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

    Statements run in threads: one may wait for the disk, or for another process that writes. Of a hot
    write only the small ones around its call run in the event loop (ADR 15).
    """

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
        self._readers: list[sa.Connection] = []
        self._writer: sa.Connection | None = None
        self._turn = asyncio.Lock()
        self._writes: set[asyncio.Task[Any]] = set()

    @staticmethod
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        _keep_a_log(connection)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    def _open(self) -> sa.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Transactions are begun and ended here, so that statements of `run` and `fetch` share them.
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    async def read(self, work: Work[T]) -> T:
        return await _in(self._read_threads, lambda: self._read(work))

    async def peek(self, work: Work[T]) -> T:
        return self._read(work)

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
                return _finish(work(_SyncTx(connection)))
            finally:
                raw.rollback()

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    async def write(self, work: Work[T]) -> T:
        def job() -> T:
            return self._transaction(lambda connection: _finish(work(_SyncTx(connection))))

        return await self._after_the_others(lambda: _in(self._write_thread, job))

    async def urgent(self, work: Work[T]) -> T:
        return await self.write(work)

    def dispatch(self, work: Work[T], ended: Ended) -> None:
        self._start(self._hot(work, ended))

    async def _hot(self, work: Work[T], ended: Ended) -> None:
        result, problem = None, None
        async with self._turn:
            try:
                result = await self._in_loop(work)
            except BaseException as error:  # noqa: BLE001  # whoever began it decides
                problem = error
        # The next one has its turn before this one's answers are sent: the thread is not kept waiting.
        ended(result, problem)

    async def schema(self, change: Callable[[sa.Connection], T]) -> T:
        return await self._after_the_others(
            lambda: _in(self._write_thread, lambda: self._transaction(change))
        )

    async def _in_loop(self, work: Work[T]) -> T:
        """Hot work."""
        with translate(sqlite3.Error):
            writer = self._writer
            if writer is None:
                writer = await _in(self._write_thread, self._open_writer)
            tx = _HotTx(writer, self._write_thread)
            try:
                result = await work(tx)
                await tx.commit()
            except BaseException:
                await tx.undo()
                raise
            return result

    def _transaction(self, work: Callable[[sa.Connection], T]) -> T:
        """A transaction in this thread."""
        with translate(sqlite3.Error):
            writer = self._writer or self._open_writer()
            _raw(writer).execute(_BEGIN)
            try:
                result = work(writer)
                _raw(writer).execute("COMMIT")
            except BaseException:
                _undo(writer)
                raise
            return result

    def _open_writer(self) -> sa.Connection:
        self._writer = self._open()
        return self._writer

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


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Have the file write ahead. Of all statements only this one never waits for whoever has the file."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > give_up:
                raise
        time.sleep(0.01)


async def _in(threads: ThreadPoolExecutor, job: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, job)


def _raw(connection: sa.Connection) -> sqlite3.Connection:
    raw: Any = connection.connection.driver_connection
    return cast("sqlite3.Connection", raw)


def _procedures(connection: sa.Connection) -> _Procedures:
    made: _Procedures | None = connection.info.get("procedures")
    if made is None:
        made = connection.info["procedures"] = _Procedures(_raw(connection))
    return made


def _undo(writer: sa.Connection) -> None:
    _procedures(writer).forget()
    raw = _raw(writer)
    if raw.in_transaction:  # SQLite itself ends one that finds no room
        raw.rollback()
