"""The way out: a reply reaches its vendor once, in order, and its fate is always known or flagged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox.vendors import Vendors
from tests.gateways import Desk, Json, running, until

NUMBER = "+393331234567"
# Two pieces on Telegram.
LONG = " ".join(f"parola{number}" for number in range(700))


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    """Telegram and Twilio."""
    async with Vendors(pace=0.01) as made:
        yield made


@pytest.fixture
async def desk(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """Anna before a running gateway."""
    async with running(tmp_path, database_url, vendors, monkeypatch) as made:
        yield made


async def giulia(desk: Desk) -> str:
    """The conversation with a customer who wrote on Telegram."""
    await desk.vendors.telegram.say("Buongiorno", chat_id=1001, name="Giulia")
    return await desk.conversation("Giulia")


def texts(vendors: Vendors) -> list[str]:
    """What the bot sent, in order."""
    return [entry["params"].get("text", "") for entry in vendors.telegram.sent]


async def test_reply_reaches_telegram_and_is_sent(desk: Desk) -> None:
    """The first thing anybody tries."""
    conversation = await giulia(desk)
    reply = await desk.reply(conversation, "Salve!")
    await desk.becomes(reply, "sent")
    assert texts(desk.vendors) == ["Salve!"]


async def test_reply_reaches_a_phone_by_sms_and_is_delivered(desk: Desk) -> None:
    """The receipts come back by webhook."""
    await desk.vendors.sms.say("C'è posto?", sender=NUMBER)
    conversation = await first(desk)
    reply = await desk.reply(conversation, "Sì")
    await desk.becomes(reply, "delivered")
    assert [entry["body"] for entry in desk.vendors.sms.sent] == ["Sì"]


async def first(desk: Desk) -> str:
    """The only conversation."""

    async def look() -> str | None:
        items = (await desk.get("/api/conversations"))["items"]
        return items[0]["id"] if items else None

    return await until(look)


async def test_recording_leaves_as_a_voice_message(desk: Desk) -> None:
    """As the customer's own do: played in the chat, not a file to open elsewhere."""
    conversation = await giulia(desk)
    recording = b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead\x01\x01" + bytes(17)
    async with desk.http.post("/api/files", params={"name": "nota.ogg"}, data=recording) as made:
        file = await made.json()
    await desk.becomes(await desk.reply(conversation, "", attachments=[file["id"]]), "sent")
    assert [entry["method"] for entry in desk.vendors.telegram.sent] == ["sendVoice"]


async def test_replies_of_a_conversation_leave_in_order(desk: Desk) -> None:
    """Ten quick replies are read in the order they were written (I3)."""
    conversation = await giulia(desk)
    written = [await desk.reply(conversation, f"reply {number}") for number in range(10)]
    for reply in written:
        await desk.becomes(reply, "sent")
    assert texts(desk.vendors) == [f"reply {number}" for number in range(10)]


async def test_cut_connection_is_unknown_and_never_sent_again(desk: Desk) -> None:
    """The vendor took it, its answer never came: nobody knows, a person decides (I6)."""
    conversation = await giulia(desk)
    await desk.vendors.telegram.turn("lose", times=1)
    reply = await desk.reply(conversation, "once")
    shown = await desk.becomes(reply, "unknown")
    assert shown["reason"]
    assert texts(desk.vendors) == ["once"]
    await desk.post(f"/api/messages/{reply['id']}/settle", {"as": "again"})
    await desk.becomes(reply, "sent")
    assert texts(desk.vendors) == ["once", "once"]


async def test_cut_sms_is_found_at_twilio(desk: Desk) -> None:
    """Twilio can be asked: what it has was sent."""
    await desk.vendors.sms.say("Ci siete?", sender=NUMBER)
    conversation = await first(desk)
    await desk.vendors.sms.turn("lose", times=1)
    reply = await desk.reply(conversation, "Eccoci")
    await desk.becomes(reply, "sent", "delivered")
    assert [entry["body"] for entry in desk.vendors.sms.sent] == ["Eccoci"]


async def test_refused_connection_is_tried_again_in_order(desk: Desk) -> None:
    """What never left is tried again, and what follows waits for it."""
    conversation = await giulia(desk)
    await desk.vendors.telegram.turn("down")
    one, two = [await desk.reply(conversation, text) for text in ("one", "two")]
    waiting = await desk.becomes(one, "queued")
    await until(lambda: _reason(desk, one))
    assert waiting["status"] == "queued"
    await desk.vendors.telegram.turn("ok")
    await desk.becomes(one, "sent", within=30)
    await desk.becomes(two, "sent", within=30)
    assert texts(desk.vendors) == ["one", "two"]


