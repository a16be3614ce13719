"""The visitor's socket: what happens reaches the page, and a page that comes back misses nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from bridge.api import widget_socket
from bridge.channels import webchat
from bridge.ids import now_ms
from bridge.store.changes_log import note_changes
from bridge.store.engine import Tx
from tests.api.house import House, get, house, send
from tests.api.test_live import opened
from tests.api.visitor import Tab, Visitor, eventually, visit

# Some of them are read together, the rest after them.
CROWD = widget_socket._AT_ONCE // 2 + 1


@pytest.fixture
async def elena(home: House) -> Visitor:
    """A visitor who has just come."""
    return await visit(home)


async def thread_of(anna: aiohttp.ClientSession) -> str:
    """The path of the only conversation."""
    (item,) = (await get(anna, "/api/conversations"))["items"]
    return f"/api/conversations/{item['id']}"


async def reply(anna: aiohttp.ClientSession, text: str) -> Any:
    """An agent answers the only conversation."""
    path = await thread_of(anna)
    return await send(anna, "POST", f"{path}/messages", {"text": text, "client_id": text}, 201)


async def test_a_reply_appears_by_itself(elena: Visitor, anna: aiohttp.ClientSession) -> None:
    """No question, no reload: the agent's words come to the open page."""
    await elena.write("Ciao")
    async with elena.page() as tab:
        assert [item["text"] for item in tab.first["items"]] == ["Ciao"]
        assert tab.first["more"] is False
        made = await reply(anna, "Ciao Elena")
        shown = await tab.news("Ciao Elena")
    assert (shown["id"], shown["author"], shown["mine"]) == (made["id"], "Anna", False)
    assert shown == (await elena.thread())[-1] | {"status": shown["status"]}


async def test_all_tabs_of_a_visitor_show_the_same(elena: Visitor) -> None:
    """What is written in one tab is in the other; somebody else's page hears nothing of it."""
    async with elena.page() as one, elena.page() as two:
        await elena.write("from one")
        assert (await one.news("from one")) == (await two.news("from one"))


async def test_other_visitors_hear_nothing(home: House, elena: Visitor) -> None:
    """One page's frames are one visitor's thread."""
    other = await visit(home)
    async with other.page() as tab:
        await elena.write("for the shop only")
        await other.write("mine")
        (item,) = (await tab.next("messages"))["items"]
    assert item["text"] == "mine"


async def test_news_that_cannot_be_read_are_kept_from_their_own_visitor_alone(
    home: House, elena: Visitor, anna: aiohttp.ClientSession
) -> None:
    """Whatever is wrong with one message, the others' pages go on."""
    await elena.write("Ciao")
    made = await reply(anna, "Ciao Elena")
    other = await visit(home)
    async with elena.page() as tab, other.page() as others:
        await other.write("odd")
        odd = (await others.news("odd"))["id"]
        spoil = sa.text("UPDATE messages SET data = '{', text = text || '!' WHERE id IN (:odd, :made)")
        mend = sa.text("UPDATE messages SET data = '{}' WHERE id = :made")
        ids = {"odd": odd, "made": made["id"]}

        async def change(tx: Tx) -> None:
            await tx.run(spoil, ids)
            await tx.run(mend, ids)
            await note_changes(tx, [("message", None, one) for one in ids.values()], now_ms())

        await home.database.write(change)
        home.context.bus.ring("changes")
        assert (await tab.news("Ciao Elena!"))["id"] == made["id"]


async def test_a_page_that_comes_back_misses_nothing_and_doubles_nothing(
    elena: Visitor, anna: aiohttp.ClientSession
) -> None:
    """Phones sleep and networks change in the middle of everything."""
    await elena.write("0")
    seen: dict[str, Any] = {}
    writing = asyncio.create_task(_write_many(anna, 30))
    while len(seen) < 31:
        async with elena.page() as tab:
            items = list(tab.first["items"])
            if not writing.done():
                items += (await tab.next("messages"))["items"]
            seen |= {item["id"]: item for item in items}
    await writing
    assert [item["text"] for item in sorted(seen.values(), key=lambda item: item["seq"])] == [
        str(number) for number in range(31)
    ]


