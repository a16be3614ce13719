"""Procedures: statements that the engine runs for each row of a list, all in one call.

A statement of its own costs a round trip on PostgreSQL, and on SQLite a turn at the interpreter,
which a busy event loop gives away slowly. The hot writes are a dozen statements each; as one call
they cost little more than one of them (ADR 14), and one that commits with it (ADR 15).

Both engines can do it, each in its way: PostgreSQL with a temporary function, SQLite with a
temporary trigger on a view that holds nothing. Temporary, so that they are always those of this
very code: each connection makes them at its first call.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from bridge.store.engine import Call, EngineName, Tx, spelled_for

Kind = Literal["uuid", "int", "bigint", "text"]


@dataclass(frozen=True, slots=True)
class SkipIf:
    """The steps that follow are left out for a row of which this is true."""

    condition: str


@dataclass(frozen=True, slots=True)
class Once:
    """A statement for all rows together, `{rows}`: ahead of the steps for each, or after them.

    PostgreSQL takes longer to begin a statement than to do it for one row more.
    """

    sql: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep rows of a table `t` from others until the commit, all at once before the first step.

    `{rows} join` finds them, and all nodes take them in the order `by`, or they would wait in a circle.
    A statement of PostgreSQL that waits for a row sees that row anew and everything else as it was
    before: so what is changed by what other tables say is held beforehand. On SQLite the transaction
    is the lock.

    `shared`: others may hold them so too, and change them; nobody may hold them whole (`{alone}`).
    """

    join: str
    by: str
    shared: bool = False


@dataclass(frozen=True, slots=True)
class HoldNames:
    """Keep the names in a column from others until the commit, where there may be no row yet to hold."""

    column: str


Step = str | SkipIf
Holding = Hold | HoldNames
_STEPS = str, SkipIf
_HOLDINGS = Hold, HoldNames