async def _reason(desk: Desk, reply: Json) -> str:
    return str((await desk.message(reply["conversation_id"], reply["id"]))["reason"])


async def test_429_pauses_the_whole_bot(desk: Desk) -> None:
    """After `retry_after` it goes on, and no second 429 is caused meanwhile."""
    await desk.vendors.telegram.say("Uno", chat_id=1001, name="Giulia")
    await desk.vendors.telegram.say("Due", chat_id=1002, name="Marco")
    chats = [await desk.conversation(name) for name in ("Giulia", "Marco")]
    await desk.vendors.telegram.turn("429", retry_after=2)
    hit = await desk.reply(chats[0], "to giulia")
    await until(lambda: _reason(desk, hit))
    other = await desk.reply(chats[1], "to marco")
    await desk.vendors.telegram.turn("ok")
    for reply in (hit, other):
        await desk.becomes(reply, "sent", within=20)
    throttled = [entry for entry in desk.vendors.wire.entries() if entry["outcome"] == "429"]
    assert len(throttled) == 1


async def test_blocked_bot_closes_the_address(desk: Desk) -> None:
    """The customer blocked the bot: no retry, the address is closed, the agent is told."""
    conversation = await giulia(desk)
    await desk.vendors.telegram.say(kind="blocked", chat_id=1001)
    assert await until(lambda: _blocked(desk, conversation))
    body: dict[str, Any] = {"text": "Ci sei?", "client_id": "c"}
    answer = await desk.post(f"/api/conversations/{conversation}/messages", body, status=(409,))
    assert answer["reason"] == "blocked"


async def _blocked(desk: Desk, conversation: str) -> str:
    found = await desk.get(f"/api/conversations/{conversation}")
    return str(found["route"]["blocked"])


async def test_long_text_is_split_on_a_word(desk: Desk) -> None:
    """Over 4096 characters Telegram wants several messages; the reply stays one."""
    conversation = await giulia(desk)
    reply = await desk.reply(conversation, LONG)
    await desk.becomes(reply, "sent")
    assert len(texts(desk.vendors)) == 2
    assert " ".join(texts(desk.vendors)) == LONG


async def test_failed_sms_goes_once_more_when_told(desk: Desk) -> None:
    """Twilio took it and the phone was off: the agent sends it again, and only that."""
    await desk.vendors.sms.say("C'è posto?", sender=NUMBER)
    conversation = await first(desk)
    desk.vendors.sms.account.dead[NUMBER] = 30003
    reply = await desk.becomes(await desk.reply(conversation, "Sì"), "failed")
    assert "30003" in reply["reason"]
    desk.vendors.sms.account.dead.clear()
    await desk.post(f"/api/messages/{reply['id']}/retry", {})
    await desk.becomes(reply, "delivered")
    assert [entry["body"] for entry in desk.vendors.sms.sent] == ["Sì", "Sì"]


async def test_rest_of_a_long_reply_follows_when_its_unclear_piece_arrived(desk: Desk) -> None:
    """The agent saw the first piece at the customer's: what comes after it was never sent."""
    conversation = await giulia(desk)
    await desk.vendors.telegram.turn("lose", times=1)
    reply = await desk.becomes(await desk.reply(conversation, LONG), "unknown")
    await desk.post(f"/api/messages/{reply['id']}/settle", {"as": "arrived"})
    await desk.becomes(reply, "sent")
    assert " ".join(texts(desk.vendors)) == LONG


async def test_expired_reply_says_so(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past its deadline a reply is given up, never silently (I5)."""
    settings = {"BRIDGE_REPLY_DEADLINE": "0.5"}
    async with running(tmp_path, database_url, vendors, monkeypatch, settings) as desk:
        conversation = await giulia(desk)
        await vendors.telegram.turn("down")
        reply = await desk.reply(conversation, "too late")
        await desk.becomes(reply, "expired", within=20)
        await vendors.telegram.turn("ok")
        again = await desk.post(f"/api/messages/{reply['id']}/retry", {})
        await desk.becomes(again, "sent", within=20)


async def test_note_never_leaves(desk: Desk) -> None:
    """A note is for the team."""
    conversation = await giulia(desk)
    note = await desk.reply(conversation, "cliente difficile", kind="note")
    reply = await desk.reply(conversation, "Salve")
    await desk.becomes(reply, "sent")
    assert note["status"] == "noted"
    assert texts(desk.vendors) == ["Salve"]
