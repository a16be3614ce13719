"""Operators in a hurry: a command that is killed, and two at once, beside a gateway that goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.models import Event, Ignored, Inbound
from bridge.sandbox.vendors import Vendors
from bridge.store import channels, parked, schema
from bridge.store.engine import Database, connect
from bridge.store.inbound import Intake, receive
from tests.bridges import Bridge, serving
from tests.gateways import Desk, Json, until
from tests.webhooks import WEBHOOK_MODE, post_update, update

# Several processes each: `make faults` runs them.
pytestmark = pytest.mark.slow

CHATS, EACH = 6, 40
KILLS = 3


def said(number: int) -> Json:
    """An update of one of the chats, as its vendor sent it."""
    chat = 1 + number % CHATS
    return update(number, f"message {number}", chat=chat, name=f"Chat {chat}")


def kept(number: int) -> Event:
    """What a version before could make of it: of every third not even whose it was."""
    raw, key, reason = json.dumps(said(number)), f"update:{number}", "A kind of tomorrow"
    if number % 3 == 0:
        return Ignored(key=key, raw=raw, parked=reason)
    chat = 1 + number % CHATS
    return Inbound(
        key=key, urn=f"telegram:{chat}", name=f"Chat {chat}", kind="unsupported", raw=raw, parked=reason
    )


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """What the gateway and the commands work on, too."""
    opened = connect(database_url)
    await schema.prepare(opened)
    yield opened
    await opened.close()


async def leave(database: Database, vendors: Vendors) -> None:
    """Events that wait since the version before."""
    identity = vendors.telegram.token.partition(":")[0]
    row = await database.write(lambda tx: channels.register(tx, "telegram", identity, "Telegram"))
    for first in range(1, CHATS * EACH + 1, 100):
        numbers = range(first, min(first + 100, CHATS * EACH + 1))
        intake = Intake(row, tuple(kept(number) for number in numbers))
        await database.write(lambda tx: receive(tx, [intake]))  # noqa: B023  # awaited at once


async def left(database: Database) -> int:
    """How many wait."""
    return await database.read(lambda tx: parked.count(tx, 10_000))


async def once_in_place(desk: Desk) -> None:
    """Each message once, those that had a place in it, in their order, and the others after them."""
    for chat in range(1, CHATS + 1):
        found: list[Json] = []
        thread = await desk.conversation(f"Chat {chat}")
        path = f"/api/conversations/{thread}/messages"
        while page := (await desk.get(path, after=len(found), limit=100))["items"]:
            found += page
        mine = [number for number in range(1, CHATS * EACH + 1) if 1 + number % CHATS == chat]
        with_place = [number for number in mine if number % 3]
        assert [one["text"] for one in found][: len(with_place)] == [f"message {n}" for n in with_place]
        assert sorted(int(one["text"].split()[1]) for one in found) == mine
        assert {one["kind"] for one in found} == {"text"}
        assert [one["seq"] for one in found] == list(range(1, len(mine) + 1))


async def kill_in_the_middle(bridge: Bridge, database: Database) -> None:
    """Begin to replay, and end it with a signal that nobody can hear, when it has done something."""
    before = await left(database)
    command = bridge.begin("replay", "--all")

    async def has_begun() -> bool:
        return await left(database) < before or command.poll() is not None

    await until(has_begun, 60)
    command.kill()
    command.wait()


async def test_f15_replay_that_is_killed_and_repeated_leaves_each_event_once(
    tmp_path: Path, database_url: str, database: Database, vendors: Vendors
) -> None:
    """The operator's connection breaks again and again, while the vendor repeats what it sent."""
    await leave(database, vendors)
    async with serving(tmp_path, database_url, vendors, WEBHOOK_MODE) as (bridge, desk):

        async def repeat() -> None:
            for number in range(1, CHATS * EACH + 1):
                assert await post_update(desk.http, said(number)) == 200

        repeating = asyncio.create_task(repeat())
        for _ in range(KILLS):
            await kill_in_the_middle(bridge, database)
        commands = [bridge.begin("replay", "--all") for _ in range(2)]
        codes = [await asyncio.to_thread(command.wait, 120) for command in commands]
        assert codes == [0, 0]  # what the other one has done is no failure
        await repeating
        assert await left(database) == 0
        await once_in_place(desk)
