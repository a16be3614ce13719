"""The live feed: everything that changes, in order, also after an absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from bridge.api.live import LIVE
from bridge.ids import new_id, now_ms
from bridge.store import changes, channels, tokens
from bridge.store.tables import agents
from bridge.store.tables import changes as change_table
from tests.api.house import House, get, send


class Page:
    """An open inbox: reads frames until the one that is waited for."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.cursor = ""
        self.seen: list[dict[str, Any]] = []

    async def next(self, *kinds: str) -> dict[str, Any]:
        """The next frame of these kinds, others are kept in `seen`."""
        async with asyncio.timeout(10):
            while True:
                message = await self.ws.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, (message, self.ws.close_code)
                frame: dict[str, Any] = message.json()
                self.seen.append(frame)
                self.cursor = frame.get("cursor", self.cursor)
                if frame["type"] in kinds:
                    return frame

    async def next_presence(self, agents: int) -> dict[str, Any]:
        """The next picture with so many agents."""
        while True:
            frame = await self.next("presence")
            if len(frame["agents"]) == agents:
                return frame

    async def close_code(self) -> int | None:
        """Wait until the gateway hangs up."""
        async with asyncio.timeout(10):
            async for _ in self.ws:
                pass
        return self.ws.close_code

    async def say(self, **word: Any) -> None:
        """Tell the gateway something."""
        await self.ws.send_json(word)


@asynccontextmanager
async def opened(client: aiohttp.ClientSession, cursor: str = "", **more: Any) -> AsyncIterator[Page]:
    """An inbox that has been greeted or told to load anew."""
    query = {"cursor": cursor} if cursor else {}
    async with client.ws_connect("/api/live", params=query, **more) as ws:
        yield Page(ws)


async def test_new_message_is_told_with_its_conversation(home: House, anna: aiohttp.ClientSession) -> None:
    """One frame has all that the list and the thread show, as REST would say it."""
    async with opened(anna) as page:
        hello = await page.next("hello")
        assert hello["cursor"]
        await home.write("ciao")
        frame = await page.next("message")
    conversation_id = frame["conversation"]["id"]
    (message,) = (await get(anna, f"/api/conversations/{conversation_id}/messages"))["items"]
    (conversation,) = (await get(anna, "/api/conversations"))["items"]
    assert frame["message"] == message
    assert frame["conversation"] == conversation
    assert frame["cursor"] != hello["cursor"]


async def test_what_colleagues_do_is_told(home: House, anna: aiohttp.ClientSession) -> None:
    """Assigning, resolving, renaming, replying: each at once on every other screen."""
    await home.write("ciao")
    (item,) = (await get(anna, "/api/conversations"))["items"]
    path, me = f"/api/conversations/{item['id']}", await get(anna, "/api/me")
    async with opened(await home.agent("Bea")) as page:
        await page.next("hello")
        await send(anna, "PATCH", path, {"assignee_id": me["id"]})
        assert (await page.next("activity"))["activity"]["kind"] == "assigned"
        await send(anna, "POST", f"{path}/messages", {"text": "Salve", "client_id": "1"}, expect=201)
        assert (await page.next("message"))["message"]["author"]["name"] == "Anna"
        await send(anna, "PATCH", f"/api/contacts/{item['contact']['id']}", {"name": "Giulia B."})
        assert (await page.next("contact"))["contact"]["name"] == "Giulia B."
        assert (await page.next("conversation"))["conversation"]["contact"]["name"] == "Giulia B."
        await home.database.write(lambda tx: channels.say_state(tx, home.channel, "down", "on fire"))
        home.context.bus.ring("changes")
        frame = await page.next("channels")
    assert {channel["type"]: channel["state"] for channel in frame["channels"]} == {
        "post": "down",
        "webchat": "up",
    }


async def test_reconnect_misses_nothing(home: House, anna: aiohttp.ClientSession) -> None:
    """Whatever happened while the page was away comes first, in order, and then what follows."""
    async with opened(anna) as page:
        await page.next("hello")
        await home.write("1")
        await page.next("message")
    for number in range(2, 6):
        await home.write(str(number))
    async with opened(anna, page.cursor) as back:
        assert (await back.next("hello"))["cursor"] == page.cursor
        texts = [(await back.next("message"))["message"]["text"] for _ in range(4)]
        await home.write("6")
        texts.append((await back.next("message"))["message"]["text"])
    assert texts == ["2", "3", "4", "5", "6"]


