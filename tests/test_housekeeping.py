"""What is tidied: nothing that anybody needs, and nothing is left for ever."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.duty import Duty
from bridge.errors import Unavailable
from bridge.housekeeping import Housekeeper
from bridge.store import uploads
from bridge.store.engine import Database, connect
from bridge.store.files import Files, Stored
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
    keeping = asyncio.create_task(Housekeeper(database, files, Duty(database, "housekeeping", "me")).run())

    async def swept() -> bool:
        return not files.path(left.sha256).exists() and not half.exists()

    await until(swept)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert files.path(named.sha256).exists()
    assert files.path(fresh.sha256).exists()


async def test_folder_that_takes_no_file_is_said_to_be_unavailable(tmp_path: Path) -> None:
    """A full or a missing disk passes: whoever brings a file is asked to come again (F34)."""
    in_the_way = tmp_path / "files"
    in_the_way.touch()
    with pytest.raises(Unavailable):
        await put(Files(in_the_way), b"content")
