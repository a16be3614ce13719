"""What happens between a reply and its vendor: lost answers, pauses, refusals, silence."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import yarl

from bridge.ids import new_id
from bridge.models import Limits
from bridge.sandbox.vendors import Vendors
from bridge.store import engine, replies
from bridge.store.outgoing import Carrier, Draft
from tests import proxies
from tests.gateways import Desk, Json, running, until
from tests.webhooks import WEBHOOK_MODE, post_form, post_update, update

NUMBER = "+393331234567"
SHOWN = "+39 333 123 4567"


async def giulia(desk: Desk, chat: int = 1001, name: str = "Giulia") -> str:
    """The conversation with a customer on Telegram."""
    await desk.vendors.telegram.say("Buongiorno", chat_id=chat, name=name)
    return await desk.conversation(name)


async def phone(desk: Desk) -> str:
    """The conversation with a customer by SMS."""
    await desk.vendors.sms.say("Salve", sender=NUMBER)
    return await desk.conversation(SHOWN)


def bot_texts(vendors: Vendors) -> list[str]:
    """What the bot has sent, in order."""
    return [entry["params"]["text"] for entry in vendors.telegram.sent]


def sms_texts(vendors: Vendors) -> list[str]:
    """What the number has sent, in order."""
    return [entry["body"] for entry in vendors.sms.sent]


def calls(vendors: Vendors, outcome: str) -> list[Json]:
    """The calls that ended so, as the wire saw them."""
    return [entry for entry in vendors.wire.entries() if entry["outcome"] == outcome]


async def test_f07_short_text_waits_until_the_long_one_before_it_was_accepted(
    desk: Desk, vendors: Vendors
) -> None:
    """A long SMS takes its time at Twilio; one that overtakes it turns the meaning around."""
    number = await phone(desk)
    await vendors.sms.turn("slow", delay=0.5)
    written = [await desk.reply(number, text) for text in ("No, " + "davvero " * 150, "Sì")]
    for reply in written:
        await desk.becomes(reply, "delivered")
    assert sms_texts(vendors) == [reply["text"] for reply in written]
    first, second = (entry for entry in vendors.wire.entries() if entry["outcome"] == "201")
    began = datetime.fromisoformat(second["at"]) - timedelta(milliseconds=second["ms"])
    assert began >= datetime.fromisoformat(first["at"])


async def test_f11_send_whose_answer_was_lost_is_not_sent_twice(desk: Desk, vendors: Vendors) -> None:
    """Telegram cannot be asked, so a person is; Twilio can, and knows it was sent."""
    chat, number = await giulia(desk), await phone(desk)
    for vendor in vendors.all.values():
        await vendor.turn("lose", times=1)
    lost = await desk.reply(chat, "once"), await desk.reply(number, "once too")
    assert (await desk.becomes(lost[0], "unknown"))["reason"]
    assert (await desk.get(f"/api/conversations/{chat}"))["unsettled"] == 1
    await desk.becomes(lost[1], "sent", "delivered")
    assert (bot_texts(vendors), sms_texts(vendors)) == (["once"], ["once too"])


async def test_f11_f36_network_that_cuts_or_swallows_a_call_makes_no_copy(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor has each of them, once, and we have an answer to none."""
    async with proxies.before(yarl.URL(vendors.telegram_base).port or 0) as network:
        settings = {
            "TELEGRAM_API_BASE": f"http://127.0.0.1:{network.port}", "BRIDGE_SEND_TIMEOUT": "2",
            **WEBHOOK_MODE,
        }  # fmt: skip
        async with running(tmp_path, database_url, vendors, monkeypatch, settings) as desk:
            assert await post_update(desk.http, update(1, "Buongiorno")) == 200
            chat = await desk.conversation("Giulia")
            await desk.becomes(await desk.reply(chat, "warm"), "sent")
            await network.turn("cut")
            await desk.becomes(await desk.reply(chat, "cut"), "unknown")
            assert network.cut
            await network.turn("mute")
            swallowed = await desk.reply(chat, "swallowed")
            await desk.becomes(await settled(desk, chat, "cut"), "sent")
            await desk.becomes(swallowed, "unknown")
            await network.turn("pass")
            await settled(desk, chat, "swallowed")
            await desk.becomes(await desk.reply(chat, "well again"), "sent")
        assert bot_texts(vendors) == ["warm", "cut", "swallowed", "well again"]


async def settled(desk: Desk, chat: str, text: str) -> Json:
    """An agent looks at the phone, and says that a reply is there."""
    reply = next(message for message in await desk.messages(chat) if message["text"] == text)
    return await desk.post(f"/api/messages/{reply['id']}/settle", {"as": "arrived"})


