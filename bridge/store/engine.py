"""The two engines behind one transaction: SQLite on threads of ours (`sqlite.py`), PostgreSQL through
asyncpg (`postgresql.py`).

Work on the database is an `async` function of a `Tx`, written once:

    async def rename(tx: Tx) -> None:
        await tx.run(sa.update(contacts).where(...).values(...))

    await database.write(rename)

On SQLite such a function runs to its end in one go in a thread (nothing in it waits for anything
but its `Tx`, so it never suspends); hot work there, and all work on PostgreSQL, runs in the event
loop. It must await only its `Tx`.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from bridge.errors import SettingsError, Unavailable
from bridge.store.failures import BadData

EngineName = Literal["sqlite", "postgresql"]
T = TypeVar("T")
Row = sa.Row[Any]

# A database that answers nothing for so long is away: callers get `Unavailable` and ask again.
PATIENCE = 10.0


class Stored(Protocol):
    """What `Tx.call` must know of a procedure (`procedure.py`)."""

    name: str

    def values(self, row: Mapping[str, Any]) -> Sequence[Any]:
        """A row as the call on SQLite takes it, but for the time that comes last."""
        ...

    def keys(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """What must be known of a row again, on PostgreSQL, when all have been written."""
        ...

    def on_sqlite(self) -> Sequence[str]:
        """The statements that make it on a connection to SQLite."""
        ...

    def sqlite_fill(self) -> str:
        """The statement that brings a row to where the call on SQLite finds it."""
        ...

    def sqlite_found(self) -> str:
        """The query of its answer on SQLite."""
        ...

    def on_postgresql(self) -> str:
        """The statement that makes it on a connection to PostgreSQL."""
        ...


class Call(NamedTuple):
    """A procedure, the rows to run it over, and the time in Unix ms that it goes by."""

    procedure: Stored
    rows: Sequence[Mapping[str, Any]]
    now: int


class Tx(Protocol):
    """Statements in, rows out. What `write` runs is one transaction; see `begin` for hot work."""

    engine: EngineName

    async def begin(self) -> None:
        """Make one transaction of what follows, until the work is done.

        In hot work each call is a transaction by itself, unless it comes after this. In any other work,
        and a second time, it does nothing.
        """
        ...

    async def run(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Execute, and return all rows (none for a statement without `RETURNING`)."""
        ...

    async def count(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> int:
        """Execute a statement that returns nothing, and say how many rows it changed."""
        ...

    async def fetch(self, statement: Spelled, values: Sequence[Any]) -> Sequence[Any]:
        """Execute a statement in the engine's own words, past SQLAlchemy, and return all rows.

        For what runs at every message, where SQLAlchemy's part would be larger than the database's.
        """
        ...

    async def call(self, calls: Sequence[Call]) -> Sequence[str | None]:
        """Make calls, all in one statement; each answer is a JSON list, or nothing."""
        ...


class Spelled:
    """A statement in an engine's own words: parameters are numbers, and `names` says which is which."""

    def __init__(self, sql: str, names: tuple[str, ...]) -> None:
        self.sql = sql
        self.names = names
        self._make: Callable[[Any], Any] | None = None

    def rows(self, found: Sequence[Any], columns: Callable[[], Iterable[str]]) -> list[Any]:
        """The rows of an answer as named tuples; asks for their columns once."""
        if self._make is None:
            row: Any = namedtuple("Found", [*columns()], rename=True)  # type: ignore[misc]  # they are data
            self._make = row._make
        return [*map(self._make, found)]


Work = Callable[[Tx], Coroutine[Any, Any, T]]
Ended = Callable[[Any, BaseException | None], None]


class Database(ABC):
    """Where everything is kept. Errors of the engine arrive translated (`failures.py`)."""

    engine: EngineName

    @abstractmethod
    async def read(self, work: Work[T]) -> T:
        """Run `work`, which changes nothing. SQLite shows one moment to all, PostgreSQL to each statement."""

    @abstractmethod
    async def peek(self, work: Work[T]) -> T:
        """As `read`, for a few rows by their key, and not behind what others read.

        On SQLite it is done in the loop, where a thread would cost more. There nobody else has a turn
        meanwhile: who looks again and again must rest in between.
        """

    @abstractmethod
    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction and commit it; an exception rolls it back.

        It is run again where another transaction was in the way, and must bear that.
        """

    @abstractmethod
    async def urgent(self, work: Work[T]) -> T:
        """As `write`, for a few rows that cannot wait behind what others read: a lease runs out meanwhile."""

    @abstractmethod
    def dispatch(self, work: Work[T], ended: Ended) -> None:
        """Have hot `work` done as soon as can be, in the loop, which calls `ended(result, error)`.

        A call of it commits with its statement (`Tx.begin`). It is run again where another transaction
        was in the way.
        """

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
    except (sa.exc.ArgumentError, ValueError):
        raise SettingsError(
            ["DATABASE_URL: is not a URL. Example: DATABASE_URL=sqlite:///bridge.db"]
        ) from None
    family = parsed.get_backend_name()
    if family == "sqlite":
        from bridge.store.sqlite import SqliteDatabase

        return SqliteDatabase(Path(parsed.database or "bridge.db"))
    if family in ("postgresql", "postgres"):
        from bridge.store.postgresql import PostgresDatabase  # its drivers are 15 MB

        return PostgresDatabase(parsed)
    problem = f"DATABASE_URL: {family} is not a database Bridge knows. "
    raise SettingsError([problem + "Example: DATABASE_URL=postgresql://bridge:secret@localhost:5432/bridge"])


# ── Batches ─────────────────────────────────────────────────────────────────────────────────────

_WORDS: dict[EngineName, dict[str, str]] = {
    "sqlite": {
        # A whole number of milliseconds, but for what is lost in counting them in days.
        "now": "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
        "greatest": "max",
        "skip": "",
        "alone": "",
        "least": "min",
        "touched": "changes() > 0",
    },
    "postgresql": {
        "now": "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)",
        "greatest": "greatest",
        "skip": "FOR UPDATE SKIP LOCKED",
        "alone": "FOR UPDATE",
        "least": "least",
        "touched": "found",
    },
}


_MARKS: dict[EngineName, str] = {"sqlite": "?", "postgresql": "$"}
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")


def spelled_for(engine: EngineName, sql: str, **more: str) -> str:
    """A statement with the words of an engine in place of `{now}` and the like."""
    return sql.format(**_WORDS[engine], **more)


def to_json(value: Any) -> str:
    """`value` as JSON text; `BadData` for what JSON cannot say, such as a number of thirty digits."""
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise BadData("no JSON") from error


class Statement:
    """One statement in the words of both engines.

    `{now}` is the database's clock in Unix ms, `{greatest}` and `{least}` take two values.
    """

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._texts: dict[EngineName, sa.TextClause] = {}
        self._spelled: dict[EngineName, Spelled] = {}

    def _source(self, engine: EngineName) -> dict[str, str]:
        return _WORDS[engine]

    def text(self, engine: EngineName) -> sa.TextClause:
        """The statement for one engine."""
        if engine not in self._texts:
            self._texts[engine] = sa.text(self._sql.format(**self._source(engine)))
        return self._texts[engine]

    async def run(self, tx: Tx, **params: Any) -> Sequence[Any]:
        """Execute it once; rows are named tuples."""
        spelled = self._spelled.get(tx.engine) or self._spell(tx.engine)
        return await tx.fetch(spelled, [params[name] for name in spelled.names])

    def _spell(self, engine: EngineName) -> Spelled:
        sql = self._sql.format(**self._source(engine))
        names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
        numbered = _PARAMETER.sub(lambda match: f"{_MARKS[engine]}{names.index(match[1]) + 1}", sql)
        self._spelled[engine] = Spelled(numbered, names)
        return self._spelled[engine]


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

    async def run_all(self, tx: Tx, rows: Sequence[Mapping[str, Any]], **params: Any) -> Sequence[Any]:
        """Execute it over all rows at once; nothing happens for none."""
        if not rows:
            return ()
        return await self.run(tx, rows=to_json(rows), **params)


class Lock(Batch):
    """Holds rows until the commit, in the order of their key, so that nodes wait and never in a circle.

    A statement of PostgreSQL that waits for a row sees that row anew and everything else as it was
    before. So rows that are changed by what other tables say are locked by a statement of its own.
    """

    def __init__(self, table: str, key: str = "id") -> None:
        super().__init__(
            f"SELECT 1 FROM {{rows}} JOIN {table} t ON t.{key} = r.id ORDER BY t.{key} "
            "FOR NO KEY UPDATE OF t",
            id="uuid",
        )

    async def take(self, tx: Tx, ids: Iterable[str]) -> None:
        """Hold the rows with these keys; on SQLite the transaction is the lock."""
        if tx.engine == "postgresql":
            await self.run_all(tx, [{"id": each} for each in sorted(set(ids))])


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
