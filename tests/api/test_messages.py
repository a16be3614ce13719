"""The messages of a conversation: reading and replying."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from bridge.ids import new_id, now_ms
from tests.api.house import House, get, send

NOBODYS = "01a20535-20fa-7184-8cc4-dd443173916e"


@pytest.fixture
async def thread(home: House, anna: aiohttp.ClientSession) -> str:
    """The path of a conversation in which a customer wrote once."""
    await home.write("Buongiorno")
    (item,) = (await get(anna, "/api/conversations"))["items"]
    return f"/api/conversations/{item['id']}"


async def texts(client: aiohttp.ClientSession, thread: str, **query: Any) -> list[str]:
    """The texts of a page of the thread."""
    return [item["text"] for item in (await get(client, f"{thread}/messages", **query))["items"]]


async def test_pages_of_a_thread(home: House, anna: aiohttp.ClientSession, thread: str) -> None:
    """Forward from any message, backward from any message, and the newest without either."""
    for number in range(2, 8):
        await home.write(str(number))
    assert await texts(anna, thread, after=0, limit=3) == ["Buongiorno", "2", "3"]
    assert await texts(anna, thread, after=3, limit=2) == ["4", "5"]
    assert await texts(anna, thread, before=3) == ["Buongiorno", "2"]
    assert await texts(anna, thread, before=6, limit=2) == ["4", "5"]
    assert await texts(anna, thread, limit=2) == ["6", "7"]
    assert await texts(anna, thread, after=7) == []
    await get(anna, f"{thread}/messages", expect=422, after=1, before=2)
    await get(anna, f"{thread}/messages", expect=422, after=-1)
    await get(anna, f"{thread}/messages", expect=422, after=2**40)


async def test_inbound_message_in_full(home: House, anna: aiohttp.ClientSession, thread: str) -> None:
    """Everything the vendor told is there; the vendor's own time too, with a mark if it is old."""
    long_ago = now_ms() - 3_600_000
    data = {"entities": [{"type": "bold"}]}
    media = {"kind": "image", "ref": "r1", "name": "a.jpg", "mime": "image/jpeg", "size": 10}
    await home.write("look", quote="Buongiorno", provider_at=long_ago, data=data)
    await home.write("", kind="image", media=[media])
    _, look, picture = (await get(anna, f"{thread}/messages"))["items"]
    assert (look["direction"], look["status"], look["channel"]) == ("inbound", "received", "post")
    assert look["author"]["name"] == "Giulia"
    assert look["data"] == data
    assert look["reply_to"] == {"seq": None, "text": "Buongiorno", "author": ""}
    assert look["late"]
    assert not picture["late"]
    (attachment,) = picture["attachments"]
    assert (attachment["state"], attachment["url"], attachment["name"]) == ("pending", "", "a.jpg")


async def test_reply_is_accepted_and_shown(anna: aiohttp.ClientSession, thread: str) -> None:
    """201 with the message as everybody sees it, waiting for its channel."""
    body = {"text": "Salve!", "client_id": "c1", "reply_to": 1}
    made = await send(anna, "POST", f"{thread}/messages", body, expect=201)
    me = await get(anna, "/api/me")
    assert (made["seq"], made["direction"], made["status"], made["client_id"]) == (
        2,
        "outbound",
        "queued",
        "c1",
    )
    assert made["author"] == {"id": me["id"], "name": "Anna"}
    assert made["reply_to"]["text"] == "Buongiorno"
    assert made["data"] == {}
    assert (await get(anna, f"{thread}/messages"))["items"][-1] == made
    shown = await get(anna, thread)
    assert (shown["unread"], shown["waiting_since"]) == (0, None)
    assert shown["last_message"]["author"] == "Anna"


async def test_note_stays_inside(anna: aiohttp.ClientSession, thread: str) -> None:
    """A note travels on no channel and answers nobody."""
    body = {"text": "Difficile", "kind": "note", "client_id": "n1"}
    made = await send(anna, "POST", f"{thread}/messages", body, expect=201)
    assert (made["direction"], made["status"], made["channel"]) == ("note", "noted", None)
    shown = await get(anna, thread)
    assert shown["channel"] == "post"
    assert shown["waiting_since"]


