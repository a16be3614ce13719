"""The process is away for a while: what vendors kept for it arrives, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from bridge.sandbox.vendors import Vendors
from tests.bridges import serving
from tests.gateways import Desk, until
from tests.webhooks import WEBHOOK_MODE, post_update, update

NUMBER, SHOWN = "+393331234567", "+39 333 123 4567"


async def inbound(desk: Desk, name: str, count: int) -> list[str]:
    """What a customer has written, once there are so many."""

    async def look() -> list[str] | None:
        found = await desk.messages(await desk.conversation(name))
        texts = [message["text"] for message in found if message["direction"] == "inbound"]
        return texts if len(texts) >= count else None

    return await until(look, within=60)


async def test_f04_message_is_there_when_the_process_dies_right_after_its_2xx(
    tmp_path: Path, database_url: str, vendors: Vendors
) -> None:
    """The commit comes before the answer: a vendor that was thanked never sends again."""
    async with serving(tmp_path, database_url, vendors, WEBHOOK_MODE) as (bridge, desk):
        async with aiohttp.ClientSession(bridge.url) as http:
            assert await post_update(http, update(1, "just in time")) == 200
            bridge.kill()
        await asyncio.to_thread(bridge.start)
        assert await inbound(desk, "Giulia", 1) == ["just in time"]


async def test_f08_restart_with_updates_waiting_drops_none(
    tmp_path: Path, sqlite_url: str, vendors: Vendors
) -> None:
    """Polling goes on where the last commit was: what waited arrives once and in order."""
    async with serving(tmp_path, sqlite_url, vendors) as (bridge, desk):
        for number in range(20):
            await vendors.telegram.say(f"{number}", chat_id=1001, name="Giulia")
        await inbound(desk, "Giulia", 1)
        bridge.kill()
        for number in range(20, 250):  # more than one page of getUpdates
            await vendors.telegram.say(
                f"{number}", chat_id=1001 + number % 2, name=("Giulia", "Marco")[number % 2]
            )
        await asyncio.to_thread(bridge.start)
        await vendors.telegram.settled(within=60)
        odd = [f"{number}" for number in range(21, 250, 2)]
        assert (await everything(desk, "Giulia")) == [f"{n}" for n in range(20)] + [
            f"{n}" for n in range(20, 250, 2)
        ]
        assert (await everything(desk, "Marco")) == odd


async def everything(desk: Desk, name: str) -> list[str]:
    """All texts of a thread, page by page."""
    path, texts, after = f"/api/conversations/{await desk.conversation(name)}/messages", [], 0
    while page := (await desk.get(path, after=after, limit=100))["items"]:
        texts += [message["text"] for message in page]
        after = page[-1]["seq"]
    return texts


async def test_f09_backlog_after_being_offline_arrives_in_order(
    tmp_path: Path, postgresql_url: str, vendors: Vendors
) -> None:
    """Telegram's webhooks found nobody for a while; it tries again until they are taken."""
    async with serving(tmp_path, postgresql_url, vendors, WEBHOOK_MODE) as (bridge, desk):
        await vendors.telegram.say("0", chat_id=1001, name="Giulia")
        await inbound(desk, "Giulia", 1)
        await asyncio.to_thread(bridge.stop)
        for number in range(1, 100):
            await vendors.telegram.say(f"{number}", chat_id=1001, name="Giulia")
        await asyncio.to_thread(bridge.start)
        await vendors.telegram.settled(within=60)
        assert await inbound(desk, "Giulia", 100) == [f"{number}" for number in range(100)]


async def test_f12_crash_after_the_vendor_accepted_sends_nothing_twice(
    tmp_path: Path, database_url: str, vendors: Vendors
) -> None:
    """It was accepted and nobody wrote it down: Twilio is asked, for Telegram a person is."""
    async with serving(tmp_path, database_url, vendors, WEBHOOK_MODE) as (bridge, desk):
        await vendors.telegram.say("Buongiorno", chat_id=1001, name="Giulia")
        await vendors.sms.say("Salve", sender=NUMBER)
        threads = [await desk.conversation(name) for name in ("Giulia", SHOWN)]
        for vendor in vendors.all.values():
            await vendor.turn("slow", delay=600)
        texts = ("to the chat", "to the phone")
        written = [await desk.reply(thread, text) for thread, text in zip(threads, texts, strict=True)]
        await until(lambda: both_accepted(vendors), within=60)
        bridge.kill()
        await vendors.restore()
        await asyncio.to_thread(bridge.start)
        assert (await desk.becomes(written[0], "unknown", within=60))["reason"]
        await desk.becomes(written[1], "sent", "delivered", within=60)
        # What follows goes out after what is unclear, and only once too.
        await desk.becomes(await desk.reply(threads[0], "and more"), "sent", within=60)
        assert [entry["params"]["text"] for entry in vendors.telegram.sent] == ["to the chat", "and more"]
        assert [entry["body"] for entry in vendors.sms.sent] == ["to the phone"]


async def test_f12_question_that_the_crash_interrupted_is_asked_again(
    tmp_path: Path, sqlite_url: str, vendors: Vendors
) -> None:
    """Twilio was asked what became of a reply and did not answer before the end: the next start asks."""
    async with serving(tmp_path, sqlite_url, vendors) as (bridge, desk):
        await vendors.sms.say("Salve", sender=NUMBER)
        thread = await desk.conversation(SHOWN)
        await vendors.sms.turn("lose", times=1)
        reply = await desk.becomes(await desk.reply(thread, "once"), "unknown")
        await vendors.sms.turn("down")
        bridge.kill()
        await vendors.restore()
        await asyncio.to_thread(bridge.start)
        await desk.becomes(reply, "sent", "delivered", within=60)
        assert [entry["body"] for entry in vendors.sms.sent] == ["once"]


async def both_accepted(vendors: Vendors) -> bool:
    """The vendors have the messages, and have not said so."""
    return bool(vendors.telegram.sent and vendors.sms.sent)