async def test_f13_pause_that_the_vendor_asks_for_is_kept_by_the_whole_bot(
    desk: Desk, vendors: Vendors
) -> None:
    """One 429, then silence for as long as it said, then everything in order."""
    chats = [await giulia(desk, number, name) for number, name in ((1001, "Giulia"), (1002, "Marco"))]
    warm = await desk.reply(chats[0], "0")
    await desk.becomes(warm, "sent")
    await vendors.telegram.turn("429", retry_after=3, times=1)
    written = [await desk.reply(chats[0], "1")]

    async def refused() -> bool:
        return bool(calls(vendors, "429"))

    await until(refused)
    written += [await desk.reply(chat, f"{n}") for n in (2, 3) for chat in chats]
    for reply in written:
        await desk.becomes(reply, "sent")
    assert len(calls(vendors, "429")) == 1
    sends = [entry for entry in calls(vendors, "200") if entry["call"].lower() == "sendmessage"]
    stopped = datetime.fromisoformat(calls(vendors, "429")[0]["at"])
    assert (datetime.fromisoformat(sends[1]["at"]) - stopped).total_seconds() >= 3
    for chat, wanted in ((1001, ["0", "1", "2", "3"]), (1002, ["2", "3"])):
        sent = [entry for entry in vendors.telegram.sent if entry["chat_id"] == chat]
        assert [entry["params"]["text"] for entry in sent] == wanted


async def test_f13_hint_and_courtesy_keep_the_pause_too(desk: Desk, vendors: Vendors) -> None:
    """Telegram counts every call that a chat sees: nobody's typing may bring the next 429."""
    chat = await giulia(desk)
    await vendors.telegram.turn("429", retry_after=3, times=1)
    reply = await desk.reply(chat, "1")

    async def refused() -> bool:
        return bool(calls(vendors, "429"))

    await until(refused)
    async with desk.http.post(f"/api/conversations/{chat}/typing") as answer:
        assert answer.status == 204
    group = {"id": -1001, "type": "supergroup", "title": "Amici"}
    await vendors.telegram.say(update={"message": {"message_id": 1, "date": 1, "chat": group, "text": "Hi"}})
    await desk.becomes(reply, "sent")

    async def sends() -> list[Json] | None:
        found = [entry for entry in vendors.wire.entries() if entry["call"].lower().startswith("send")]
        return found if len(found) == 3 else None

    (first, *others) = await until(sends)
    assert {entry["call"].lower() for entry in others} == {"sendmessage"}
    stopped = datetime.fromisoformat(first["at"])
    assert min((datetime.fromisoformat(entry["at"]) - stopped).total_seconds() for entry in others) >= 3


async def test_f16_text_that_a_vendor_could_take_for_markup_is_sent_as_it_is(
    desk: Desk, vendors: Vendors
) -> None:
    """Half a bold word, a broken tag, a backslash: replies carry no markup, so nothing can be misread."""
    chat = await giulia(desk)
    texts = ["*due_ [tre](quattro", "<b>Sì</i> &amp; <", "``` \\_ ~~|| {{x}}", "/start @tutti #1"]
    for text in texts:
        await desk.becomes(await desk.reply(chat, text), "sent")
    assert bot_texts(vendors) == texts
    assert not any("parse_mode" in entry["params"] for entry in vendors.telegram.sent)


async def test_f17_customer_who_blocked_the_bot_is_left_in_peace(desk: Desk, vendors: Vendors) -> None:
    """The refusal itself closes the address, once; the agent is told, and unblocking opens it again."""
    chat = await giulia(desk)
    await vendors.telegram.turn("ok", drop_webhooks=True)  # so that only the refusal tells
    await vendors.telegram.say(kind="blocked", chat_id=1001)
    reply = await desk.reply(chat, "Ci siete?")
    assert (await desk.becomes(reply, "rejected"))["reason"]
    assert len(calls(vendors, "403")) == 1
    body = {"text": "E ora?", "client_id": new_id()}
    refusal = await desk.post(f"/api/conversations/{chat}/messages", body, status=(409,))
    assert refusal["reason"] == "blocked"
    await vendors.telegram.say(kind="unblocked", chat_id=1001)
    await vendors.telegram.turn("ok", drop_webhooks=False)

    async def open_again() -> bool:
        return not (await desk.get(f"/api/conversations/{chat}"))["route"]["blocked"]

    await until(open_again)
    await desk.becomes(await desk.reply(chat, "Bentornata"), "sent")
    assert bot_texts(vendors) == ["Bentornata"]


async def test_f18_number_that_opted_out_is_not_written_to(desk: Desk, vendors: Vendors) -> None:
    """Twilio's 21610 says what a missed STOP would have; START opens, and sends nothing refused."""
    number = await phone(desk)
    vendors.sms.account.opted_out.add(NUMBER)
    reply = await desk.reply(number, "Offerta!")
    assert "21610" in (await desk.becomes(reply, "rejected"))["reason"]
    body = {"text": "Altra offerta!", "client_id": new_id()}
    refusal = await desk.post(f"/api/conversations/{number}/messages", body, status=(409,))
    assert refusal["reason"] == "opted_out"
    await vendors.sms.say("START", sender=NUMBER)
    await desk.becomes(await desk.reply(number, "Bentornato"), "sent", "delivered")
    assert sms_texts(vendors) == ["Bentornato"]


