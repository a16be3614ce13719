"""A gateway to talk to over HTTP, on each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.api.house import House, house


@pytest.fixture
async def home(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """A gateway that runs."""
    async with house(database_url, tmp_path) as running:
        yield running


@pytest.fixture
async def anna(home: House) -> aiohttp.ClientSession:
    """An agent who has signed in."""
    return await home.agent("Anna")
