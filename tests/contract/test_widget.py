"""The site chat: whose pages may show it, and who may read what was said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.bridges import Bridge
from tests.gateways import Desk

pytestmark = pytest.mark.asyncio(loop_scope="session")
SHOP, BLOG, EVIL = "https://shop.example.com", "https://blog.example.com", "https://evil.example"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """A gateway without vendors, whose chat stands on two sites."""
    folder: Path = tmp_path_factory.mktemp("widget")
    with Bridge(folder, {"WIDGET_ALLOWED_ORIGINS": f"{SHOP}, {BLOG}"}) as made:
        await asyncio.to_thread(made.start)
        yield made
        await asyncio.to_thread(made.stop)


@pytest_asyncio.fixture(loop_scope="session")
async def browser(open_house: Bridge) -> AsyncIterator[aiohttp.ClientSession]:
    """A visitor's browser."""
    async with aiohttp.ClientSession(open_house.url) as http:
        yield http


async def visit(http: aiohttp.ClientSession, origin: str) -> dict[str, Any]:
    """A visitor's session."""
    async with http.post("/widget/session", json={}, headers={"Origin": origin}) as answer:
        assert answer.status == 200, await answer.text()
        made: dict[str, Any] = await answer.json()
        return made


async def test_own_pages_may_show_the_chat_without_a_setting(
    stranger: aiohttp.ClientSession, bridge: Bridge
) -> None:
    """The default is the public URL."""
    await visit(stranger, bridge.url)
    async with stranger.post("/widget/session", json={}, headers={"Origin": SHOP}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("origin", [SHOP, BLOG])
async def test_allowed_sites_may_show_the_chat(browser: aiohttp.ClientSession, origin: str) -> None:
    """The setting is comma-separated; each site reads its answers."""
    visitor = await visit(browser, origin)
    headers = {"Origin": origin, "Authorization": f"Bearer {visitor['token']}"}
    body = {"client_id": "one", "text": "Ciao"}
    async with browser.post("/widget/messages", json=body, headers=headers) as answer:
        assert answer.status == 201
        assert answer.headers["Access-Control-Allow-Origin"] == origin
    async with browser.ws_connect("/widget/socket", headers={"Origin": origin}) as socket:
        await socket.send_json({"type": "hello", "token": visitor["token"]})
        assert "Ciao" in await socket.receive_str(timeout=30)


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "https://shop.example.com.evil.example", "http://shop.example.com"]
)
async def test_foreign_sites_may_not(browser: aiohttp.ClientSession, origin: str) -> None:
    """Neither by REST nor by WebSocket, where browsers would let them: refused at the handshake."""
    async with browser.post("/widget/session", json={}, headers={"Origin": origin}) as answer:
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await browser.ws_connect("/widget/socket", headers={"Origin": origin})
    assert refused.value.status == 403


async def test_visitors_id_alone_opens_nothing(browser: aiohttp.ClientSession) -> None:
    """The id is no secret; what shows that a page is this visitor's is the token."""
    visitor = await visit(browser, SHOP)
    forged = (visitor["visitor_id"], f"{visitor['visitor_id']}.", f"{visitor['visitor_id']}.{'0' * 43}", "")
    for token in forged:
        headers = {"Origin": SHOP, "Authorization": f"Bearer {token}"}
        async with browser.get("/widget/messages", headers=headers) as answer:
            assert answer.status == 401
        async with browser.ws_connect("/widget/socket", headers={"Origin": SHOP}) as socket:
            await socket.send_json({"type": "hello", "token": token})
            closed = await socket.receive(timeout=30)
            assert closed.type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 4401


async def test_visitor_reads_replies_and_never_notes(
    stranger: aiohttp.ClientSession, desk: Desk, bridge: Bridge
) -> None:
    """There is nobody to hand it to: sent at the commit, delivered when the page says so."""
    visitor = await visit(stranger, bridge.url)
    headers = {"Origin": bridge.url, "Authorization": f"Bearer {visitor['token']}"}
    body = {"client_id": "one", "text": "C'è qualcuno?"}
    async with stranger.post("/widget/messages", json=body, headers=headers) as answer:
        assert answer.status == 201
    async with stranger.post("/widget/messages", json=body, headers=headers) as answer:
        assert answer.status == 200
    (item,) = (await desk.get("/api/conversations", channel="webchat"))["items"]
    await desk.reply(item["id"], "not for visitors", kind="note")
    reply = await desk.reply(item["id"], "Eccoci")
    assert reply["status"] == "sent"
    async with stranger.get("/widget/messages", headers=headers) as answer:
        shown = (await answer.json())["items"]
    assert [(message["text"], message["mine"]) for message in shown] == [
        ("C'è qualcuno?", True),
        ("Eccoci", False),
    ]
    async with stranger.post("/widget/ack", json={"seq": shown[-1]["seq"]}, headers=headers) as answer:
        assert answer.status == 204
    await desk.becomes(reply, "delivered", "read")


async def test_script_and_plain_page_are_there_for_everybody(stranger: aiohttp.ClientSession) -> None:
    """One tag is all that a site needs; the page with it has no form before the chat."""
    async with stranger.get("/widget.js") as answer:
        assert answer.status == 200
        assert "javascript" in answer.content_type
    async with stranger.get("/widget/demo") as answer:
        page = await answer.text()
        assert answer.status == 200
    assert "widget.js" in page
    assert "<form" not in page
