"""The stand-in for Telegram, as aiogram sees it."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramNotFound,
    TelegramUnauthorizedError,
)
from aiogram.methods import SendMessage
from aiogram.types import (
    BufferedInputFile,
    InputMediaPhoto,
    InputMediaVideo,
    MediaUnion,
    ReplyParameters,
    Update,
)

from bridge.sandbox import samples
from bridge.sandbox.telegram_kinds import KINDS
from bridge.sandbox.vendors import Vendors
from tests.sandbox.conftest import Receiver, until


async def test_bot_introduces_itself_with_the_id_of_its_token(vendors: Vendors, bot: Bot) -> None:
    """A channel's identity is the bot's id, so token and getMe must agree."""
    me = await bot.get_me()
    assert (me.id, me.first_name, me.username) == (bot.id, "Bottega Lume", "bottegalume_bot")


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_is_an_update_that_aiogram_reads(vendors: Vendors, bot: Bot, kind: str) -> None:
    """The kinds are only worth something if the real client's models accept them whole."""
    await vendors.telegram.say("first", kind="text")
    made = await vendors.telegram.say("hello", kind=kind)
    for update in made.pop("updates", [made]):
        read = Update.model_validate(update, strict=False)
        assert read.event_type in ("message", "edited_message", "my_chat_member")
    got = await bot.get_updates()
    assert got[1].update_id == made["update_id"]


async def test_updates_stay_until_a_later_offset_confirms_them(vendors: Vendors, bot: Bot) -> None:
    """A gateway that dies before it has stored an update must get it again."""
    for text in ("one", "two", "three"):
        await vendors.telegram.say(text)
    first = await bot.get_updates(limit=2)
    assert [u.message.text for u in first if u.message] == ["one", "two"]
    assert [u.update_id for u in await bot.get_updates(limit=2)] == [u.update_id for u in first]
    rest = await bot.get_updates(offset=first[-1].update_id + 1)
    assert [u.message.text for u in rest if u.message] == ["three"]
    assert await bot.get_updates(offset=rest[-1].update_id + 1) == []
    await vendors.telegram.settled()


async def test_long_poll_ends_when_somebody_writes(vendors: Vendors, bot: Bot) -> None:
    """Polling must not add its timeout to a message's way."""
    poll = asyncio.create_task(bot.get_updates(timeout=30))
    await asyncio.sleep(0)
    await vendors.telegram.say("at last")
    got = await asyncio.wait_for(poll, 10)
    assert [update.message.text for update in got if update.message] == ["at last"]


async def test_second_poller_ends_the_first_with_409(vendors: Vendors, bot: Bot) -> None:
    """Two gateways on one bot fight over updates; the operator must be told."""
    first = asyncio.create_task(bot.get_updates(timeout=30))
    await until(lambda: vendors.telegram.updates.polled)
    second = asyncio.create_task(bot.get_updates(timeout=30))
    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates request"):
        await first
    await vendors.telegram.say("x")
    assert len(await second) == 1


async def test_updates_of_kinds_that_were_not_asked_for_are_dropped(vendors: Vendors, bot: Bot) -> None:
    """A forgotten `allowed_updates` is the classic reason why blocks are never noticed."""
    await bot.get_updates(allowed_updates=["message"])
    await vendors.telegram.say(kind="blocked")
    await vendors.telegram.say("back")
    assert [u.event_type for u in await bot.get_updates()] == ["message"]  # the setting lasts


async def test_webhook_and_polling_exclude_each_other(vendors: Vendors, bot: Bot, receiver: Receiver) -> None:
    """A bot whose webhook was left over from elsewhere cannot poll, and Telegram says so."""
    await bot.set_webhook(f"{receiver.base}/webhooks/telegram")
    with pytest.raises(TelegramConflictError, match="webhook is active"):
        await bot.get_updates()
    await bot.delete_webhook()
    assert await bot.get_updates() == []


async def test_webhook_brings_the_secret(vendors: Vendors, bot: Bot, receiver: Receiver) -> None:
    """The secret is all that tells Telegram from anybody else."""
    await bot.set_webhook(f"{receiver.base}/webhooks/telegram", secret_token="s3cret_-")
    made = await vendors.telegram.say("hello")
    await vendors.telegram.settled()
    [hit] = receiver.hits
    assert hit.headers["x-telegram-bot-api-secret-token"] == "s3cret_-"
    assert json.loads(hit.body) == made


async def test_secret_with_other_characters_is_refused(bot: Bot, receiver: Receiver) -> None:
    """Telegram takes A-Z, a-z, 0-9, _ and - only: a made-up secret must be of these."""
    with pytest.raises(TelegramBadRequest, match="unallowed characters"):
        await bot.set_webhook(f"{receiver.base}/x", secret_token="no spaces")