class Procedure:
    """Steps for each row in turn, and a query over all of them that says what came of it.

    In steps the columns of the row are `new.name`, in `Once` and in the `query` those of `r`, where
    `{rows}` is the whole list; everywhere `:now` is a time in Unix ms that the caller gives, `{now}` the
    database's clock. `{touched}` says whether the step before changed a row. `found` are the query's
    columns.
    """

    def __init__(
        self, name: str, /, *steps: Step | Once | Holding, found: str = "", query: str = "", **columns: Kind
    ) -> None:
        self.name = f"bridge_{name}"
        each = [index for index, step in enumerate(steps) if isinstance(step, _STEPS)] or [len(steps)]
        self._holds = [step for step in steps if isinstance(step, _HOLDINGS)]
        self._before = [step.sql for step in steps[: each[0]] if isinstance(step, Once)]
        self._steps = [step for step in steps if isinstance(step, _STEPS)]
        self._after = [step.sql for step in steps[each[-1] + 1 :] if isinstance(step, Once)]
        self._found = found
        self._query = query
        self._columns = columns
        asking = " ".join([query, *self._before, *self._after, *(_taking(hold) for hold in self._holds)])
        self._asked = [name for name in columns if re.search(rf"\br\.{name}\b", asking)]
        self._row: Any = namedtuple("Found", found)  # type: ignore[misc]  # its columns are data

    async def call(self, tx: Tx, rows: Sequence[Mapping[str, Any]], now: int) -> Sequence[Any]:
        """Run it over all rows, in their order; nothing happens for none."""
        if not rows:
            return ()
        (answer,) = await tx.call([Call(self, rows, now)])
        return [*map(self._row._make, orjson.loads(answer))] if answer else ()

    def values(self, row: Mapping[str, Any]) -> Sequence[Any]:
        """A row as the call on SQLite takes it, but for the time that comes last."""
        return [row.get(name) for name in self._columns]

    def keys(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """What holds and query must know of a row: reading the rest again would be dear on PostgreSQL."""
        return {name: row.get(name) for name in self._asked}

    def on_sqlite(self) -> list[str]:
        """What makes it on a connection to SQLite.

        A table for the rows; a view that does the steps for a row that is inserted; and a view by its own
        name that does all there is to do for the rows of the table.
        """
        names = (*self._columns, "p_now")
        made = [f"CREATE TEMP TABLE IF NOT EXISTS {self.name}_rows ({', '.join(names)})"]
        if self._steps:
            steps = "; ".join(map(self._on_sqlite, self._steps))
            made += sqlite_trigger(f"{self.name}_each", f"SELECT * FROM {self.name}_rows", steps)
        all_steps = [
            *map(self._once_on_sqlite, self._before),
            *(
                [f"INSERT INTO {self.name}_each SELECT * FROM {self.name}_rows ORDER BY rowid"]
                * bool(self._steps)
            ),
            *map(self._once_on_sqlite, self._after),
        ]
        return made + sqlite_trigger(self.name, "SELECT NULL", "; ".join(all_steps))

    def sqlite_fill(self) -> str:
        """What brings a row to the table, with the time as its last value."""
        marks = ", ".join("?" for _ in (*self._columns, "p_now"))
        return f"INSERT INTO {self.name}_rows VALUES ({marks})"

    def sqlite_found(self) -> str:
        """The query of its answer on SQLite, after the call; `?1` is the time. Empty where none is wanted."""
        if not self._query:
            return ""
        query = spelled_for("sqlite", self._query, rows=f"{self.name}_rows AS r").replace(":now", "?1")
        return f"SELECT json_group_array(json_array({self._found})) FROM ({query}) WHERE ?1 > 0"

    def on_postgresql(self) -> str:
        """What makes it on a connection to PostgreSQL."""
        rows = f"json_to_recordset(p_rows) AS r({self._typed(self._columns)})"
        keys = f"json_to_recordset(p_keys) AS r({self._typed(self._asked)})"
        steps = "\n".join(map(self._on_postgresql, self._steps))
        lines = [
            *(f"PERFORM {_taking(hold).format(keys=keys)};" for hold in self._holds),
            *(self._once_on_postgresql(sql, keys) for sql in self._before),
            f"FOR new IN SELECT * FROM {rows} LOOP\n{steps}\nEND LOOP;" if steps else "",
            *(self._once_on_postgresql(sql, keys) for sql in self._after),
        ]
        query = spelled_for("postgresql", self._query, rows=keys).replace(":now", "p_now")
        answer = f"(SELECT json_agg(json_build_array({self._found}))::text FROM ({query}) AS found)"
        return (
            f"CREATE OR REPLACE FUNCTION pg_temp.{self.name}(p_rows json, p_keys json, p_now bigint) "
            "RETURNS text LANGUAGE plpgsql AS $procedure$\n#variable_conflict use_column\n"
            "DECLARE new record;\nBEGIN\n"
            + "\n".join(lines)
            + f"\nRETURN {answer if self._query else 'NULL'};\nEND $procedure$"
        )

    def _once_on_sqlite(self, sql: str) -> str:
        return self._spelled("sqlite", sql, f"(SELECT p_now FROM {self.name}_rows)", f"{self.name}_rows AS r")

    def _once_on_postgresql(self, sql: str, keys: str) -> str:
        return self._if_touched(
            sql, self._spelled("postgresql", sql.replace("{touched}", "true"), "p_now", keys)
        )

    def _on_sqlite(self, step: Step) -> str:
        sql = step if isinstance(step, str) else f"SELECT raise(IGNORE) WHERE {step.condition}"
        return self._spelled("sqlite", sql, "new.p_now")

    def _on_postgresql(self, step: Step) -> str:
        if isinstance(step, SkipIf):
            return self._spelled("postgresql", f"CONTINUE WHEN {step.condition};", "p_now")
        return self._if_touched(step, self._spelled("postgresql", step.replace("{touched}", "true"), "p_now"))

    @staticmethod
    def _if_touched(step: str, sql: str) -> str:
        """A statement that has nothing to do costs as much as one that has, but for a condition around it."""
        return f"IF found THEN {sql}; END IF;" if "{touched}" in step else f"{sql};"

    def _typed(self, names: Iterable[str]) -> str:
        return ", ".join(f"{name} {self._columns[name]}" for name in names)

    @staticmethod
    def _spelled(engine: EngineName, sql: str, now: str, rows: str = "") -> str:
        return spelled_for(engine, sql, rows=rows).replace(":now", now)


def sqlite_trigger(name: str, columns: str, steps: str) -> list[str]:
    """What makes a view, and a trigger of that name: its steps are what an insert into the view does."""
    return [
        f"CREATE TEMP VIEW IF NOT EXISTS {name} AS {columns}",
        f"CREATE TEMP TRIGGER IF NOT EXISTS {name}_row INSTEAD OF INSERT ON {name} BEGIN {steps}; END",
    ]


def _taking(hold: Holding) -> str:
    """What follows PERFORM to take it; `{keys}` are the rows."""
    if isinstance(hold, Hold):
        strength = "KEY SHARE" if hold.shared else "NO KEY UPDATE"
        return f"1 FROM {{keys}} {hold.join} ORDER BY {hold.by} FOR {strength} OF t"
    name = f'r.{hold.column} COLLATE "C"'  # the order of Python
    names = f"SELECT DISTINCT {name} AS name FROM {{keys}} WHERE r.{hold.column} <> '' ORDER BY 1"
    return f"{holding_name('n.name')} FROM ({names}) AS n"


def holding_name(name: str) -> str:
    """PostgreSQL's expression that holds a name until the commit."""
    return f"pg_advisory_xact_lock(hashtextextended({name}, 0))"