async def test_f25_pages_that_come_back_all_at_once_each_get_their_own(home: House) -> None:
    """A gateway ends, and its visitors knock at another: nobody gets what is another's."""
    visitors = [await visit(home) for _ in range(CROWD)]
    for number, visitor in enumerate(visitors):
        await visitor.write(f"from {number}")

    async def first(visitor: Visitor) -> list[str]:
        async with visitor.page() as tab, visitor.page() as other:
            assert tab.first["items"] == other.first["items"]
            return [item["text"] for item in tab.first["items"]]

    found = await asyncio.gather(*(first(visitor) for visitor in visitors))
    assert found == [[f"from {number}"] for number in range(CROWD)]


async def _write_many(anna: aiohttp.ClientSession, many: int) -> None:
    for number in range(1, many + 1):
        await reply(anna, str(number))


async def test_what_arrived_is_delivered_and_what_was_looked_at_is_read(
    elena: Visitor, anna: aiohttp.ClientSession
) -> None:
    """The agent sees how far a reply got, and it never goes back."""
    await elena.write("Ciao")
    made = await reply(anna, "Ciao Elena")

    async def status() -> str:
        items = (await get(anna, f"{await thread_of(anna)}/messages"))["items"]
        return str(items[-1]["status"])

    assert made["status"] == "sent"
    async with elena.page() as tab:
        seq = tab.first["items"][-1]["seq"]
        await tab.say(type="ack", seq=seq)
        await eventually(status, "delivered")
        await tab.say(type="seen", seq=seq)
        await eventually(status, "read")
        await tab.say(type="ack", seq=seq)
        told: set[str] = set()
        while "read" not in told:
            told |= {item["status"] for item in (await tab.next("messages"))["items"] if item["seq"] == seq}
    assert await status() == "read"


async def test_marks_can_be_told_without_a_socket(elena: Visitor, anna: aiohttp.ClientSession) -> None:
    """Where a proxy lets no socket through, requests do the same."""
    await elena.write("Ciao")
    await reply(anna, "Ciao Elena")
    seq = (await elena.thread())[-1]["seq"]
    for path, status in (("ack", "delivered"), ("seen", "read")):
        await elena.ask("POST", path, 204, json={"seq": seq})
        assert (await elena.thread())[-1]["status"] == status


async def test_a_mark_beyond_the_end_is_harmless(elena: Visitor, anna: aiohttp.ClientSession) -> None:
    """Only the visitor's own replies are touched, and only up to where there are any."""
    await elena.ask("POST", "seen", 204, json={"seq": 5})
    await elena.write("Ciao")
    await reply(anna, "Ciao Elena")
    await elena.ask("POST", "seen", 204, json={"seq": (1 << 53) - 1})
    assert [item["status"] for item in await elena.thread()] == ["sent", "read"]
    await elena.ask("POST", "seen", 422, json={"seq": -1})


async def test_the_visitor_sees_how_far_the_team_has_read(
    elena: Visitor, anna: aiohttp.ClientSession
) -> None:
    """ "Read" under one's own message is true, and comes by itself."""
    first = await elena.write("one")
    second = await elena.write("two")
    async with elena.page() as tab:
        assert tab.first["read"] < first["seq"]
        await send(anna, "POST", f"{await thread_of(anna)}/read", {"seq": 1})
        frame = await tab.next("messages")
        while frame["read"] < first["seq"]:
            frame = await tab.next("messages")
    assert first["seq"] <= frame["read"] < second["seq"]
    assert frame["more"] is None


async def test_the_team_sees_the_visitor_write(elena: Visitor, anna: aiohttp.ClientSession) -> None:
    """The inbox shows it in the conversation's row."""
    await elena.write("Ciao")
    async with opened(anna) as inbox, elena.page() as tab:
        await inbox.next("hello")
        await tab.say(type="typing")
        word = await inbox.next("typing")
    assert word["who"]["kind"] == "customer"
    assert f"/api/conversations/{word['conversation_id']}" == await thread_of(anna)


