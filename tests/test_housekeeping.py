"""What is tidied: nothing that anybody needs, and nothing is left for ever."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bridge.duty import Duty
from bridge.errors import Unavailable
from bridge.housekeeping import Housekeeper
from bridge.ids import first_id, now_ms
from bridge.store import channels, uploads
from bridge.store.changes_log import note_changes
from bridge.store.engine import Database, Tx, connect
from bridge.store.files import Files, Stored
from bridge.store.tables import changes, events, receipts
from tests.gateways import until

TWO_DAYS = 2 * 24 * 3600


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database."""
    opened = connect(database_url)
    yield opened
    await opened.close()


async def put(files: Files, content: bytes) -> Stored:
    """Keep a file."""

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    return await files.put(chunks(), limit=1000)


def age(path: Path) -> Path:
    """Make a file two days old."""
    then = time.time() - TWO_DAYS
    os.utime(path, (then, then))
    return path


async def test_file_that_no_row_names_is_swept_after_a_day(database: Database, tmp_path: Path) -> None:
    """A crash leaves files without rows, and halves of files; each was somebody's, and none stays."""
    files = Files(tmp_path / "files")
    named, fresh, left = [await put(files, content) for content in (b"named", b"fresh", b"left")]
    await database.write(lambda tx: uploads.add(tx, named, owner="agent:1", name="a.txt"))
    half = tmp_path / "files" / "part-1"
    half.touch()
    for path in (files.path(named.sha256), files.path(left.sha256), half):
        age(path)

    async def swept() -> bool:
        return not files.path(left.sha256).exists() and not half.exists()

    async with kept_house(database, files):
        await until(swept)
    assert files.path(named.sha256).exists()
    assert files.path(fresh.sha256).exists()


async def test_what_is_old_is_forgotten_by_whoever_tidies(database: Database, tmp_path: Path) -> None:
    """Raw events, the keys of repeats, receipts and changes: each has its time."""
    channel = await database.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))
    ages = {"fresh": 0, "week": 8, "month": 31}
    values = [
        {"id": first_id(now_ms() - days * 24 * 3600 * 1000), "channel_id": channel, "key": key, "body": "{}",
         "received_at": 0} for key, days in ages.items()
    ]  # fmt: skip
    receipt = {"channel_id": channel, "external_id": "SM1", "rank": 1, "status": "sent", "at": 0}

    async def leave(tx: Tx) -> None:
        await tx.run(sa.insert(events).values(values))
        await tx.run(sa.insert(receipts).values(receipt))
        await note_changes(tx, [("channels", None, None)], 0)

    await database.write(leave)

    async def look() -> bool:
        found = await database.read(lambda tx: tx.run(sa.select(events.c.key, events.c.body)))
        others = [await database.read(lambda tx, t=t: tx.run(sa.select(t))) for t in (receipts, changes)]  # type: ignore[misc]  # read at once
        return {row.key: row.body for row in found} == {"fresh": "{}", "week": ""} and not any(others)

    async with kept_house(database, Files(tmp_path / "files")):
        await until(look)


@asynccontextmanager
async def kept_house(database: Database, files: Files) -> AsyncIterator[None]:
    """Somebody tidies."""
    duty = Duty(database, "housekeeping", "me")
    keeping = asyncio.create_task(Housekeeper(database, files, duty, raw_days=7).run())
    yield
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_folder_that_takes_no_file_is_said_to_be_unavailable(tmp_path: Path) -> None:
    """A full or a missing disk passes: whoever brings a file is asked to come again (F34)."""
    in_the_way = tmp_path / "files"
    in_the_way.touch()
    with pytest.raises(Unavailable):
        await put(Files(in_the_way), b"content")
