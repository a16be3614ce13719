"""PostgreSQL, through asyncpg: a pool of connections for one of many nodes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bridge.errors import SettingsError, Unavailable
from bridge.store.engine import PATIENCE, Call, Database, Ended, EngineName, Row, Spelled, Tx, Work, to_json
from bridge.store.failures import Contended, translate

T = TypeVar("T")

# How often work is done again that another transaction was in the way of.
_TRIES = 5

# Seconds that a transaction may take, with the wait for a connection.
_LIFETIME = PATIENCE + 5

# Connections. Of hot writes there are two for each line: one that works, and one that commits. Two more are
# for what is urgent, and for who looks again and again.
_POOL = 10
_HOT = 8

# Everything is found by key or read in the order of an index, from the batch on: statements are written
# in that order. The planner takes a batch for a hundred rows, and a table that is new for what it was when
# a statement was first prepared; left alone it reads whole tables or whole indexes, more of them each day.
_PLANNER = {
    "enable_hashjoin": "off", "enable_mergejoin": "off", "enable_material": "off", "enable_seqscan": "off",
    "join_collapse_limit": "1", "cpu_tuple_cost": "1", "random_page_cost": "1.1", "jit": "off",
}  # fmt: skip

# The connection itself is of no use any more: it was cut in the middle of something.
_BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError)
_ERRORS = (asyncpg.PostgresError, *_BROKEN)

# What a URL may say after its question mark, besides `sslmode`, which asyncpg calls `ssl`.
_OPTIONS = frozenset({"host", "port", "ssl", "target_session_attrs", "prepared_statement_cache_size"})
_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


@dataclass(slots=True, eq=False)
class _Connection:
    """An open connection, as SQLAlchemy and as asyncpg know it, and the procedures that it has."""

    core: AsyncConnection
    raw: Any
    procedures: set[str] = field(default_factory=set)


class _AsyncTx:
    """A `Tx` over a connection; its transaction ends with `until`."""

    engine: EngineName = "postgresql"

    def __init__(self, held: _Connection, until: AsyncExitStack) -> None:
        self._connection = held.core
        self._raw = held.raw
        self._procedures = held.procedures
        self._until = until

    async def begin(self) -> None:
        if not self._raw.is_in_transaction():
            await self._until.enter_async_context(self._raw.transaction())

    async def run(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> Sequence[Row]:
        result = await self._connection.execute(statement, params)
        return result.all() if result.returns_rows else ()

    async def count(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> int:
        return (await self._connection.execute(statement, params)).rowcount

    async def fetch(self, statement: Spelled, values: Sequence[Any]) -> Sequence[Any]:
        found = await self._raw.fetch(statement.sql, *values)
        return statement.rows(found, found[0].keys) if found else ()

    async def call(self, calls: Sequence[Call]) -> Sequence[str | None]:
        parts: list[str] = []
        values: list[Any] = []
        for procedure, rows, now in calls:
            if procedure.name not in self._procedures:
                await self._raw.execute(procedure.on_postgresql())
                self._procedures.add(procedure.name)
            at = len(values) + 1
            parts.append(f"pg_temp.{procedure.name}(${at}, ${at + 1}, ${at + 2})")
            values += [to_json(rows), to_json([procedure.keys(row) for row in rows]), now]
        return tuple(await self._raw.fetchrow(f"SELECT {', '.join(parts)}", *values))


def _was_cancelled(error: BaseException) -> bool:
    """Whether work was given up; a roll-back that fails on a half-done statement hides it."""
    return isinstance(error, asyncio.CancelledError) or isinstance(error.__context__, asyncio.CancelledError)


def _for_asyncpg(url: URL) -> URL:
    """The URL as asyncpg takes it, libpq's `sslmode` included; `SettingsError` for other options."""
    given = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    unknown = sorted(given.keys() - _OPTIONS)
    if unknown or given.get("ssl", "prefer") not in _SSL_MODES:
        problem = f"DATABASE_URL: the option {', '.join(unknown) or 'sslmode'} is not one that Bridge takes."
        example = "DATABASE_URL=postgresql://bridge:secret@localhost:5432/bridge?sslmode=require"
        raise SettingsError([f"{problem} Example: {example}"])
    return url.set(drivername="postgresql+asyncpg", query=given)


async def _configure(raw: Any) -> None:
    """Ids travel as text, as everywhere else in Bridge; no transaction outlives those who wait for it."""
    await raw.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog", format="text")
    if raw.get_server_version() >= (17,):
        await raw.execute(f"SET transaction_timeout = {_LIFETIME * 1000:.0f}")


