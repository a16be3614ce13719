"""What vendors' calls are answered, and what is never stored."""

from __future__ import annotations

import re
from io import BytesIO

import aiohttp
import pytest

from bridge.sandbox.vendors import Vendors
from tests.bridges import Bridge
from tests.gateways import Desk, Json
from tests.webhooks import TELEGRAM_SECRET, post_form, post_update, sms, update

pytestmark = pytest.mark.asyncio(loop_scope="session")
SECRET = {"X-Telegram-Bot-Api-Secret-Token": TELEGRAM_SECRET}
JSON = {"Content-Type": "application/json"}


async def names(desk: Desk) -> set[str]:
    """Everybody who has a conversation."""
    items = (await desk.get("/api/conversations", limit=100))["items"]
    return {item["contact"]["name"] for item in items}


async def refused(http: aiohttp.ClientSession) -> float:
    """The refused webhooks of Telegram so far, from the figures."""
    async with http.get("/metrics") as answer:
        figures = await answer.text()
    lines = [line for line in figures.splitlines() if "webhook" in line and "refused" in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.search(r"telegram", line))


async def problem(answer: aiohttp.ClientResponse, status: int) -> None:
    """It is a refusal in the one shape that refusals have."""
    body = await answer.json()
    assert (answer.status, answer.content_type) == (status, "application/problem+json"), body
    assert body["title"]


async def test_serving_sets_the_webhook_with_its_url_and_secret(vendors: Vendors, bridge: Bridge) -> None:
    """The operator sets two variables, and Telegram knows where to call."""
    hook = vendors.telegram.updates.info()
    assert hook["url"] == f"{bridge.url}/webhooks/telegram"
    assert "message" in hook["allowed_updates"]
    await vendors.telegram.say("by Telegram itself", chat_id=999_001, name="By Webhook")
    await vendors.telegram.settled(within=30)  # with the secret, or it would never be


async def test_webhook_with_wrong_secret_is_refused(
    stranger: aiohttp.ClientSession, desk: Desk, chat: int
) -> None:
    """403, nothing stored, counted."""
    before = await refused(stranger)
    body = update(chat, "forged", chat=chat, name=f"Mallory {chat}")
    wrong = ("", "wrong", TELEGRAM_SECRET[:-1], TELEGRAM_SECRET + "x", "\u00e9")
    for secret in wrong:
        assert await post_update(stranger, body, secret) == 403
    async with stranger.post("/webhooks/telegram", json=body) as answer:
        await problem(answer, 403)
    assert f"Mallory {chat}" not in await names(desk)
    assert await refused(stranger) == before + len(wrong) + 1


async def test_sms_with_wrong_signature_is_refused(
    stranger: aiohttp.ClientSession, desk: Desk, vendors: Vendors, bridge: Bridge, chat: int
) -> None:
    """Signed for another URL, or not at all."""
    form = sms(vendors, f"SM{chat:032}", "forged", sender=f"+39340000{chat}")
    assert await post_form(stranger, vendors, "https://elsewhere.example", form) == 403
    async with stranger.post("/webhooks/twilio", data=form) as answer:
        await problem(answer, 403)
    assert not [name for name in await names(desk) if name.endswith(str(chat))]


async def test_true_sms_is_answered_with_twiml_that_does_nothing(
    stranger: aiohttp.ClientSession, vendors: Vendors, bridge: Bridge, chat: int
) -> None:
    """Twilio sends the body of our answer to the customer: it must be no text."""
    from twilio.request_validator import RequestValidator

    form = sms(vendors, f"SM{chat:032}", "Salve", sender=f"+39340000{chat}")
    url = f"{bridge.url}/webhooks/twilio"
    signature = RequestValidator(vendors.sms.account.token).compute_signature(url, form)
    async with stranger.post(url, data=form, headers={"X-Twilio-Signature": signature}) as answer:
        assert (answer.status, answer.content_type) == (200, "text/xml")
        assert "<Response/>" in await answer.text()


@pytest.mark.parametrize("path", ["whatsapp", "telegram/2", "nothing", "twilio/nothing"])
async def test_webhook_of_a_channel_that_is_off_is_404(stranger: aiohttp.ClientSession, path: str) -> None:
    """Nobody listens there, nor answers the question by which WhatsApp begins."""
    async with stranger.post(f"/webhooks/{path}", json={}) as answer:
        await problem(answer, 404)
    async with stranger.get(f"/webhooks/{path}", params={"hub.challenge": "1"}) as answer:
        await problem(answer, 404)


async def test_webhook_is_not_for_reading(stranger: aiohttp.ClientSession) -> None:
    """Somebody who opens its address in a browser learns that it is there, and that it is posted to."""
    async with stranger.get("/webhooks/telegram") as answer:
        await problem(answer, 405)
        assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b"[]", b'"x"', b"\xff\xfe", b"null"])
