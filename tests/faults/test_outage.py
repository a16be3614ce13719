"""A channel is away for hours, or slow when everybody comes to it; a clock is set meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from bridge.sandbox.vendors import Vendors
from bridge.store.engine import Database, connect
from tests.clocks import set_clock
from tests.gateways import Desk, Json, running, until
from tests.webhooks import WEBHOOK_MODE, post_form, post_update, update

HOUR_MS = 3600 * 1000
CHATS = {1001: "Giulia", 1002: "Marco", 1003: "Sara"}
PHONE, SHOWN = "+393331234567", "+39 333 123 4567"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The gateway's database, whose clock may be set."""
    made = connect(database_url)
    yield made
    await made.close()


async def threads(desk: Desk, vendors: Vendors) -> dict[int, str]:
    """The conversation of each customer, by chat."""
    for chat, name in CHATS.items():
        await vendors.telegram.say("Buongiorno", chat_id=chat, name=name)
    return {chat: await desk.conversation(name) for chat, name in CHATS.items()}


def arrived(vendors: Vendors, chat: int) -> list[str]:
    """What the bot has sent to a chat, in order."""
    return [entry["params"]["text"] for entry in vendors.telegram.sent if entry["chat_id"] == chat]


async def states(desk: Desk, thread: str) -> list[str]:
    """The states of the replies of a thread."""
    return [m["status"] for m in await desk.messages(thread) if m["direction"] == "outbound"]


async def all_are(desk: Desk, thread: str, state: str) -> bool:
    return set(await states(desk, thread)) == {state}


async def waits_for(desk: Desk, reply: Json, reason: str) -> bool:
    """Whether a reply says that it waits for this reason."""
    found = await desk.message(reply["conversation_id"], reply["id"])
    return found["status"] == "queued" and reason in found["reason"]


async def answered_in_vain(desk: Desk, vendors: Vendors, chats: dict[int, str]) -> list[str]:
    """What everybody is written while the channel is down; the first of it has been tried, and backs off."""
    await vendors.telegram.turn("down")
    texts = [f"{number}" for number in range(5)]
    first = [await desk.reply(thread, texts[0]) for thread in chats.values()]
    await asyncio.gather(*(until(partial(waits_for, desk, reply, "cannot be reached")) for reply in first))
    for text in texts[1:]:
        for thread in chats.values():
            await desk.reply(thread, text)
    return texts


async def test_f37_replies_to_a_channel_that_is_down_for_seven_hours_all_arrive(
    desk: Desk, vendors: Vendors, database: Database
) -> None:
    """They wait, say why, and leave in order when it is back: nobody gave up after some minutes."""
    chats = await threads(desk, vendors)
    texts = await answered_in_vain(desk, vendors, chats)
    for _ in range(7):
        await set_clock(database, HOUR_MS)
        for thread in chats.values():  # but for the moment in which one of them is tried
            await until(partial(all_are, desk, thread, "queued"))
    await vendors.telegram.turn("ok")
    for chat, thread in chats.items():
        await until(partial(all_are, desk, thread, "sent"), within=60)
        assert arrived(vendors, chat) == texts


async def test_f38_channel_that_slows_down_under_the_rush_keeps_order_and_starves_nobody(
    desk: Desk, vendors: Vendors
) -> None:
    """Everybody comes to it at once: each call takes long, and none is given up or overtaken."""
    chats = await threads(desk, vendors)
    await vendors.telegram.turn("slow", delay=0.5)
    texts = [f"{number}" for number in range(4)]

    async def rush(chat: int) -> None:
        for number in range(10):
            await vendors.telegram.say(f"{number}", chat_id=chat, name=CHATS[chat])

    await asyncio.gather(
        *(rush(chat) for chat in chats),
        *(desk.reply(thread, text) for text in texts for thread in chats.values()),
    )
    for chat, thread in chats.items():
        await until(partial(all_are, desk, thread, "sent"))
        assert sorted(arrived(vendors, chat)) == texts
        found = await desk.messages(thread)
        written = [m["text"] for m in found if m["direction"] == "outbound"]
        assert arrived(vendors, chat) == written
        heard = [m["text"] for m in found if m["direction"] == "inbound"]
        assert heard == ["Buongiorno", *(f"{number}" for number in range(10))]


async def test_f38_flood_that_cannot_be_stored_is_sent_back_and_comes_again(
    tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a database that takes nothing, one batch behind the other: all are told at once."""
    file = tmp_path / "bridge.db"
    async with (
        running(tmp_path, f"sqlite:///{file}", vendors, monkeypatch, WEBHOOK_MODE) as desk,
        aiohttp.ClientSession(desk.url, connector=aiohttp.TCPConnector(limit=0)) as crowd,
    ):
        assert await post_update(desk.http, update(1, "first")) == 200
        held = sqlite3.connect(file, isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
        bodies = [update(number, f"{number}", chat=number % 50 + 1) for number in range(2, 402)]
        async with asyncio.timeout(60):  # in batches it would take longer than any vendor waits
            answers = await asyncio.gather(*(post_update(crowd, body) for body in bodies))
        assert set(answers) == {503}
        held.execute("ROLLBACK")
        held.close()
        assert set(await asyncio.gather(*(post_update(crowd, body) for body in bodies))) == {200}


async def test_f39_late_receipt_after_another_way_was_taken_sends_nothing_again(
    desk: Desk, vendors: Vendors
) -> None:
    """An SMS failed, so the agent wrote on Telegram; then the operator delivers it after all."""
    await vendors.sms.say("Salve", sender=PHONE)
    phone, chats = await desk.conversation(SHOWN), await threads(desk, vendors)
    failed = await desk.reply(phone, "Siamo aperti")
    await desk.becomes(failed, "sent", "delivered")
    sid = vendors.sms.sent[0]["sid"]
    elsewhere = await desk.reply(chats[1001], "Siamo aperti")
    await desk.becomes(elsewhere, "sent")
    before = await desk.message(phone, failed["id"])
    for state in ("undelivered", "sent", "delivered", "delivered"):
        await receipt(desk, vendors, sid, state)
    after = await desk.message(phone, failed["id"])
    assert after["status"] in ("delivered", "failed")
    assert before["status"] != "delivered" or after["status"] == "delivered"
    assert [entry["body"] for entry in vendors.sms.sent] == ["Siamo aperti"]
    assert arrived(vendors, 1001) == ["Siamo aperti"]


async def receipt(desk: Desk, vendors: Vendors, sid: str, state: str) -> None:
    """Twilio's word on a message."""
    form = {"MessageSid": sid, "MessageStatus": state, "AccountSid": vendors.sms.account.sid}
    assert await post_form(desk.http, vendors, desk.url, form, "/webhooks/twilio/status") == 200


@pytest.mark.parametrize("hours", [-1, 1])
async def test_f40_clock_that_is_set_while_replies_wait_delays_none_and_keeps_their_order(
    desk: Desk, vendors: Vendors, database: Database, hours: int
) -> None:
    """What backs off does so by the database's clock: set back, it would sleep for that much longer."""
    chats = await threads(desk, vendors)
    texts = await answered_in_vain(desk, vendors, chats)
    await set_clock(database, hours * HOUR_MS)
    await vendors.telegram.turn("ok")
    for chat, thread in chats.items():
        await until(partial(all_are, desk, thread, "sent"), within=60)
        assert arrived(vendors, chat) == texts