class _Pool:
    """Connections to one server, all of one event loop. What is frozen inside a transaction is cut off."""

    def __init__(self, url: URL, size: int) -> None:
        self._engine: AsyncEngine = create_async_engine(
            _for_asyncpg(url),
            poolclass=sa.NullPool, hide_parameters=True,
            # Transactions are asyncpg's own, so that statements of `run` and `fetch` are in the same one.
            isolation_level="AUTOCOMMIT",
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "application_name": "bridge",
                    "idle_in_transaction_session_timeout": "3000",
                    "lock_timeout": "3000",
                    "statement_timeout": "30000",
                    **_PLANNER,
                },
            },
        )  # fmt: skip
        sa.event.listen(self._engine.sync_engine, "connect", self._configure)
        self._places = asyncio.Semaphore(size)
        self._idle: list[_Connection] = []

    @staticmethod
    def _configure(connection: Any, _record: object) -> None:
        connection.run_async(_configure)

    async def read(self, work: Work[T]) -> T:
        """Do some work statement by statement: a transaction would double what travels for most of it."""
        return await self._run(work)

    async def write(self, work: Work[T]) -> T:
        """Do some work in a transaction, again if another one was in the way."""

        async def as_one(tx: Tx) -> T:
            await tx.begin()
            return await work(tx)

        return await self.hot(as_one)

    async def hot(self, work: Work[T]) -> T:
        """Do some work, again if another transaction was in the way."""
        for tries in range(_TRIES):
            try:
                return await self._run(work)
            except Contended:
                await asyncio.sleep(random.uniform(0, 0.02 * 2**tries))  # noqa: S311  # jitter, no secret
        raise Unavailable("The database is too busy")

    async def _run(self, work: Work[T]) -> T:
        with translate(*_ERRORS):
            async with asyncio.timeout(_LIFETIME), self._places:
                held = await self._take()
                try:
                    async with AsyncExitStack() as until:
                        result = await work(_AsyncTx(held, until))
                except BaseException as error:
                    await self._mend(held, error)
                    if _was_cancelled(error):
                        raise asyncio.CancelledError from error
                    raise
                self._idle.append(held)
                return result

    async def _take(self) -> _Connection:
        """A connection that is open: SQLAlchemy's own pool would cost more than most statements."""
        while self._idle:
            held = self._idle.pop()
            if not held.raw.is_closed():
                return held
            await held.core.close()
        connection = await self._engine.connect()
        return _Connection(connection, (await connection.get_raw_connection()).driver_connection)

    async def _mend(self, held: _Connection, error: BaseException) -> None:
        """Keep a connection after an error, if it can be used again."""
        held.procedures.clear()  # what was made in this transaction is gone
        if _was_cancelled(error) or isinstance(error, _BROKEN):
            held.raw.terminate()
            await held.core.invalidate()
        await held.core.rollback()  # what SQLAlchemy remembers of it
        if held.raw.is_closed():
            await held.core.close()
        else:
            self._idle.append(held)

    async def schema(self, change: Callable[[sa.Connection], T]) -> T:
        """Run a synchronous function on a connection in a transaction."""
        with translate(*_ERRORS):
            engine = self._engine.execution_options(isolation_level="READ COMMITTED")
            async with engine.begin() as connection:
                return await connection.run_sync(change)

    async def close(self) -> None:
        """Close the connections."""
        while self._idle:
            await self._idle.pop().core.close()
        await self._engine.dispose()


class PostgresDatabase(Database):
    """A pool for hot work, and one for everything else: a slow list must not keep messages out."""

    engine: EngineName = "postgresql"

    def __init__(self, url: URL) -> None:
        self._pool = _Pool(url, _POOL)
        self._hot_pool = _Pool(url, _HOT)
        self._begun: set[asyncio.Task[None]] = set()

    async def read(self, work: Work[T]) -> T:
        return await self._pool.read(work)

    async def peek(self, work: Work[T]) -> T:
        return await self._hot_pool.read(work)

    async def write(self, work: Work[T]) -> T:
        return await self._pool.write(work)

    async def urgent(self, work: Work[T]) -> T:
        return await self._hot_pool.write(work)

    def dispatch(self, work: Work[T], ended: Ended) -> None:
        task = asyncio.get_running_loop().create_task(self._hot(work, ended))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    async def _hot(self, work: Work[T], ended: Ended) -> None:
        try:
            result = await self._hot_pool.hot(work)
        except BaseException as error:  # noqa: BLE001  # whoever began it decides
            ended(None, error)
        else:
            ended(result, None)

    async def schema(self, change: Callable[[sa.Connection], T]) -> T:
        return await self._pool.schema(change)

    async def close(self) -> None:
        await asyncio.gather(*self._begun, return_exceptions=True)
        await self._hot_pool.close()
        await self._pool.close()
