"""The switch of the site chat, over an application that stands for the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bridge.sandbox.feed import Feed, Wire
from bridge.sandbox.site_chat import SiteChat

CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


@dataclass
class Site:
    """An application with the switch before it; `taken` are the messages that reached it."""

    http: TestClient[web.Request, web.Application]
    chat: SiteChat
    wire: Wire
    taken: list[str] = field(default_factory=list)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    wire = Wire(Feed(), size=100)
    chat = SiteChat(Feed(), wire)
    taken: list[str] = []

    async def message(request: web.Request) -> web.Response:
        taken.append(await request.text())
        return web.json_response({"token": "secret"}, status=201)

    async def socket(request: web.Request) -> web.WebSocketResponse:
        made = web.WebSocketResponse()
        await made.prepare(request)
        async for word in made:
            await made.send_str(str(word.data))
        return made

    async def other(_: web.Request) -> web.Response:
        return web.Response(text="fine")

    app = web.Application()
    app.add_routes([web.post("/widget/messages", message), web.get("/widget/socket", socket)])
    app.add_routes([web.get("/widget/demo", other), web.get("/api/me", other)])
    chat.attach(app)
    async with TestClient(TestServer(app)) as client:
        yield Site(client, chat, wire, taken)


async def test_all_is_well_without_the_switch(site: Site) -> None:
    """The switch costs nothing while it says OK, and the wire shows the calls."""
    async with site.http.ws_connect("/widget/socket") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str(timeout=10) == "hello"
    assert (await site.http.post("/widget/messages", data="ciao")).status == 201
    calls = [(entry["call"], entry["outcome"]) for entry in site.wire.entries()]
    assert calls == [("GET /widget/socket", "101"), ("POST /widget/messages", "201")]


async def test_wire_shows_what_was_said_and_no_token(site: Site) -> None:
    """A row of the wire opens: the visitor's words and the answer, and nothing that would let others in."""
    assert (await site.http.post("/widget/messages", json={"text": "ciao", "token": "secret"})).status == 201
    [entry] = site.wire.entries()
    assert entry["payload"] == {"request": {"text": "ciao", "token": "•••"}, "response": {"token": "•••"}}


async def test_down_cuts_sockets_and_calls_but_only_of_visitors(site: Site) -> None:
    """Agents go on working while the visitors' way is broken."""
    async with site.http.ws_connect("/widget/socket") as socket:
        await socket.send_str("hello")
        await socket.receive_str(timeout=10)
        await site.chat.turn("down")
        assert (await socket.receive(timeout=10)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    with pytest.raises(CUT):
        await site.http.post("/widget/messages", data="lost")
    assert site.taken == []
    for path in ("/api/me", "/widget/demo"):
        assert (await site.http.get(path)).status == 200


async def test_lost_answer_means_that_the_message_was_taken(site: Site) -> None:
    """The visitor's page must send it again with the same id, and find that it is there."""
    await site.chat.turn("lose")
    with pytest.raises(CUT):
        await site.http.post("/widget/messages", data="ciao")
    assert site.taken == ["ciao"]


async def test_refusals_say_when_to_come_back(site: Site) -> None:
    """429 and 5xx take nothing."""
    for mode, status in (("429", 429), ("5xx", 503)):
        await site.chat.turn(mode, retry_after=4)  # type: ignore[arg-type]  # a Mode, spelt in a list
        response = await site.http.post("/widget/messages", data="no")
        assert (response.status, response.headers["Retry-After"]) == (status, "4")
    assert site.taken == []
