"""A database with its schema, on each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from bridge.store import channels, schema
from bridge.store.engine import Database, connect


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with an empty schema."""
    opened = connect(database_url)
    await schema.prepare(opened)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def channel(database: Database) -> int:
    """The row of a channel."""
    return await database.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))