async def test_refused_update_is_repeated_in_order_until_taken(
    vendors: Vendors, bot: Bot, receiver: Receiver
) -> None:
    """503 while the database is away must lose nothing and reorder nothing."""
    receiver.statuses = [503, 500]
    await bot.set_webhook(f"{receiver.base}/webhooks/telegram")
    ids = [(await vendors.telegram.say(text))["update_id"] for text in ("one", "two", "three")]
    await vendors.telegram.settled()
    assert [json.loads(hit.body)["update_id"] for hit in receiver.hits] == [ids[0], *ids[:1], *ids]
    info = await bot.get_webhook_info()
    assert info.pending_update_count == 0
    assert info.last_error_message == "Wrong response from the webhook: 500 Internal Server Error"


async def test_updates_written_before_the_webhook_are_delivered_to_it(
    vendors: Vendors, bot: Bot, receiver: Receiver
) -> None:
    """Changing from polling to webhook loses no message."""
    await vendors.telegram.say("early")
    await bot.set_webhook(f"{receiver.base}/webhooks/telegram")
    await vendors.telegram.settled()
    assert len(receiver.hits) == 1


async def test_webhook_info_counts_what_waits(vendors: Vendors, bot: Bot, receiver: Receiver) -> None:
    """`bridge check` shows this number; it must be true while nothing gets through."""
    await bot.set_webhook("http://127.0.0.1:9/none")
    await vendors.telegram.say("one")
    await vendors.telegram.say("two", chat_id=1002)
    await until(lambda: "last_error_message" in vendors.telegram.updates.info())
    info = await bot.get_webhook_info()
    assert (info.pending_update_count, info.last_error_message) == (2, "Connection refused")


async def test_nothing_is_delivered_beyond_this_machine(vendors: Vendors, bot: Bot) -> None:
    """The page promises that nothing leaves this machine."""
    await bot.set_webhook("https://example.com/webhooks/telegram")
    await vendors.telegram.say("secret")
    await until(lambda: [e for e in vendors.wire.entries() if e["outcome"] == "not on this machine"])


async def test_reply_reaches_the_chat_and_quotes(vendors: Vendors, bot: Bot) -> None:
    """What the phone shows is what the customer would see."""
    await vendors.telegram.say("Is it broken?")
    sent = await bot.send_message(1001, "Yes", reply_parameters=ReplyParameters(message_id=1))
    assert sent.reply_to_message
    assert sent.reply_to_message.text == "Is it broken?"
    chat = vendors.telegram.state()["chats"]["1001"]
    assert [m.get("text") for m in chat["messages"]] == ["Is it broken?", "Yes"]
    assert [entry["params"]["text"] for entry in vendors.telegram.sent] == ["Yes"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("   ", "text is empty"), ("x" * 4097, "is too long"), ("😀" * 2049, "is too long")],
)
async def test_text_that_telegram_refuses_is_refused(
    vendors: Vendors, bot: Bot, text: str, problem: str
) -> None:
    """Lengths count as UTF-16, as Telegram's do."""
    await vendors.telegram.say("hi")
    with pytest.raises(TelegramBadRequest, match=problem):
        await bot.send_message(1001, text)


async def test_longest_text_is_taken(vendors: Vendors, bot: Bot) -> None:
    """The limit itself is not over the limit."""
    await vendors.telegram.say("hi")
    assert (await bot.send_message(1001, "x" * 4096)).text == "x" * 4096


async def test_strangers_blockers_and_lost_messages_are_refused_as_telegram_does(
    vendors: Vendors, bot: Bot
) -> None:
    """The channel tells these apart by status and description."""
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(4242, "who are you?")
    await vendors.telegram.say("hi")
    with pytest.raises(TelegramBadRequest, match="message to be replied not found"):
        await bot.send_message(1001, "x", reply_parameters=ReplyParameters(message_id=99))
    lenient = ReplyParameters(message_id=99, allow_sending_without_reply=True)
    assert (await bot.send_message(1001, "x", reply_parameters=lenient)).reply_to_message is None
    await vendors.telegram.say(kind="blocked")
    with pytest.raises(TelegramForbiddenError, match="bot was blocked by the user"):
        await bot.send_message(1001, "x")
    await vendors.telegram.say(kind="unblocked")
    await bot.send_message(1001, "x")


async def test_wrong_token_and_unknown_method_have_their_own_errors(vendors: Vendors, bot: Bot) -> None:
    """A revoked token is our fault (401) and must not look like an outage."""
    vendors.telegram.token = f"{bot.id}:another"
    with pytest.raises(TelegramUnauthorizedError):
        await bot.get_me()
    vendors.telegram.token = bot.token

    class NoSuchThing(SendMessage):
        __api_method__ = "noSuchThing"

    with pytest.raises(TelegramNotFound, match="method not found"):
        await bot(NoSuchThing(chat_id=1, text="x"))


