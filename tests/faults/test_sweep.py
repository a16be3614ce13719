"""Twilio brings an SMS only twice: what was lost then is found in the account's list of messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from bridge.ids import new_id
from bridge.sandbox import samples
from bridge.sandbox.twilio_hooks import inbound_form
from bridge.sandbox.twilio_messages import Message, make_sid
from bridge.sandbox.vendors import Vendors
from tests import servers
from tests.bridges import Bridge, serving
from tests.gateways import Desk, Json, until
from tests.webhooks import WEBHOOK_MODE, post_form

PHONES = {"+393331234567": "+39 333 123 4567", "+393339999999": "+39 333 999 9999"}
NUMBER, OTHER = PHONES


async def say(vendors: Vendors, numbers: Sequence[int], sender: str = NUMBER) -> None:
    """A customer writes them down."""
    for number in numbers:
        await vendors.sms.say(f"{number}", sender=sender)


def backlog(vendors: Vendors, count: int) -> None:
    """Two customers write in turn, and no webhook tells; one in ten is a picture, which takes its time."""
    for number in range(count):
        files = [(make_sid("ME"), samples.photo())] if number % 10 == 9 else []
        vendors.sms.account.received((NUMBER, OTHER)[number % 2], f"{number}", files)


async def written(desk: Desk, sender: str) -> list[Json]:
    """What a customer has written, as agents see it; all pages of it."""
    found: list[Json] = []
    for item in (await desk.get("/api/conversations"))["items"]:
        if item["contact"]["name"] == PHONES[sender]:
            path, after = f"/api/conversations/{item['id']}/messages", 0
            while page := (await desk.get(path, after=after, limit=100))["items"]:
                found += [message for message in page if message["direction"] == "inbound"]
                after = page[-1]["seq"]
    return found


async def has(desk: Desk, count: int, sender: str = NUMBER) -> list[Json] | None:
    """The same, once there is so much."""
    found = await written(desk, sender)
    return found if len(found) >= count else None


def texts(found: Sequence[Json]) -> list[str]:
    return [message["text"] for message in found]


async def test_f09_sms_that_came_while_the_process_was_away_arrive_in_order(
    tmp_path: Path, database_url: str, vendors: Vendors
) -> None:
    """More than a page of them, a picture, and a STOP that counts: Twilio had given up on all of it."""
    async with serving(tmp_path, database_url, vendors) as (bridge, desk):
        await say(vendors, [0])
        await until(partial(has, desk, 1))
        bridge.kill()
        await say(vendors, range(1, 120))
        await vendors.sms.say("guarda", sender=OTHER, media=[samples.photo()])
        await vendors.sms.say("STOP", sender=OTHER)
        await asyncio.to_thread(bridge.start)
        found = await until(partial(has, desk, 120), within=60)
        assert texts(found) == [f"{number}" for number in range(120)]
        assert found[0]["provider_at"] is None
        assert all(message["provider_at"] for message in found[1:])
        picture, stop = await until(partial(has, desk, 2, OTHER), within=60)
        assert (picture["text"], stop["text"]) == ("guarda", "STOP")
        await until(partial(is_fetched, desk, picture))
        body = {"text": "Offerta!", "client_id": new_id()}
        path = f"/api/conversations/{stop['conversation_id']}/messages"
        assert (await desk.post(path, body, status=(409,)))["reason"] == "opted_out"


async def is_fetched(desk: Desk, message: Json) -> bool:
    """Whether its file is here."""
    found = await desk.message(message["conversation_id"], message["id"])
    return [file["state"] for file in found["attachments"]] == ["stored"]


async def test_f10_sms_that_comes_by_webhook_and_by_the_list_is_one_message(
    tmp_path: Path, database_url: str, vendors: Vendors
) -> None:
    """Whichever comes first, the other is a repeat."""
    async with serving(tmp_path, database_url, vendors) as (bridge, desk):
        await say(vendors, range(10))
        await vendors.sms.turn("ok", drop_webhooks=True)
        await say(vendors, range(10, 20))
        bridge.kill()
        await asyncio.to_thread(bridge.start)
        await until(partial(has, desk, 20), within=60)
        replayed = reversed([*vendors.sms.account.newest_first()])
        assert {await deliver(desk, vendors, message) for message in replayed} == {200}
        await vendors.sms.turn("ok", drop_webhooks=False)
        await say(vendors, [20])
        assert texts(await written(desk, NUMBER)) == [f"{number}" for number in range(21)]


async def deliver(desk: Desk, vendors: Vendors, message: Message) -> int:
    """Twilio's webhook for a message; the status of the answer."""
    form = inbound_form(message, vendors.sms.account.sid, vendors.twilio_base)
    return await post_form(desk.http, vendors, desk.url, form)