async def test_same_client_id_is_the_same_message(anna: aiohttp.ClientSession, thread: str) -> None:
    """A second click, a repeated request after a lost answer: one message; another text is a conflict."""
    body = {"text": "Salve!", "client_id": "c1"}

    async def attempt() -> tuple[int, str]:
        async with anna.post(f"{thread}/messages", json=body) as response:
            return response.status, (await response.json())["id"]

    answers = await asyncio.gather(*(attempt() for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200] * 5 + [201]
    assert len({message for _, message in answers}) == 1
    await send(anna, "POST", f"{thread}/messages", body | {"text": "Other"}, expect=409)
    assert await texts(anna, thread) == ["Buongiorno", "Salve!"]


async def test_wrong_reply_is_refused_by_field(anna: aiohttp.ClientSession, thread: str) -> None:
    """The page can point at what is wrong."""
    for body, field in [
        ({"text": "", "client_id": "1"}, "text"),
        ({"text": " \n", "client_id": "1"}, "text"),
        ({"text": "x"}, "client_id"),
        ({"text": "x", "client_id": ""}, "client_id"),
        ({"text": 5, "client_id": "1"}, "text"),
        ({"text": "x", "client_id": "1", "kind": "shout"}, "kind"),
        ({"text": "x", "client_id": "1", "attachments": ["x"]}, "attachments.0"),
        ({"text": "x", "client_id": "1", "attachments": [NOBODYS]}, "attachments"),
        ({"text": "x", "client_id": "1", "via": NOBODYS}, "via"),
        ({"text": "x", "client_id": "1", "reply_to": -1}, "reply_to"),
        ({"text": "x" * 100_001, "client_id": "1"}, "text"),
    ]:
        problem = await send(anna, "POST", f"{thread}/messages", body, expect=422)
        assert [wrong["field"] for wrong in problem["fields"]] == [field]


async def test_reply_over_the_channels_limit_names_the_limit(
    anna: aiohttp.ClientSession, thread: str
) -> None:
    """So that the page can say how much is too much."""
    body = {"text": "x" * 501, "client_id": "1"}
    problem = await send(anna, "POST", f"{thread}/messages", body, expect=422)
    assert problem["limit"] == 500


async def test_text_is_stored_as_it_is_except_what_cannot_be(
    home: House, anna: aiohttp.ClientSession, thread: str
) -> None:
    """NUL and lone surrogates become U+FFFD, wherever they come from; all else is nobody's business."""
    nasty = "<script>alert(1)</script> \u202e'; DROP TABLE messages;-- 🏳️‍🌈 ../../etc"
    await send(anna, "POST", f"{thread}/messages", {"text": nasty, "client_id": "1"}, expect=201)
    for escaped in (rb"a\u0000b", rb"a\ud800b"):
        body = b'{"text":"%b","client_id":"%b"}' % (escaped, escaped)
        headers = {"Content-Type": "application/json"}
        async with anna.post(f"{thread}/messages", data=body, headers=headers) as response:
            assert response.status in (200, 201), await response.text()
    assert await texts(anna, thread) == ["Buongiorno", nasty, "a\ufffdb"]


async def test_edited_message_keeps_its_versions(
    home: House, anna: aiohttp.ClientSession, thread: str
) -> None:
    """What the customer wrote first can still be read, oldest first, with its time."""
    await home.post({"key": "e1", "from": "giulia", "edit": "letter-1", "text": "Buonasera"})
    await home.post({"key": "e2", "from": "giulia", "edit": "letter-1", "text": "Buonanotte"})
    (message,) = (await get(anna, f"{thread}/messages"))["items"]
    assert message["text"] == "Buonanotte"
    assert message["edited_at"]
    versions = (await get(anna, f"/api/messages/{message['id']}/versions"))["items"]
    assert [version["text"] for version in versions] == ["Buongiorno", "Buonasera", "Buonanotte"]
    assert versions[0]["at"] == message["created_at"]
    assert versions[-1]["at"] == message["edited_at"]
    await get(anna, f"/api/messages/{new_id()}/versions", expect=404)


async def test_waiting_reply_can_be_taken_back(anna: aiohttp.ClientSession, thread: str) -> None:
    """Cancelled is rejected with that reason; and it can be sent again."""
    body = {"text": "Ops", "client_id": "1"}
    made = await send(anna, "POST", f"{thread}/messages", body, expect=201)
    path = f"/api/messages/{made['id']}"
    taken = await send(anna, "POST", f"{path}/cancel")
    assert (taken["status"], taken["reason"]) == ("rejected", "cancelled")
    await send(anna, "POST", f"{path}/cancel", expect=409)
    await send(anna, "POST", f"{path}/settle", {"as": "arrived"}, expect=409)
    await send(anna, "POST", f"{path}/settle", {"as": "perhaps"}, expect=422)
    assert (await send(anna, "POST", f"{path}/retry"))["status"] == "queued"
    for verb in ("cancel", "retry"):
        await send(anna, "POST", f"/api/messages/{new_id()}/{verb}", expect=404)


async def test_writing_is_shown_without_a_trace(anna: aiohttp.ClientSession, thread: str) -> None:
    """Typing is only happening now: nothing is stored."""
    await send(anna, "POST", f"{thread}/typing", {}, expect=204)
    assert len((await get(anna, f"{thread}/messages"))["items"]) == 1
