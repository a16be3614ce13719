"""What could not be read, as administrators see it and have it read again."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from bridge.ids import new_id
from tests.api.house import House, get, send
from tests.api.test_live import opened

LETTER = {"key": "letter-1", "from": "giulia", "text": "Buongiorno"}
PARKED = {"kind": "unsupported", "parked": "A letter of tomorrow"}


@pytest.fixture
async def bea(home: House) -> aiohttp.ClientSession:
    """An administrator."""
    return await home.agent("Bea", "admin")


async def waiting(client: aiohttp.ClientSession, **query: Any) -> list[dict[str, Any]]:
    """The events that wait."""
    found: list[dict[str, Any]] = (await get(client, "/api/events/parked", **query))["items"]
    return found


async def test_event_that_waits_is_shown_without_its_words(home: House, bea: aiohttp.ClientSession) -> None:
    """What it is, why, since when and where; a customer's words only where they are asked for."""
    await home.write("Buongiorno", raw=json.dumps(LETTER), **PARKED)
    (event,) = await waiting(bea)
    (thread,) = (await get(bea, "/api/conversations"))["items"]
    assert event.pop("since").endswith("Z")
    assert event.pop("id")
    assert event == {
        "channel": "post", "channel_id": home.channel, "why": "A letter of tomorrow", "raw": None,
        "message": {"conversation_id": thread["id"], "seq": 1},
    }  # fmt: skip
    assert [json.loads(one["raw"]) for one in await waiting(bea, raw="true")] == [LETTER]
    assert await waiting(bea, channel="telegram") == []


async def test_replayed_event_is_seen_at_once(home: House, bea: aiohttp.ClientSession) -> None:
    """The open thread shows what it says, where the placeholder was."""
    await home.write("", raw=json.dumps(LETTER), **PARKED)
    (event,) = await waiting(bea)
    async with opened(bea) as page:
        await page.next("hello")
        ended = await send(bea, "POST", "/api/events/replay", {"ids": [event["id"]]})
        assert ended == {
            "items": [{"id": event["id"], "outcome": "done", "why": ""}], "next_cursor": None,
        }  # fmt: skip
        seen = [await page.next("message")]
        while not seen[-1]["message"]["text"]:  # the feed of the placeholder itself
            seen.append(await page.next("message"))
    assert (seen[-1]["message"]["seq"], seen[-1]["message"]["text"]) == (1, "Buongiorno")
    assert await waiting(bea) == []
    again = await send(bea, "POST", "/api/events/replay", {"ids": [event["id"], new_id()]})
    assert [one["outcome"] for one in again["items"]] == ["gone", "gone"]


async def test_all_that_wait_are_read_page_by_page(home: House, bea: aiohttp.ClientSession) -> None:
    """What still cannot be read does not stand in the way of the others, and says why."""
    for number in range(1, 131):
        letter = {"key": f"letter-{number}", "from": "giulia", "text": f"{number}"}
        await home.write("", raw=json.dumps(letter) if number % 2 else "nonsense", **PARKED)
    first = await send(bea, "POST", "/api/events/replay", {})
    rest = await send(bea, "POST", "/api/events/replay", {"cursor": first["next_cursor"]})
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (100, 30, None)
    outcomes = [(one["outcome"], one["why"]) for one in first["items"] + rest["items"]]
    assert outcomes == [("done", ""), ("parked", "This is not JSON")] * 65
    assert {one["why"] for one in await waiting(bea, limit=100)} == {"This is not JSON"}
    none = await send(bea, "POST", "/api/events/replay", {"channel": "telegram"})
    assert none == {"items": [], "next_cursor": None}


async def test_event_that_is_given_up_waits_no_more(home: House, bea: aiohttp.ClientSession) -> None:
    """Its placeholder stays: that something came is part of the thread."""
    await home.write("", raw="nonsense", **PARKED)
    (event,) = await waiting(bea)
    stranger = new_id()
    given_up = await send(bea, "POST", "/api/events/give-up", {"ids": [stranger, event["id"], event["id"]]})
    assert given_up == {"ids": [event["id"]]}
    assert await send(bea, "POST", "/api/events/give-up", {"ids": [event["id"]]}) == {"ids": []}
    assert await waiting(bea) == []
    (thread,) = (await get(bea, "/api/conversations"))["items"]
    assert thread["last_message"]["kind"] == "unsupported"


async def test_agents_who_administer_nothing_are_refused(anna: aiohttp.ClientSession) -> None:
    """Anything any customer wrote may stand in a raw event, and replaying is the operator's."""
    refused = [
        await get(anna, "/api/events/parked", expect=403),
        await send(anna, "POST", "/api/events/replay", {}, expect=403),
        await send(anna, "POST", "/api/events/give-up", {"ids": [new_id()]}, expect=403),
    ]
    assert {problem["detail"] for problem in refused} == {"Only administrators may do this"}


async def test_requests_without_sense_are_refused(bea: aiohttp.ClientSession) -> None:
    """A wrong cursor must not look like the end of the list, nor a wrong field like all events."""
    wrong: tuple[dict[str, Any], ...] = (
        {"ids": []}, {"ids": ["x"]}, {"ids": [new_id()] * 101}, {"ids": [new_id()], "channel": "sms"},
    )  # fmt: skip
    for body in wrong:
        await send(bea, "POST", "/api/events/replay", body, expect=422)
    await send(bea, "POST", "/api/events/give-up", {}, expect=422)
    for cursor in ("x", "AAAA", "MTIz", "MSAA"):  # the last one says NUL
        await send(bea, "POST", "/api/events/replay", {"cursor": cursor}, expect=400)
        await get(bea, "/api/events/parked", expect=400, cursor=cursor)
    await get(bea, "/api/events/parked", expect=422, limit=101)
