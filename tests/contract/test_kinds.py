"""One update of each kind through the whole gateway: one entry for what a customer sends, none else."""

from __future__ import annotations

import itertools
from typing import Any

import aiohttp
import pytest
from aiogram.types import Message, Update

from bridge.sandbox.vendors import Vendors
from tests.channels.test_telegram_kinds import CONTENT, CUSTOMERS, sample
from tests.gateways import Desk, Json, until
from tests.webhooks import post_update, update

pytestmark = pytest.mark.asyncio(loop_scope="session")
_numbers = itertools.count(50_000_000)

# What a customer can do on the phone, and how many entries each makes, with how many files.
PHONE = {
    "text": (1, 0), "start": (1, 0), "location": (1, 0), "venue": (1, 0), "contact": (1, 0), "poll": (1, 0),
    "dice": (1, 0), "photo": (1, 1), "video": (1, 1), "animation": (1, 1), "voice": (1, 1), "audio": (1, 1),
    "video_note": (1, 1), "document": (1, 1), "sticker": (1, 1), "reply": (1, 0), "album": (1, 3),
    "edit": (0, 0), "blocked": (0, 0), "unblocked": (0, 0), "group": (0, 0),
}  # fmt: skip


async def thread(desk: Desk, name: str) -> list[Json]:
    """What there is of somebody."""
    return await desk.messages(await desk.conversation(name))


@pytest.mark.parametrize("kind", PHONE)
async def test_each_thing_that_a_phone_can_do(desk: Desk, vendors: Vendors, chat: int, kind: str) -> None:
    """Exactly one entry for what a customer says, also for an album; none for what is no message."""
    name = f"Customer {chat}"
    await vendors.telegram.say("first", chat_id=chat, name=name)
    await vendors.telegram.say(text="words", kind=kind, chat_id=chat, name=name)
    await vendors.telegram.say("last", chat_id=chat, name=name)
    await vendors.telegram.settled(within=30)
    found = await thread(desk, name)
    between = found[1:-1]
    entries, files = PHONE[kind]
    assert found[-1]["text"] == "last"
    assert [len(message["attachments"]) for message in between] == [files] * entries
    if kind == "edit":
        assert found[0]["edited_at"]
    if files:
        await until(lambda: all_stored(desk, name, files))


async def all_stored(desk: Desk, name: str, files: int) -> bool:
    """Whether the files have been fetched, and can be had."""
    attachments = (await thread(desk, name))[1]["attachments"]
    if {file["state"] for file in attachments} != {"stored"}:
        return False
    for file in attachments:
        async with desk.http.get(file["url"]) as answer:
            assert answer.status == 200
            assert len(await answer.read()) == file["size"]
    return len(attachments) == files


async def test_each_kind_of_message_of_the_bot_api(
    stranger: aiohttp.ClientSession, desk: Desk, chat: int
) -> None:
    """All that the installed aiogram knows: 2xx for each, an entry for each that a customer can send."""
    name = f"Customer {chat}"
    assert await post_update(stranger, update(next(_numbers), "first", chat=chat, name=name)) == 200
    for kind in CONTENT:
        body = update(next(_numbers), "", chat=chat, name=name)
        del body["message"]["text"]
        body["message"][kind] = sample(Message.model_fields[kind].annotation)
        assert await post_update(stranger, body) == 200, kind
    found = await thread(desk, name)
    shown = [message["kind"] for message in found[1:]]
    assert shown == [CUSTOMERS[kind] for kind in CONTENT if kind in CUSTOMERS]


async def test_each_kind_of_update_of_the_bot_api(
    stranger: aiohttp.ClientSession, desk: Desk, chat: int
) -> None:
    """2xx for each, and nothing in anybody's thread but messages."""
    before = await counted(desk)
    for kind in Update.model_fields:
        if kind in ("update_id", "message"):
            continue
        body = {"update_id": next(_numbers), kind: sample(Update.model_fields[kind].annotation)}
        assert await post_update(stranger, body) == 200, kind
    assert await counted(desk) == before


async def counted(desk: Desk) -> dict[str, Any]:
    """How far each thread is."""
    items = (await desk.get("/api/conversations", limit=100))["items"]
    return {item["id"]: item["last_seq"] for item in items}