async def test_each_frame_once_in_order_under_load(home: House, anna: aiohttp.ClientSession) -> None:
    """Many writers, pages that come and go with their cursors: the union has no gap."""
    total, cursor = 60, ""
    seen: list[str] = []
    async with opened(anna) as steady:
        await steady.next("hello")
        writing = asyncio.gather(*(home.write(str(n), f"customer-{n % 9}") for n in range(total)))
        while len(set(seen)) < total:
            async with opened(anna, cursor or steady.cursor) as page:
                for _ in range(7):
                    if len(set(seen)) == total:
                        break
                    seen.append((await page.next("message"))["message"]["id"])
                    cursor = page.cursor
        await writing
        steadily = [(await steady.next("message"))["message"] for _ in range(total)]
    assert len(seen) == total, "frames came twice without a reason"
    assert {message["id"] for message in steadily} == set(seen)
    for conversation in {message["conversation_id"] for message in steadily}:
        seqs = [one["seq"] for one in steadily if one["conversation_id"] == conversation]
        assert seqs == sorted(seqs)


async def test_cursor_of_another_feed_loads_anew(anna: aiohttp.ClientSession) -> None:
    """After a restore, or with nonsense, the page is told to load its state, and where to go on."""
    for cursor in ["x", "1-2-3", "deadbeef-0-1", "-", "é", "a" * 500]:
        async with opened(anna, cursor) as page:
            assert (await page.next("hello", "reset"))["type"] == "reset"
            assert page.cursor != cursor


async def test_cursor_from_before_the_pruning_loads_anew(home: House, anna: aiohttp.ClientSession) -> None:
    """Three days are kept: who was away longer is told so, and not left with a gap."""
    async with opened(anna) as page:
        await page.next("hello")
        old = page.cursor
        await home.write("1")
        await page.next("message")
        recent = page.cursor
    age = sa.update(change_table).values(at=now_ms() - changes.KEPT_MS - 1000)
    await home.database.write(lambda tx: tx.run(age))
    assert await home.database.write(changes.prune) >= 1
    assert await home.database.write(changes.prune) == 0
    await home.write("2")
    async with opened(anna, old) as page:
        await page.next("reset")
    async with opened(anna, recent) as page:
        await page.next("hello")
        assert (await page.next("message"))["message"]["text"] == "2"


async def test_cursor_from_the_future_loads_anew(home: House, anna: aiohttp.ClientSession) -> None:
    """An older copy of the database put back by hand must not leave pages waiting for ever."""
    async with opened(anna) as page:
        await page.next("hello")
        feed, xid, pos = page.cursor.split("-")
    async with opened(anna, f"{feed}-{int(xid, 16) + 10**9:x}-{int(pos, 16) + 10**9:x}") as page:
        assert (await page.next("hello", "reset"))["type"] == "reset"


async def test_who_is_here_and_what_they_look_at(home: House, anna: aiohttp.ClientSession) -> None:
    """Colleagues see each other come, look at a conversation, type, and go."""
    await home.write("ciao")
    (item,) = (await get(anna, "/api/conversations"))["items"]
    async with opened(anna) as page:
        await page.next("hello")
        assert [one["name"] for one in (await page.next("presence"))["agents"]] == ["Anna"]
        bea = await home.agent("Bea")
        async with opened(bea) as other:
            await other.next("presence")
            presence = await page.next_presence(2)
            names = {one["name"]: one["id"] for one in presence["agents"]}
            assert sorted(names) == ["Anna", "Bea"]
            await other.say(type="viewing", conversation_id=item["id"])
            assert (await page.next_presence(2))["viewing"] == {item["id"]: [names["Bea"]]}
            await other.say(type="typing", conversation_id=item["id"])
            typing = await page.next("typing")
            assert typing["who"] == {"id": names["Bea"], "name": "Bea", "kind": "agent"}
            assert typing["conversation_id"] == item["id"]
            online = {one["name"]: one["online"] for one in (await get(anna, "/api/agents"))["items"]}
            assert online == {"Anna": True, "Bea": True}
        assert (await page.next_presence(1))["viewing"] == {}


