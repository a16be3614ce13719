"""Procedures: the same steps, in one call, on either engine."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest

from bridge.store.engine import Database, Tx, Work, connect
from bridge.store.failures import BadData
from bridge.store.procedure import Once, Procedure, SkipIf
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
    return [int(found.value) for found in await _NOTE.call(tx, [note(key, "1") for key in keys], 7)]


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


_TOTAL = Procedure(
    "total",
    Once(
        """INSERT INTO meta (key, value) SELECT 'before ' || r.key, r.value FROM {rows}
        WHERE r.key <> 'note c'"""
    ),
    "INSERT INTO meta (key, value) SELECT new.key, value FROM meta WHERE key = 'before ' || new.key",
    Once(
        """INSERT INTO meta (key, value) SELECT 'after note', CAST(count(*) AS text) FROM {rows}
        JOIN meta m ON m.key = r.key WHERE :now = 7"""
    ),
    Once("INSERT INTO meta (key, value) SELECT 'touched note', 'yes' WHERE {touched}"),
    key="text", value="text",
)  # fmt: skip


async def test_what_is_done_once_is_done_for_all_rows_together(database: Database) -> None:
    """Ahead of the steps for each row, and after them."""
    given = [note("note a", "1"), note("note b", "2"), note("note c", "3")]
    await database.write(lambda tx: _TOTAL.call(tx, given, 7))
    assert await noted(database) == {
        "before note a": "1", "before note b": "2", "note a": "1", "note b": "2", "after note": "2",
        "touched note": "yes",
    }  # fmt: skip


async def _hot(database: Database, work: Work[Any]) -> Any:
    """Have hot work done, and wait for its end."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def ended(result: Any, error: BaseException | None) -> None:
        done.set_result(result) if error is None else done.set_exception(error)

    database.dispatch(work, ended)
    return await done


@pytest.mark.parametrize("begins", [False, True])
async def test_hot_call_commits_by_itself_unless_a_transaction_was_begun(
    database: Database, begins: bool
) -> None:
    """What fails after it takes it back only where it was told beforehand that more would follow."""

    async def fail(tx: Tx) -> None:
        if begins:
            await tx.begin()
        await _NOTE.call(tx, [note("note a", "1")], 7)
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            await _hot(database, fail)
        assert ("note a" in await noted(database)) is not begins


_NOTE_MORE = Procedure(
    "note_more",
    "INSERT INTO meta (key, value) VALUES (new.key, new.value)",
    found="value", query="SELECT r.value FROM {rows} JOIN meta m ON m.key = r.key WHERE :now = 8",
    key="text", value="text",
)  # fmt: skip


async def _write_more(tx: Tx, keys: Sequence[str]) -> list[str]:
    found = await _NOTE_MORE.call(tx, [note(key, "2") for key in keys], 8)
    return [row.value for row in found]


async def _write_nothing(_: Tx, keys: Sequence[str]) -> list[str]:
    return [key.upper() for key in keys]


async def test_kinds_of_jobs_that_share_a_batch_get_their_own_answers(database: Database) -> None:
    """Their calls are one statement, which both engines undo as one; a bad job costs the others nothing."""
    writer = Writer(database)
    results = await asyncio.gather(
        *(writer.write(_write, f"note a{number}") for number in range(3)),
        writer.write(_write, "note \ud800"),
        *(writer.write(_write_more, f"note b{number}") for number in range(3)),
        *(writer.write(_write_nothing, f"note c{number}") for number in range(3)),
        return_exceptions=True,
    )
    await writer.close()
    assert isinstance(results.pop(3), BadData)
    assert results == [1, 1, 1, "2", "2", "2", "NOTE C0", "NOTE C1", "NOTE C2"]
    kept = await noted(database)
    assert [key for key in sorted(kept) if key.startswith("note")] == [
        *(f"note a{number}" for number in range(3)),
        *(f"note b{number}" for number in range(3)),
    ]
