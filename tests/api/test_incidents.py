"""How channels are, what was down and when, and the administrator's switch."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from bridge.health import State
from bridge.ids import new_id
from bridge.store import duties, health
from tests.api.house import House, get, send
from tests.api.test_live import opened


@pytest.fixture
async def bea(home: House) -> aiohttp.ClientSession:
    """An administrator."""
    return await home.agent("Bea", "admin")


async def state_of(client: aiohttp.ClientSession, channel: int) -> tuple[str, str]:
    """How a channel is shown: its state and health."""
    items = (await get(client, "/api/channels"))["items"]
    found = next(item for item in items if item["id"] == channel)
    return found["state"], found["health"]


async def incident_of(client: aiohttp.ClientSession, channel: int) -> Any:
    """The incident that a channel is in."""
    items = (await get(client, "/api/channels"))["items"]
    return next(item for item in items if item["id"] == channel)["incident"]


async def switch(client: aiohttp.ClientSession, channel: int, to: str, expect: int = 200) -> Any:
    return await send(client, "PUT", f"/api/channels/{channel}/switch", {"treat_as": to}, expect=expect)


async def finds(home: House, *states: State) -> None:
    """What the channel's sender finds, one after the other."""
    name = f"send:{home.channel}"
    epoch = await home.database.write(lambda tx: duties.take(tx, name, "node", 10_000)) or 0
    for state in states:
        await home.database.write(
            lambda tx, it=state: health.find(  # type: ignore[misc]  # awaited at once
                tx, home.channel, "out", it, "Post cannot be reached", calm=60, duty=name, epoch=epoch
            )
        )


async def test_outage_is_told_to_everybody_and_can_be_read_afterwards(
    home: House, anna: aiohttp.ClientSession
) -> None:
    async with opened(anna) as page:
        await page.next("hello")
        await finds(home, "down")
        frame = await page.next("channels")
    post = next(channel for channel in frame["channels"] if channel["id"] == home.channel)
    assert (post["state"], post["health"], post["detail"]) == ("down", "down", "Post cannot be reached")
    assert post["incident"]["started_at"]
    await finds(home, "recovering")
    assert await state_of(anna, home.channel) == ("recovering", "degraded")
    assert await incident_of(anna, home.channel) == post["incident"]
    await finds(home, "up")
    assert await state_of(anna, home.channel) == ("up", "up")
    assert await incident_of(anna, home.channel) is None
    (incident,) = (await get(anna, "/api/incidents"))["items"]
    assert post["incident"] == {name: incident[name] for name in ("id", "started_at")}
    assert incident == await get(anna, f"/api/incidents/{incident['id']}")
    assert (incident["channel"], incident["label"], incident["direction"]) == ("post", "Post", "out")
    assert incident["state"] == "ended"
    assert [line["kind"] for line in incident["lines"]] == ["down", "recovering", "up"]


async def test_incidents_come_in_pages(home: House, anna: aiohttp.ClientSession) -> None:
    states: list[State] = ["down", "up"]
    await finds(home, *states * 5)
    seen: list[str] = []
    page = await get(anna, "/api/incidents?limit=2")
    while True:
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        page = await get(anna, f"/api/incidents?limit=2&cursor={page['next_cursor']}")
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)
    assert (await get(anna, "/api/incidents?cursor=nonsense", expect=400))["status"] == 400


async def test_administrator_switches_a_channel(home: House, bea: aiohttp.ClientSession) -> None:
    """The timeline says who did it."""
    assert (await switch(bea, home.channel, "down"))["state"] == "down"
    assert await state_of(bea, home.channel) == ("down", "down")
    assert (await switch(bea, home.channel, "automatic"))["state"] == "up"
    (incident,) = (await get(bea, "/api/incidents"))["items"]
    assert [(line["kind"], line["by"]["name"]) for line in incident["lines"]] == [
        ("switch_down", "Bea"), ("switch_automatic", "Bea"),
    ]  # fmt: skip
    await finds(home, "down")
    assert (await switch(bea, home.channel, "up"))["state"] == "up"


async def test_only_administrators_switch(home: House, anna: aiohttp.ClientSession) -> None:
    assert (await switch(anna, home.channel, "down", expect=403))["status"] == 403
    assert await state_of(anna, home.channel) == ("up", "up")


@pytest.mark.parametrize("body", [{"treat_as": "broken"}, {}, []])
async def test_switch_says_what_is_wrong(home: House, bea: aiohttp.ClientSession, body: Any) -> None:
    assert (await send(bea, "PUT", f"/api/channels/{home.channel}/switch", body, expect=422))["title"]


@pytest.mark.parametrize("channel", ["999", "0", "-1", "x", "9" * 40, "01a22dd2-bbad-7c36-ac52-1450082b574e"])
async def test_switch_of_no_channel(bea: aiohttp.ClientSession, channel: str) -> None:
    await send(bea, "PUT", f"/api/channels/{channel}/switch", {"treat_as": "down"}, expect=404)


async def test_incident_that_is_not_there(bea: aiohttp.ClientSession) -> None:
    await get(bea, f"/api/incidents/{new_id()}", expect=404)