async def test_broken_json_is_400(stranger: aiohttp.ClientSession, body: bytes) -> None:
    """As a problem, and nothing is stored."""
    async with stranger.post("/webhooks/telegram", data=body, headers={**SECRET, **JSON}) as answer:
        await problem(answer, 400)


async def test_wrong_type_is_415(stranger: aiohttp.ClientSession) -> None:
    """A form for Telegram, JSON for Twilio."""
    async with stranger.post("/webhooks/telegram", data={"a": "b"}, headers=SECRET) as answer:
        await problem(answer, 415)
    async with stranger.post("/webhooks/twilio", json={"a": "b"}) as answer:
        await problem(answer, 415)


async def test_body_over_the_limit_is_413(stranger: aiohttp.ClientSession, desk: Desk, chat: int) -> None:
    """Announced or not, it is not read to its end."""

    async def endless() -> object:
        for _ in range(64):
            yield b"x" * 65536

    for data in (BytesIO(b"x" * 4_000_000), endless()):
        try:
            async with stranger.post("/webhooks/telegram", data=data, headers={**SECRET, **JSON}) as answer:
                await problem(answer, 413)
        except aiohttp.ClientOSError:
            pass  # the connection was closed while we were still sending: as good a refusal
    assert f"Customer {chat}" not in await names(desk)


async def test_form_that_is_none_is_400(stranger: aiohttp.ClientSession) -> None:
    """Bytes that no encoding explains."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with stranger.post("/webhooks/twilio", data=b"%ff%fe=%zz&&&=\xff", headers=headers) as answer:
        await problem(answer, 400)


STOPS = ("STOP", "stop", " Stop ", "\tstop\n", "STOPALL", "Unsubscribe", "cancel", "END", "quit")


@pytest.mark.parametrize("word", STOPS)
async def test_opt_out_word_closes_the_number(desk: Desk, vendors: Vendors, chat: int, word: str) -> None:
    """In any case, with blanks around, without `OptOutType`."""
    sender = f"+39340000{chat}"
    for number, text in enumerate(("Salve", word)):
        form = sms(vendors, f"SM{chat:020}{number:012}", text, sender=sender)
        assert await post_form(desk.http, vendors, desk.url, form) == 200
    conversation = await phone(desk, chat)
    body = {"text": "Offerta!", "client_id": "c"}
    answer = await desk.post(f"/api/conversations/{conversation}/messages", body, status=(409,))
    assert answer["detail"]


@pytest.mark.parametrize("text", ["Stop calling me please", "non-stop", "stopped", "Please do not end this"])
async def test_sentence_with_such_a_word_closes_nothing(
    desk: Desk, vendors: Vendors, chat: int, text: str
) -> None:
    """Twilio acts on single words; a customer's sentence is for a person to read."""
    form = sms(vendors, f"SM{chat:032}", text, sender=f"+39340000{chat}")
    assert await post_form(desk.http, vendors, desk.url, form) == 200
    await desk.reply(await phone(desk, chat), "Certo")


async def test_start_opens_and_sends_nothing_that_was_refused(
    desk: Desk, vendors: Vendors, chat: int
) -> None:
    """What was refused stays refused; the next reply goes."""
    sender = f"+39340000{chat}"
    await vendors.sms.say("Salve", sender=sender)
    conversation = await phone(desk, chat)
    await vendors.sms.say("STOP", sender=sender)
    body = {"text": "refused", "client_id": "c"}
    await desk.post(f"/api/conversations/{conversation}/messages", body, status=(409,))
    await vendors.sms.say(" start ", sender=sender)
    await desk.becomes(await desk.reply(conversation, "Bentornato"), "delivered", within=60)
    sent = [entry["body"] for entry in vendors.sms.sent if entry["to"] == sender]
    assert sent == ["Bentornato"]


async def test_21610_closes_the_number_too(desk: Desk, vendors: Vendors, chat: int) -> None:
    """The STOP was sent to another system of ours; Twilio knows it and refuses."""
    sender = f"+39340000{chat}"
    await vendors.sms.say("Salve", sender=sender)
    conversation = await phone(desk, chat)
    vendors.sms.account.opted_out.add(sender)
    await desk.becomes(await desk.reply(conversation, "Offerta!"), "rejected", within=60)
    body = {"text": "Altra!", "client_id": "c"}
    await desk.post(f"/api/conversations/{conversation}/messages", body, status=(409,))


async def phone(desk: Desk, chat: int) -> str:
    """The conversation with the phone whose number ends so."""
    items: list[Json] = (await desk.get("/api/conversations", channel="sms", limit=100))["items"]
    found = {item["contact"]["name"].replace(" ", "")[-4:]: str(item["id"]) for item in items}
    return found[str(chat)]