async def test_f08_kill_in_the_middle_of_a_sweep_loses_and_doubles_nothing(
    tmp_path: Path, database_url: str, vendors: Vendors
) -> None:
    """What was not stored does not count as read; what was stored is known again."""
    async with serving(tmp_path, database_url, vendors) as (bridge, desk):
        bridge.kill()
        backlog(vendors, 100)
        for stored in (10, 20):
            await asyncio.to_thread(bridge.start)
            found = await until(partial(has, desk, stored), within=60)
            assert len(found) < 50  # it is in the middle
            bridge.kill()
        await asyncio.to_thread(bridge.start)
        for sender, first in ((NUMBER, 0), (OTHER, 1)):
            found = await until(partial(has, desk, 50, sender), within=60)
            assert texts(found) == [f"{number}" for number in range(first, 100, 2)]
        pictures = [message for message in await written(desk, OTHER) if message["attachments"]]
        assert texts(pictures) == [f"{number}" for number in range(9, 100, 10)]


async def test_f10_two_processes_that_start_at_once_bring_each_sms_once(
    tmp_path: Path, postgresql_url: str, vendors: Vendors
) -> None:
    """One of them sweeps, then perhaps the other, which finds nothing new."""
    async with serving(tmp_path, postgresql_url, vendors) as (bridge, desk):
        bridge.kill()
        vendors.wire.clear()
        backlog(vendors, 60)
        more = {**bridge.settings, "BRIDGE_PUBLIC_URL": bridge.url}
        with Bridge(tmp_path / "second", more) as second:
            second.launch()
            await asyncio.to_thread(bridge.start)
            for sender, first in ((NUMBER, 0), (OTHER, 1)):
                found = await until(partial(has, desk, 30, sender), within=60)
                assert texts(found) == [f"{number}" for number in range(first, 60, 2)]
            await until(partial(both_swept, vendors), within=60)
            assert [len(await written(desk, sender)) for sender in PHONES] == [30, 30]


async def both_swept(vendors: Vendors) -> bool:
    """Whether the list was asked for by both."""
    return [entry["call"] for entry in vendors.wire.entries()].count("GET /Messages.json") >= 2


@pytest.fixture
async def with_postgresql(tmp_path: Path, vendors: Vendors) -> AsyncIterator[tuple[Desk, servers.PostgreSQL]]:
    """A process on a PostgreSQL that the test may stop."""
    with servers.postgresql() as server:
        async with serving(tmp_path, server.url(server.create()), vendors, WEBHOOK_MODE) as (_, desk):
            yield desk, server


async def test_f32_sms_that_no_database_could_take_is_there_soon_after_it_is_back(
    with_postgresql: tuple[Desk, servers.PostgreSQL], vendors: Vendors
) -> None:
    """Twilio was answered 503, tried once more, and gave up: nobody waits for the next turn."""
    desk, server = with_postgresql
    await say(vendors, [0])
    await until(partial(has, desk, 1))
    await asyncio.to_thread(server.stop)
    await say(vendors, [1, 2])
    await asyncio.to_thread(server.start)
    assert texts(await until(partial(found_again, desk), within=60)) == ["0", "1", "2"]


async def found_again(desk: Desk) -> list[Json] | None:
    """All three, once the database answers."""
    async with desk.http.get("/readyz") as answer:
        return await has(desk, 3) if answer.status == 200 else None