async def test_nonsense_from_a_page_is_no_matter(home: House, anna: aiohttp.ClientSession) -> None:
    """A newer page may say more than this gateway understands."""
    async with opened(anna) as page:
        await page.next("hello")
        for word in (
            "",
            "{",
            "[]",
            '{"type": 1}',
            '{"type":"dance"}',
            '{"type":"viewing","conversation_id":"x"}',
        ):
            await page.ws.send_str(word)
        await page.ws.send_bytes(b"\x00")
        await page.say(type="typing", conversation_id=new_id())
        await home.write("still here")
        assert (await page.next("message"))["message"]["text"] == "still here"


async def test_page_of_another_site_gets_no_socket(anna: aiohttp.ClientSession) -> None:
    """WebSockets know no same-origin rule: without this check any site could read the inbox."""
    for origin in ("https://evil.example", "null"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await anna.ws_connect("/api/live", headers={"Origin": origin})
        assert refused.value.status == 403


async def test_socket_without_a_session(home: House) -> None:
    """A browser learns it by the close code, since it cannot see the status of a handshake."""
    async with opened(home.client()) as page:
        assert await page.close_code() == 4401
    async with aiohttp.ClientSession(home.url) as script:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await script.ws_connect("/api/live")
        assert refused.value.status == 401


async def test_signing_out_closes_the_sessions_sockets(home: House, anna: aiohttp.ClientSession) -> None:
    """Only of this session: the same agent's other browser stays."""
    other = await home.sign_in("Anna")
    async with opened(anna) as page, opened(other) as stays:
        await page.next("hello")
        await stays.next("hello")
        await send(anna, "DELETE", "/api/session", expect=204)
        assert await page.close_code() == 4401
        await home.write("ciao")
        await stays.next("message")


async def test_token_opens_a_socket_too(home: House) -> None:
    """Programs follow the feed as pages do."""
    agent = await home.add_agent("Robot")
    token = await home.database.write(lambda tx: tokens.issue(tx, "api", agent.id))
    async with opened(home.client(Authorization=f"Bearer {token}")) as page:
        await page.next("hello")
        await home.write("ciao")
        await page.next("message")


async def test_session_that_ended_elsewhere_is_noticed(home: House, anna: aiohttp.ClientSession) -> None:
    """On another node, by time, by the command line: its sockets are closed at the next look."""
    async with opened(anna) as page:
        await page.next("hello")
        await home.database.write(lambda tx: tx.run(sa.update(agents).values(disabled_at=now_ms())))
        await home.app[LIVE].check_sessions()
        assert await page.close_code() == 4401


async def test_page_that_does_not_read_is_closed_and_resumes(
    home: House, anna: aiohttp.ClientSession
) -> None:
    """One sleeping laptop must not fill the gateway's memory, and misses nothing when it wakes."""
    (cookie,) = [one.value for one in anna.cookie_jar if one.key == "bridge_session"]
    reader, writer = await asyncio.open_connection("127.0.0.1", home.context.settings.port, limit=1024)
    writer.write(
        f"GET /api/live HTTP/1.1\r\nHost: x\r\nCookie: bridge_session={cookie}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "\r\n".encode()
    )
    assert b"101" in await reader.readline()
    async with opened(anna) as page:
        await page.next("hello")
    word = {"conversation_id": new_id(), "who": {"id": new_id(), "name": "x" * 20_000, "kind": "customer"}}
    async with asyncio.timeout(30):
        while home.app[LIVE].sockets:
            home.context.bus.tell("typing", word)
            await asyncio.sleep(0)
    writer.close()
    await home.write("meanwhile")
    async with opened(anna, page.cursor) as awake:
        assert (await awake.next("message"))["message"]["text"] == "meanwhile"


async def test_shutdown_sends_pages_elsewhere(home: House, anna: aiohttp.ClientSession) -> None:
    """Pages come back by themselves, so the process need not wait for them."""
    async with opened(anna) as page:
        await page.next("hello")
        stopping = asyncio.create_task(home.stop())
        assert await page.close_code() == aiohttp.WSCloseCode.GOING_AWAY
        await stopping
