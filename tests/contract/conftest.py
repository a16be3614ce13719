"""One gateway for all of these tests: a process, as its users run it, between stand-in vendors."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from bridge.sandbox.vendors import Vendors
from tests.bridges import FAST, Bridge
from tests.gateways import Desk, until
from tests.webhooks import WEBHOOK_MODE

EMAIL, PASSWORD = "anna@example.com", "correct horse battery staple"
_chats = itertools.count(1001)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vendors() -> AsyncIterator[Vendors]:
    """Telegram and Twilio."""
    async with Vendors(pace=0.01, known_only=False) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bridge(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """`bridge serve`, with settings from the environment only, in a folder that has none."""
    folder = tmp_path_factory.mktemp("contract") / "bridge"
    with Bridge(folder, {**vendors.environment(), **FAST, **WEBHOOK_MODE}) as made:
        vendors.serve_webhooks_of(made.url)
        await asyncio.to_thread(made.start)
        await until(lambda: _told(vendors, made))
        yield made
        await asyncio.to_thread(made.stop)


async def _told(vendors: Vendors, bridge: Bridge) -> bool:
    """Telegram knows where to call. It answers only while this loop runs, and no test need run in it next."""
    return bool(vendors.telegram.updates.info()["url"] == f"{bridge.url}/webhooks/telegram")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def token(bridge: Bridge) -> str:
    """Anna's, made by the command while the gateway serves."""
    command = ("agent", "add", EMAIL, "--name", "Anna", "--password-stdin", "--admin")
    added = await asyncio.to_thread(bridge.run, *command, stdin=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    made = await asyncio.to_thread(bridge.run, "agent", "token", EMAIL)
    assert made.returncode == 0, made.stderr
    return made.stdout.split()[-1]


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(bridge: Bridge) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody on the network whom nobody knows, with a cookie jar."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(bridge.url, cookie_jar=jar) as http:
        yield http


@pytest_asyncio.fixture(loop_scope="session")
async def desk(bridge: Bridge, token: str, vendors: Vendors) -> AsyncIterator[Desk]:
    """Anna, by her token."""
    async with aiohttp.ClientSession(bridge.url, headers={"Authorization": f"Bearer {token}"}) as http:
        yield Desk(bridge.url, http, vendors)


@pytest.fixture
def chat() -> int:
    """A Telegram chat, and the last four digits of a phone, that no other test has."""
    return next(_chats)
