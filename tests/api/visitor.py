"""A visitor of the site, as their page talks to the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bridge.ids import new_id
from tests.api.house import House

Frame = dict[str, Any]


class Visitor:
    """One visitor with their token, and the page they talk through."""

    def __init__(self, client: aiohttp.ClientSession, visit: dict[str, Any]) -> None:
        self.client = client
        self.id: str = visit["visitor_id"]
        self.token: str = visit["token"]

    async def ask(self, method: str, path: str, expect: int = 200, **more: Any) -> Any:
        """The JSON of an answer under `/widget/`."""
        headers = {"Authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        async with self.client.request(method, f"/widget/{path}", headers=headers, **more) as response:
            assert response.status == expect, await response.text()
            return await response.json(content_type=None) if response.status != 204 else None

    async def write(self, text: str, expect: int = 201, **more: Any) -> Any:
        """Send a message."""
        body = {"client_id": new_id(), "text": text} | more
        return await self.ask("POST", "messages", expect, json=body)

    async def upload(self, content: bytes, name: str, mime: str) -> Any:
        """Upload a file."""
        given = {"params": {"name": name}, "headers": {"Content-Type": mime}}
        return await self.ask("POST", "files", 201, data=content, **given)

    async def thread(self) -> list[Any]:
        """The newest messages."""
        return list((await self.ask("GET", "messages"))["items"])

    @asynccontextmanager
    async def page(self, **more: Any) -> AsyncIterator[Tab]:
        """An open page that has said hello, and heard the newest."""
        async with self.client.ws_connect("/widget/socket", **more) as ws:
            await ws.send_json({"type": "hello", "token": self.token})
            tab = Tab(ws)
            tab.first = await tab.next("messages")
            while tab.first["more"] is None:  # news that committed while the newest were read
                tab.first = await tab.next("messages")
            yield tab


class Tab:
    """A page's end of the socket."""

    first: Frame

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def next(self, kind: str) -> Frame:
        """The next frame of a kind."""
        async with asyncio.timeout(10):
            while True:
                message = await self.ws.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, (message, self.ws.close_code)
                frame: Frame = message.json()
                if frame["type"] == kind:
                    return frame

    async def news(self, wanted: str) -> Any:
        """The next message with this text."""
        while True:
            for item in (await self.next("messages"))["items"]:
                if item["text"] == wanted:
                    return item

    async def say(self, **word: Any) -> None:
        """Tell the gateway something."""
        await self.ws.send_json(word)

    async def close_code(self) -> int | None:
        """Wait until the gateway hangs up."""
        async with asyncio.timeout(10):
            async for _ in self.ws:
                pass
        return self.ws.close_code


async def visit(home: House, token: str = "", *, origin: str = "", address: str = "") -> Visitor:
    """Come to the site, perhaps again. `address` is where a proxy says that the visitor is."""
    headers = {"Origin": origin or home.url} | ({"X-Forwarded-For": address} if address else {})
    client = home.client(**headers)
    async with client.post("/widget/session", json={"token": token} if token else {}) as response:
        assert response.status == 200, await response.text()
        return Visitor(client, await response.json())


async def eventually(look: Any, wanted: Any) -> None:
    """Wait until `look()` gives what is wanted."""
    found = None
    for _ in range(200):
        found = await look()
        if found == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{found!r} is not {wanted!r}")
