"""Procedures: the same steps, in one call, on either engine."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest

from bridge.store.engine import Database, Tx, connect
from bridge.store.failures import BadData
from bridge.store.procedure import Procedure, SkipIf
from bridge.store.tables import meta
from bridge.store.writer import Writer
from tests.store.test_inbound import rows

_NOTE = Procedure(
    "note",
    """INSERT INTO meta (key, value) VALUES (new.key, new.value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.value <> excluded.value""",
    "INSERT INTO meta (key, value) SELECT 'touched ' || new.key, 'yes' WHERE {touched}",
    SkipIf("new.short = 1"),
    "INSERT INTO meta (key, value) VALUES ('long ' || new.key, 'yes')",
    found="key, value",
    query="SELECT r.key, m.value FROM {rows} JOIN meta m ON m.key = r.key WHERE :now = 7 ORDER BY r.key",
    key="text", value="text", short="int",
)  # fmt: skip


def note(key: str, value: str, *, short: bool = True) -> dict[str, Any]:
    """One row."""
    return {"key": key, "value": value, "short": int(short)}


async def noted(database: Database) -> dict[str, str]:
    """What the table holds of it."""
    return {row.key: row.value for row in await rows(database, meta) if "note" in row.key}


async def test_steps_are_done_for_each_row_in_turn(database: Database) -> None:
    """A row sees what the one before did, and what follows a condition is left out where it holds."""
    given = [note("note a", "1"), note("note b", "2", short=False)]
    found = await database.write(lambda tx: _NOTE.call(tx, given, 7))
    assert [(row.key, row.value) for row in found] == [("note a", "1"), ("note b", "2")]
    assert await noted(database) == {
        "note a": "1", "touched note a": "yes", "note b": "2", "touched note b": "yes", "long note b": "yes",
    }  # fmt: skip


async def test_step_knows_whether_the_one_before_changed_something(database: Database) -> None:
    """What is as it should be is not written again."""
    await database.write(lambda tx: _NOTE.call(tx, [note("note a", "1")], 7))
    again = await database.write(lambda tx: _NOTE.call(tx, [note("note a", "1"), note("note b", "1")], 7))
    assert len(again) == 2
    assert [key for key in await noted(database) if key.startswith("touched")] == [
        "touched note a",
        "touched note b",
    ]


async def test_call_after_a_failed_transaction_finds_its_procedure_again(database: Database) -> None:
    """It was made in that transaction, and went with it."""

    async def fail(tx: Tx) -> None:
        await _NOTE.call(tx, [note("note a", "1")], 7)
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(fail)
    assert await noted(database) == {}
    found = await database.write(lambda tx: _NOTE.call(tx, [note("note a", "2")], 7))
    assert [row.value for row in found] == ["2"]


async def test_nothing_is_done_for_no_rows(database: Database) -> None:
    """A batch of other things costs no call."""
    assert await database.write(lambda tx: _NOTE.call(tx, [], 7)) == ()


@pytest.mark.parametrize("value", ["\ud800", 1 << 70])
async def test_what_cannot_be_stored_is_the_rows_fault(database: Database, value: Any) -> None:
    """So that its batch goes on without it."""
    with pytest.raises(BadData):
        await database.write(lambda tx: _NOTE.call(tx, [{"key": "note", "value": value, "short": 1}], 7))


async def _write(tx: Tx, keys: Sequence[str]) -> list[int]:
    return [len(await _NOTE.call(tx, [note(key, "1")], 7)) for key in keys]


async def test_hot_write_waits_for_another_process_without_halting_the_loop(sqlite_url: str) -> None:
    """A backup or an operator holds the file: a loop that waited for it would never see its end."""
    database = connect(sqlite_url)
    writer = Writer(database)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        await writer.write(_write, "note before")
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(writer.write(_write, "note after"))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not waiting.done()
        other.execute("ROLLBACK")
        assert await waiting == 1
    finally:
        other.close()
        await writer.close()
        await database.close()