async def test_the_visitor_sees_an_agent_write(elena: Visitor, anna: aiohttp.ClientSession) -> None:
    """Also one who has only just begun the conversation, on a page that was open before."""
    async with elena.page() as tab:
        await elena.write("Ciao")
        await tab.news("Ciao")
        await send(anna, "POST", f"{await thread_of(anna)}/typing", {}, 204)
        assert (await tab.next("typing")) == {"type": "typing", "name": "Anna"}


async def test_a_page_can_ask_whether_somebody_is_there(elena: Visitor) -> None:
    """A phone that slept cannot know whether its socket still leads anywhere."""
    async with elena.page() as tab:
        await tab.say(type="ping")
        assert await tab.next("pong")
        await tab.say(type="from a newer page", seq=5)
        await tab.ws.send_str("not json")
        await tab.say(type="ping")
        assert await tab.next("pong")


# ── the handshake ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
async def test_a_foreign_site_is_refused_at_the_handshake(home: House, origin: str) -> None:
    """Browsers apply no same-origin rule to WebSockets: a stolen token is not enough."""
    async with aiohttp.ClientSession() as foreign:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await foreign.ws_connect(
                f"{home.url}/widget/socket", headers={"Origin": origin} if origin else {}
            )
    assert refused.value.status == 403


@pytest.mark.parametrize("hello", [
    {"type": "hello", "token": ""},
    {"type": "hello", "token": "01a20537-fd02-7302-9841-f3e200ae340c." + "A" * 43},
    {"type": "hello"},
    {"type": "typing"},
    {"type": "hello", "token": 5},
    [],
])  # fmt: skip
async def test_a_page_without_a_good_token_is_told_to_get_a_new_one(home: House, hello: Any) -> None:
    """4401 is what a page understands; nothing of any thread is sent before."""
    async with home.client().ws_connect("/widget/socket") as ws:
        await ws.send_json(hello)
        assert await Tab(ws).close_code() == 4401


async def test_a_token_of_a_secret_that_was_given_up_opens_nothing(home: House) -> None:
    """Taking a secret out of the list ends every token that it signed."""
    async with home.client().ws_connect("/widget/socket") as ws:
        token = webchat.token_for(["given-up" * 4], webchat.new_visitor())
        await ws.send_json({"type": "hello", "token": token})
        assert await Tab(ws).close_code() == 4401


async def test_a_page_that_says_nothing_is_closed(sqlite_url: str, tmp_path: Path) -> None:
    """Sockets that never say who they are must not pile up."""
    async with house(sqlite_url, tmp_path) as home, home.client().ws_connect("/widget/socket") as ws:
        assert await Tab(ws).close_code() == 4401


async def test_a_frame_that_is_too_long_closes_the_socket(elena: Visitor) -> None:
    """What a page says by the socket is short; messages travel by requests."""
    async with elena.page() as tab:
        await tab.ws.send_str("x" * 5000)
        assert await tab.close_code() == 1009


async def test_a_page_that_never_stops_talking_is_closed(elena: Visitor) -> None:
    """One page cannot keep a process busy."""
    async with elena.page() as tab:
        for _ in range(300):
            await tab.say(type="a word that asks for nothing")
        assert await tab.close_code() == 1013


async def test_a_visitor_has_so_many_pages_and_no_more(elena: Visitor) -> None:
    """The next one asks by requests instead."""
    async with asyncio.timeout(20):
        pages = [elena.page() for _ in range(20)]
        for page in pages:
            await page.__aenter__()
        async with elena.client.ws_connect("/widget/socket") as ws:
            await ws.send_json({"type": "hello", "token": elena.token})
            assert await Tab(ws).close_code() == 1013
        for page in pages:
            await page.__aexit__(None, None, None)
        async with elena.page():
            pass


async def test_pages_are_sent_away_when_the_gateway_stops(sqlite_url: str, tmp_path: Path) -> None:
    """They come back to the next process at once, and the stop does not wait for them."""
    async with aiohttp.ClientSession() as browser:
        async with house(sqlite_url, tmp_path) as home:
            elena = await visit(home)
            ws = await browser.ws_connect(f"{home.url}/widget/socket", headers={"Origin": home.url})
            await ws.send_json({"type": "hello", "token": elena.token})
            await Tab(ws).next("messages")
            leaving = asyncio.create_task(Tab(ws).close_code())
        assert await leaving == 1001
