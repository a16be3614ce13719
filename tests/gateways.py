"""A whole gateway in this process, between stand-in vendors and an agent at the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from bridge import app as wiring
from bridge.api import routes
from bridge.ids import new_id
from bridge.sandbox.vendors import Vendors
from bridge.settings import Settings, read
from bridge.store import agents, tokens
from bridge.store.engine import Database
from tests.servers import free_port

Json = dict[str, Any]
T = TypeVar("T")


class Desk:
    """An agent's hands at the API of a running gateway."""

    def __init__(self, url: str, http: aiohttp.ClientSession, vendors: Vendors) -> None:
        self.url = url
        self.http = http
        self.vendors = vendors

    async def get(self, path: str, **params: Any) -> Json:
        """A GET that must succeed."""
        async with self.http.get(path, params=params) as answer:
            found: Json = await answer.json()
            assert answer.status == 200, found
            return found

    async def post(self, path: str, body: Json, status: tuple[int, ...] = (200, 201)) -> Json:
        """A POST that must end with one of the statuses."""
        async with self.http.post(path, json=body) as answer:
            found: Json = await answer.json()
            assert answer.status in status, found
            return found

    async def conversation(self, name: str) -> str:
        """The id of the conversation with the contact of this name, once it is there."""

        async def look() -> str | None:
            items = (await self.get("/api/conversations"))["items"]
            return next((item["id"] for item in items if item["contact"]["name"] == name), None)

        return await until(look)

    async def reply(self, conversation: str, text: str, **more: Any) -> Json:
        """A reply, accepted."""
        body = {"text": text, "client_id": new_id(), **more}
        return await self.post(f"/api/conversations/{conversation}/messages", body)

    async def messages(self, conversation: str) -> list[Json]:
        """All messages of a conversation."""
        items: list[Json] = (
            await self.get(f"/api/conversations/{conversation}/messages", after=0, limit=100)
        )["items"]
        return items

    async def message(self, conversation: str, message_id: str) -> Json:
        """One message as it is now."""
        return next(item for item in await self.messages(conversation) if item["id"] == message_id)

    async def becomes(self, reply: Json, *states: str, within: float = 30) -> Json:
        """The reply, once it is in one of these states."""

        async def look() -> Json | None:
            found = await self.message(reply["conversation_id"], reply["id"])
            return found if found["status"] in states else None

        return await until(look, within)


async def until(look: Callable[[], Awaitable[T | None]], within: float = 30) -> T:
    """What `look` finds, once it finds something."""
    async with asyncio.timeout(within):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    folder: Path, database_url: str, vendors: Vendors, patch: pytest.MonkeyPatch,
    settings: Mapping[str, str] | None = None, agent: str = "Anna",
) -> AsyncIterator[Desk]:  # fmt: skip
    """A gateway that serves on a free port, with Anna (or another new agent) at the desk."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **vendors.environment(), "DATABASE_URL": database_url, "BRIDGE_DATA_DIR": str(folder / "data"),
        "BRIDGE_PORT": str(port), "BRIDGE_PUBLIC_URL": url, "BRIDGE_SECRET": "s" * 40,
        "TELEGRAM_CHAT_RATE": "1000", "TELEGRAM_RATE": "1000", "TWILIO_RATE": "1000", **(settings or {}),
    }  # fmt: skip
    for name, value in environment.items():
        patch.setenv(name, value)
    gateway = await wiring.build(read(Settings))
    runner = web.AppRunner(routes.build(gateway.context), shutdown_timeout=1)
    await runner.setup()
    await gateway.start()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    vendors.serve_webhooks_of(url)
    token = await sign_up(gateway.database, agent)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with aiohttp.ClientSession(url, headers=headers) as http:
            yield Desk(url, http, vendors)
    finally:
        await runner.cleanup()
        await gateway.stop()


async def sign_up(database: Database, name: str = "Anna") -> str:
    """Make somebody an agent, straight in the database; their API token."""

    async def add(tx: Any) -> str:
        email = f"{name.lower()}@example.com"
        agent = await agents.add(tx, email=email, name=name, password_hash="", role="admin")
        return await tokens.issue(tx, "api", agent.id)

    return await database.write(add)
