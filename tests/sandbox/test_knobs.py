"""How a vendor can be broken, and what its client then sees."""

from __future__ import annotations

import time

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramNetworkError, TelegramRetryAfter
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from bridge.sandbox.vendors import Vendors
from tests.sandbox.conftest import Receiver, until

MARCO = "+393331234567"


async def test_down_refuses_connections_and_comes_back_on_the_same_port(vendors: Vendors, bot: Bot) -> None:
    """A dead host refuses; a gateway must see that nothing was sent, also on a connection it had open."""
    await vendors.telegram.say("hi")
    await bot.send_message(1001, "before")
    await vendors.telegram.turn("down")
    for _ in range(2):
        with pytest.raises(TelegramNetworkError) as caught:
            await bot.send_message(1001, "lost")
        assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)
    await vendors.telegram.turn("ok")
    await bot.send_message(1001, "after")
    assert [entry["params"]["text"] for entry in vendors.telegram.sent] == ["before", "after"]


async def test_lost_answer_means_that_the_message_arrived(vendors: Vendors, bot: Bot, twilio: Client) -> None:
    """This is what makes a reply unknown: taken, recorded, and cut."""
    await vendors.telegram.say("hi")
    await vendors.telegram.turn("lose")
    with pytest.raises(TelegramNetworkError, match=r"Server disconnected|reset"):
        await bot.send_message(1001, "did it arrive?")
    assert [entry["params"]["text"] for entry in vendors.telegram.sent] == ["did it arrive?"]
    assert (await bot.get_me()).is_bot  # only what sends is lost
    await vendors.sms.turn("lose")
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await twilio.messages.create_async(to=MARCO, from_=vendors.sms.account.number, body="and this?")
    assert [m.body for m in await twilio.messages.list_async(to=MARCO)] == ["and this?"]


async def test_429_names_the_pause_and_sends_nothing(vendors: Vendors, bot: Bot, twilio: Client) -> None:
    """`retry_after` is the vendor's word; what got it was never processed."""
    await vendors.telegram.say("hi")
    await vendors.telegram.turn("429", retry_after=7)
    with pytest.raises(TelegramRetryAfter) as flood:
        await bot.send_message(1001, "x")
    assert flood.value.retry_after == 7
    await vendors.sms.turn("429", retry_after=3)
    with pytest.raises(TwilioRestException) as busy:
        await twilio.messages.create_async(to=MARCO, from_=vendors.sms.account.number, body="x")
    assert (busy.value.status, busy.value.code) == (429, 20429)
    assert vendors.telegram.sent == vendors.sms.sent == []


async def test_5xx_is_what_a_front_answers(vendors: Vendors, bot: Bot, twilio: Client) -> None:
    """Telegram's is HTML that its client cannot read, Twilio's is JSON."""
    await vendors.telegram.turn("5xx")
    with pytest.raises(ClientDecodeError):
        await bot.get_me()
    await vendors.sms.turn("5xx")
    with pytest.raises(TwilioRestException) as caught:
        await twilio.api.accounts(vendors.sms.account.sid).fetch_async()
    assert (caught.value.status, caught.value.code) == (503, 20503)


async def test_slow_takes_its_time_and_then_answers(vendors: Vendors, bot: Bot) -> None:
    """The message is taken at once; only its answer is late."""
    await vendors.telegram.say("hi")
    await vendors.telegram.turn("slow", delay=0.2)
    started = time.monotonic()
    await bot.send_message(1001, "x")
    assert time.monotonic() - started >= 0.2


async def test_fault_for_a_number_of_calls_ends_by_itself(vendors: Vendors, bot: Bot) -> None:
    """Tests need exactly one lost answer, not a window of time."""
    await vendors.telegram.say("hi")
    await vendors.telegram.turn("429", times=2, retry_after=1)
    for _ in range(2):
        with pytest.raises(TelegramRetryAfter):
            await bot.send_message(1001, "x")
    await bot.send_message(1001, "x")
    assert vendors.telegram.knobs.mode == "ok"


async def test_fault_for_a_number_of_calls_spares_a_bot_that_polls(vendors: Vendors, bot: Bot) -> None:
    """Else chance would say whether the send under test is hit, or a poll beside it."""
    await vendors.telegram.say("hi")
    await vendors.telegram.turn("5xx", times=1)
    assert len(await bot.get_updates()) == 1
    with pytest.raises(ClientDecodeError):
        await bot.send_message(1001, "x")
    await vendors.telegram.turn("5xx")
    with pytest.raises(ClientDecodeError):
        await bot.get_updates()


async def test_customers_words_wait_while_their_vendor_is_down(
    vendors: Vendors, bot: Bot, receiver: Receiver
) -> None:
    """A vendor that is down delivers nothing, and later all of it."""
    await bot.set_webhook(f"{receiver.base}/t")
    vendors.sms.account.webhook = f"{receiver.base}/s"
    for vendor in vendors.all.values():
        await vendor.turn("down")
    await vendors.telegram.say("anybody?")
    await vendors.sms.say("hello?")
    assert receiver.hits == []
    await vendors.restore()
    await until(lambda: sorted(hit.path for hit in receiver.hits) == ["/s", "/t"])


async def test_dropped_webhooks_are_lost_at_twilio_and_kept_at_telegram(
    vendors: Vendors, bot: Bot, twilio: Client, receiver: Receiver
) -> None:
    """Telegram holds an update for a day; an SMS is only in the message list."""
    await bot.set_webhook(f"{receiver.base}/t")
    vendors.sms.account.webhook = f"{receiver.base}/s"
    for vendor in vendors.all.values():
        await vendor.turn("ok", drop_webhooks=True)
    await vendors.telegram.say("kept")
    await vendors.sms.say("lost", sender=MARCO)
    assert receiver.hits == []
    assert (await bot.get_webhook_info()).pending_update_count == 1
    await vendors.restore()
    await vendors.telegram.settled()
    assert [hit.path for hit in receiver.hits] == ["/t"]
    assert [m.body for m in await twilio.messages.list_async(from_=MARCO)] == ["lost"]