async def test_f23_receipts_out_of_order_never_take_a_message_back(desk: Desk, vendors: Vendors) -> None:
    """Delivered stays delivered, whatever comes late; a failure after it changes nothing either."""
    number = await phone(desk)
    reply = await desk.becomes(await desk.reply(number, "Eccoci"), "delivered")
    sid = vendors.sms.sent[0]["sid"]
    for state in ("sent", "queued", "delivered", "sent"):
        form = {"MessageSid": sid, "MessageStatus": state, "AccountSid": vendors.sms.account.sid}
        path = "/webhooks/twilio/status"
        assert await post_form(desk.http, vendors, desk.url, form, path) == 200
        assert (await desk.message(number, reply["id"]))["status"] == "delivered"


async def test_f23_receipt_that_overtakes_the_answer_is_kept(desk: Desk, vendors: Vendors) -> None:
    """The phone had it before Twilio's API had answered us."""
    number = await phone(desk)
    await vendors.sms.turn("slow", delay=1.0)
    reply = await desk.reply(number, "Eccoci")
    await desk.becomes(reply, "delivered")
    statuses = [entry for entry in calls(vendors, "200") if entry["call"] == "POST /webhooks/twilio/status"]
    assert len(statuses) == 2  # both came within the second


async def test_f30_reply_whose_wake_up_was_lost_is_found(
    desk: Desk, vendors: Vendors, database_url: str
) -> None:
    """Another node committed and died before it rang: the sweep sends it all the same."""
    chat = await giulia(desk)
    me, channels = await desk.get("/api/me"), (await desk.get("/api/channels"))["items"]
    carrier = Carrier(label="Telegram", limits=Limits(text=4096, part=4096), pulled=False)
    draft = Draft(
        id=new_id(), conversation_id=chat, agent_id=me["id"], kind="reply", text="unheard",
        client_id="unheard", lifetime=60_000,
        carriers={channel["id"]: carrier for channel in channels},
    )  # fmt: skip
    database = engine.connect(database_url)
    async with desk.http.ws_connect("/api/live") as page:
        await database.write(lambda tx: replies.accept(tx, [draft]))
        await database.close()
        await desk.becomes({"conversation_id": chat, "id": draft.id}, "sent")
        assert await shows(page, draft.id)
    assert bot_texts(vendors) == ["unheard"]


async def shows(page: aiohttp.ClientWebSocketResponse, message_id: str) -> bool:
    """Whether an open page is told of a message; it waits until it is."""
    while True:
        frame = await page.receive_json(timeout=30)
        if frame["type"] == "message" and frame["message"]["id"] == message_id:
            return True


async def test_f31_retries_of_everybody_make_one_copy(desk: Desk, vendors: Vendors) -> None:
    """The page asks again, the vendor fails again and again, and the customer gets one message."""
    chat = await giulia(desk)
    await vendors.telegram.turn("5xx", times=3)
    path, body = f"/api/conversations/{chat}/messages", {"text": "once", "client_id": new_id()}
    answers = await asyncio.gather(*(desk.post(path, body) for _ in range(10)))
    assert len({answer["id"] for answer in answers}) == 1
    await desk.becomes(answers[0], "sent")
    assert [await desk.post(path, body) for _ in range(3)]
    await desk.becomes(await desk.reply(chat, "and that is all"), "sent")
    assert bot_texts(vendors) == ["once", "and that is all"]
    assert len([entry for entry in calls(vendors, "502") if entry["call"].lower() == "sendmessage"]) == 3


async def test_f36_send_that_hangs_is_given_up_and_stops_nobody_else(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor took it and says nothing: flagged after the time-out, other customers are served."""
    settings = {"BRIDGE_SEND_TIMEOUT": "1"}
    async with running(tmp_path, database_url, vendors, monkeypatch, settings) as desk:
        chats = [await giulia(desk, number, name) for number, name in ((1001, "Giulia"), (1002, "Marco"))]
        await desk.becomes(await desk.reply(chats[1], "warm"), "sent")
        await vendors.telegram.turn("slow", delay=100, times=1)
        hung, behind = [await desk.reply(chats[0], text) for text in ("hung", "behind")]
        await desk.becomes(hung, "sending", "unknown")
        await desk.becomes(await desk.reply(chats[1], "meanwhile"), "sent")
        await desk.becomes(hung, "unknown")
        await desk.post(f"/api/messages/{hung['id']}/settle", {"as": "arrived"})
        await desk.becomes(behind, "sent")
        assert bot_texts(vendors) == ["warm", "hung", "meanwhile", "behind"]