@pytest.mark.parametrize("how", ["json", "form", "query", "multipart"])
async def test_every_way_to_pass_parameters_works(vendors: Vendors, bot: Bot, how: str) -> None:
    """The Bot API takes four; another client may use another than aiogram."""
    await vendors.telegram.say("hi")
    url = f"{vendors.telegram_base}/bot{bot.token}/SendMessage"  # names are case-insensitive
    fields = {"chat_id": "1001", "text": "ciao è"}
    form = aiohttp.FormData(fields)
    form.add_field("unused", b"x", filename="x")
    data = {"form": fields, "multipart": form}.get(how)
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            url, json=fields if how == "json" else None, params=fields if how == "query" else None, data=data
        ) as response,
    ):
        answer = await response.json()
    assert (response.status, answer["ok"], answer["result"]["text"]) == (200, True, "ciao è")


async def test_files_go_both_ways_unchanged(vendors: Vendors, bot: Bot) -> None:
    """A photo of an agent is a file at Telegram with the same bytes, and so is a customer's voice."""
    made = await vendors.telegram.say("listen", kind="voice")
    file = await bot.get_file(made["message"]["voice"]["file_id"])
    got = await bot.download(file)
    assert got
    assert got.read() == samples.of("voice").data
    upload = BufferedInputFile(samples.photo(2).data, "vaso.jpg")
    sent = await bot.send_photo(1001, upload, caption="Eccolo")
    assert sent.photo
    assert (sent.photo[-1].width, sent.photo[-1].height, sent.caption) == (960, 720, "Eccolo")
    again = await bot.send_photo(1001, sent.photo[-1].file_id)
    assert again.photo
    assert again.photo[-1].file_id == sent.photo[-1].file_id
    for send, kind in ((bot.send_document, "document"), (bot.send_voice, "voice"), (bot.send_video, "video")):
        sample = samples.of(kind)
        message = await send(1001, BufferedInputFile(sample.data, sample.name))
        assert getattr(message, kind).file_size == len(sample.data)


async def test_album_is_one_call_and_several_messages(vendors: Vendors, bot: Bot) -> None:
    """An album's messages share a group id and nothing says where it ends."""
    await vendors.telegram.say("hi")
    video = samples.of("video")
    media: list[MediaUnion] = [
        InputMediaPhoto(media=BufferedInputFile(samples.photo().data, "a.jpg"), caption="due"),
        InputMediaVideo(media=BufferedInputFile(video.data, video.name)),
    ]
    sent = await bot.send_media_group(1001, media)
    assert len({message.media_group_id for message in sent}) == 1
    assert [bool(message.photo) for message in sent] == [True, False]
    with pytest.raises(TelegramBadRequest):
        await bot.send_media_group(1001, media[:1])


async def test_file_limits_are_telegrams(vendors: Vendors, bot: Bot) -> None:
    """A photo has at most 10 MB, and what has over 20 MB cannot be fetched."""
    await vendors.telegram.say("hi")
    with pytest.raises(TelegramBadRequest, match="too big for a photo"):
        await bot.send_photo(1001, BufferedInputFile(bytes(10 * 1024 * 1024 + 1), "big.jpg"))
    big = await bot.send_document(1001, BufferedInputFile(bytes(20 * 1024 * 1024 + 1), "big.bin"))
    assert big.document
    with pytest.raises(TelegramBadRequest, match="file is too big"):
        await bot.get_file(big.document.file_id)


async def test_edit_changes_the_bots_own_message_only(vendors: Vendors, bot: Bot) -> None:
    """As at Telegram: not the customer's, and not into the same."""
    await vendors.telegram.say("mine")
    sent = await bot.send_message(1001, "before")
    edited = await bot.edit_message_text("after", chat_id=1001, message_id=sent.message_id)
    assert getattr(edited, "text", "") == "after"
    with pytest.raises(TelegramBadRequest, match="not modified"):
        await bot.edit_message_text("after", chat_id=1001, message_id=sent.message_id)
    with pytest.raises(TelegramBadRequest, match="to edit not found"):
        await bot.edit_message_text("x", chat_id=1001, message_id=1)


async def test_typing_is_told_to_who_watches(vendors: Vendors, bot: Bot) -> None:
    """The phone shows that an agent writes."""
    await vendors.telegram.say("hi")
    with vendors.feed.watch() as frames:
        await bot.send_chat_action(1001, "typing")
        seen = [frames.get_nowait() for _ in range(frames.qsize())]
    assert {"type": "typing", "vendor": "telegram", "chat_id": 1001} in seen


async def test_raw_update_is_delivered_as_it_is(vendors: Vendors, bot: Bot, receiver: Receiver) -> None:
    """Tests push what no client knows yet."""
    await bot.set_webhook(f"{receiver.base}/w", allowed_updates=[])
    raw = {"update_id": 77, "brand_new_thing": {"of": "tomorrow"}}
    assert await vendors.telegram.say(update=raw) == raw
    await vendors.telegram.settled()
    assert json.loads(receiver.hits[0].body) == raw
