"""Sending on Telegram: what goes over the wire, and what each answer means."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.channels.telegram import TelegramChannel
from bridge.errors import AccountRefused, NotSent, Rejected, SendError, Throttled, Unknown, Unreachable
from bridge.models import MediaKind, Sent
from bridge.sandbox.vendors import Vendors
from tests.channels.made import TOKEN, ok, refused, reply, site, stored, telegram
from tests.channels.scripted import Answer, Scripted, scripted

URN = "telegram:42"
TAKEN = ok({"message_id": 9, "date": 1, "chat": {"id": 42, "type": "private"}})


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        made.will(TAKEN)
        yield made


@pytest.fixture
async def bot(vendor: Scripted) -> AsyncIterator[TelegramChannel]:
    channel = telegram(site(send_timeout=2), TELEGRAM_API_BASE=vendor.base)
    yield channel
    await channel.close()


async def test_text_is_sent_as_it_is(bot: TelegramChannel, vendor: Scripted) -> None:
    """F16: no formatting is asked for, so there is nothing that Telegram could fail to parse."""
    sent = await bot.send(reply(URN, "*Sì*, <b>39</b> € _ [x"))
    assert sent == Sent(external_id="42:9")
    (asked,) = vendor.asked
    assert asked.path == f"/bot{TOKEN}/sendMessage"
    assert asked.form == {"chat_id": ["42"], "text": ["*Sì*, <b>39</b> € _ [x"]}
    assert asked.headers["user-agent"] == "bridge/test"


async def test_reply_names_the_message_it_answers(bot: TelegramChannel, vendor: Scripted) -> None:
    """The customer may have deleted it meanwhile: the reply goes out all the same."""
    await bot.send(reply(URN, "Sì", reply_to="42:7"))
    parameters = json.loads(vendor.asked[0].form["reply_parameters"][0])
    assert parameters == {"message_id": 7, "allow_sending_without_reply": True}


@pytest.mark.parametrize("reply_to", ["77:7", "SM123", "42:x"])
async def test_reply_to_a_message_elsewhere_is_sent_plainly(
    bot: TelegramChannel, vendor: Scripted, reply_to: str
) -> None:
    """A conversation crosses channels; Telegram knows only its own messages."""
    await bot.send(reply(URN, "Sì", reply_to=reply_to))
    assert "reply_parameters" not in vendor.asked[0].form


FILES: list[tuple[str, MediaKind, int, str, str]] = [
    ("image/jpeg", "image", 0, "sendPhoto", "photo"),
    ("image/png", "image", 0, "sendPhoto", "photo"),
    ("image/jpeg", "image", 10_000_001, "sendDocument", "document"),
    ("image/svg+xml", "image", 0, "sendDocument", "document"),
    ("image/gif", "image", 0, "sendAnimation", "animation"),
    ("video/mp4", "video", 0, "sendVideo", "video"),
    ("video/mp4", "animation", 0, "sendAnimation", "animation"),
    ("video/webm", "video", 0, "sendDocument", "document"),
    ("audio/ogg", "voice", 0, "sendVoice", "voice"),
    ("audio/ogg", "audio", 0, "sendDocument", "document"),
    ("audio/mpeg", "audio", 0, "sendAudio", "audio"),
    ("application/pdf", "document", 0, "sendDocument", "document"),
]


@pytest.mark.parametrize(("mime", "kind", "size", "method", "field"), FILES)
async def test_file_goes_as_what_telegram_can_show(
    bot: TelegramChannel, vendor: Scripted, tmp_path: Path,
    mime: str, kind: MediaKind, size: int, method: str, field: str,
) -> None:  # fmt: skip
    """In full where format and size allow it, else as a document: never refused for its looks."""
    file = stored(tmp_path, "ricevuta.bin", mime, kind, size=size)
    await bot.send(reply(URN, "Ecco", file))
    (asked,) = vendor.asked
    assert asked.path.endswith(f"/{method}")
    assert asked.form["caption"] == ["Ecco"]
    attached = asked.form[field][0].removeprefix("attach://")
    assert asked.files[attached] == ("ricevuta.bin", b"bytes")
    assert asked.headers["content-length"]  # small servers read no body of unknown length


async def test_file_name_cannot_break_the_form(
    bot: TelegramChannel, vendor: Scripted, tmp_path: Path
) -> None:
    """A name with quotes and line breaks would otherwise write headers of its own."""
    name = 'a"\r\nX-Evil: 1\\..\\b/c\x00.pdf'
    await bot.send(reply(URN, "", stored(tmp_path, name, "application/pdf", "document")))
    ((given, data),) = vendor.asked[0].files.values()
    assert given == "a___X-Evil: 1_.._b_c_.pdf"
    assert data == b"bytes"


@pytest.mark.parametrize(
    "why", ["PHOTO_INVALID_DIMENSIONS", "IMAGE_PROCESS_FAILED", "VOICE_MESSAGES_FORBIDDEN"]
)
async def test_file_that_telegram_cannot_show_goes_as_document(
    bot: TelegramChannel, vendor: Scripted, tmp_path: Path, why: str
) -> None:
    """A picture of odd size, or a customer who takes no voice messages, still gets the file."""
    vendor.will(refused(400, f"Bad Request: {why}"), TAKEN)
    sent = await bot.send(reply(URN, "Ecco", stored(tmp_path, "a.jpg", "image/jpeg", "image")))
    assert sent == Sent(external_id="42:9")
    assert [asked.path.rpartition("/")[2] for asked in vendor.asked] == ["sendPhoto", "sendDocument"]


async def test_file_that_is_gone_is_refused(bot: TelegramChannel, vendor: Scripted, tmp_path: Path) -> None:
    """Trying again does not bring it back."""
    file = replace(stored(tmp_path, "a.pdf", "application/pdf", "document"), path=str(tmp_path / "gone"))
    with pytest.raises(Rejected, match="no longer"):
        await bot.send(reply(URN, "", file))
    assert vendor.asked == []


async def test_f19_group_that_became_a_supergroup_gets_the_message_at_its_new_id(
    bot: TelegramChannel, vendor: Scripted
) -> None:
    """Telegram says the new id once; the core learns it from `moved_to`."""
    why = "Bad Request: group chat was upgraded to a supergroup chat"
    vendor.will(refused(400, why, migrate_to_chat_id=-1007), TAKEN)
    sent = await bot.send(reply("telegram:-5", "Solo in privato"))
    assert sent == Sent(external_id="-1007:9", moved_to="telegram:-1007")
    assert [asked.form["chat_id"] for asked in vendor.asked] == [["-5"], ["-1007"]]


HTML = "<html><head><title>Bad Gateway</title></head></html>"
ANSWERS: list[tuple[Answer, type[SendError]]] = [
    (refused(400, "Bad Request: message is too long"), Rejected),
    (refused(413, "Request Entity Too Large"), Rejected),
    (Answer(status=413, body=HTML), Rejected),
    # The error's code is in the body, whatever the server before it makes of the status.
    (Answer(status=200, body={"ok": False, "error_code": 400, "description": "Bad Request: odd"}), Rejected),
    (Answer(status=200, body={"ok": False, "error_code": 502, "description": "Bad Gateway"}), NotSent),
    (Answer(status=429, body={"ok": False}), Throttled),
    (Answer(status=429, body={"ok": False, "parameters": {"retry_after": "soon"}}), NotSent),
    # Our own fault: the reply waits until the token is right.
    (refused(401, "Unauthorized"), AccountRefused),
    (refused(404, "Not Found"), AccountRefused),
    # A proxy's page says nothing about the customer.
    (Answer(status=403, body=HTML), NotSent),
    (Answer(status=302, body="", headers={"Location": "/elsewhere"}), NotSent),
    # A 5xx is an answer: not taken. Only behind a 504 the request may have gone on.
    (Answer(status=502, body=HTML), NotSent),
    (refused(502, "Bad Gateway"), NotSent),
    (refused(500, "Internal Server Error: restart"), NotSent),
    (Answer(status=500, body={"ok": False}), NotSent),
    (Answer(status=503, body=""), NotSent),
    (Answer(status=504, body=HTML), Unknown),
    # It said yes, in words that nobody understands.
    (Answer(status=200, body=HTML), Unknown),
    (Answer(status=200, body=[]), Unknown),
    (Answer(status=200, body={"ok": True, "result": {}}), Unknown),
    (Answer(status=200, body={"ok": True, "result": True}), Unknown),
    (Answer(cut=True), Unknown),
]


@pytest.mark.parametrize(("answer", "error"), ANSWERS)
async def test_answer_says_whether_to_try_again(
    bot: TelegramChannel, vendor: Scripted, answer: Answer, error: type[SendError]
) -> None:
    """One table decides between a lost reply, a doubled one and a right one."""
    vendor.will(answer)
    with pytest.raises(SendError) as raised:
        await bot.send(reply(URN, "Sì"))
    assert type(raised.value) is error
    assert TOKEN not in str(raised.value)
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("code", "description", "state"),
    [
        (403, "Forbidden: bot was blocked by the user", "blocked"),
        (403, "Forbidden: bot can't initiate conversation with a user", "blocked"),
        (403, "Forbidden: user is deactivated", "invalid"),
        (400, "Bad Request: chat not found", "invalid"),
        (400, "Bad Request: PEER_ID_INVALID", "invalid"),
    ],
)
async def test_f17_refusal_of_the_address_closes_it(
    bot: TelegramChannel, vendor: Scripted, code: int, description: str, state: str
) -> None:
    """Nothing is tried again there until the customer comes back."""
    vendor.will(refused(code, description))
    with pytest.raises(Unreachable) as raised:
        await bot.send(reply(URN, "Sì"))
    assert raised.value.state == state


async def test_f13_pause_is_as_long_as_telegram_says(bot: TelegramChannel, vendor: Scripted) -> None:
    """`retry_after` is for the whole bot and never shortened."""
    vendor.will(refused(429, "Too Many Requests: retry after 37", retry_after=37))
    with pytest.raises(Throttled) as raised:
        await bot.send(reply(URN, "Sì"))
    assert raised.value.retry_after == 37


async def test_f13_pause_without_a_length_is_a_pause_too(bot: TelegramChannel, vendor: Scripted) -> None:
    """A gateway before Telegram may say 429 without parameters."""
    vendor.will(refused(429, "Too Many Requests"))
    with pytest.raises(Throttled):
        await bot.send(reply(URN, "Sì"))


async def test_f11_f36_call_that_hangs_ends_and_is_unknown(vendor: Scripted) -> None:
    """The lane is freed at the time-out, and nobody claims to know whether it arrived."""
    bot = telegram(site(send_timeout=0.2), TELEGRAM_API_BASE=vendor.base)
    vendor.will(Answer(hang=True))
    with pytest.raises(Unknown, match="in time"):
        await bot.send(reply(URN, "Sì"))
    vendor.stop_hanging()
    await bot.close()


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "http://bridge-tests.invalid", "https://127.0.0.1:1"])
async def test_vendor_that_cannot_be_reached_got_nothing(base: str) -> None:
    """Refused and unknown names are known not to have left: safe to try again."""
    bot = telegram(TELEGRAM_API_BASE=base)
    with pytest.raises(NotSent) as raised:
        await bot.send(reply(URN, "Sì"))
    assert TOKEN not in str(raised.value)
    assert raised.value.__suppress_context__
    await bot.close()


async def test_sandbox_takes_what_is_sent(tmp_path: Path) -> None:
    """The stand-in of the demo reads the same calls as Telegram does."""
    async with Vendors(pace=0) as vendors:
        bot = telegram(TELEGRAM_BOT_TOKEN=vendors.telegram.token, TELEGRAM_API_BASE=vendors.telegram_base)
        said = await vendors.telegram.say("Buongiorno")
        chat = said["message"]["chat"]["id"]
        await bot.send(reply(f"telegram:{chat}", "Sì", reply_to=f"{chat}:{said['message']['message_id']}"))
        file = stored(tmp_path, "a.pdf", "application/pdf", "document")
        await bot.send(reply(f"telegram:{chat}", "", file))
        assert len(vendors.telegram.sent) == 2
        with pytest.raises(Unreachable):
            await bot.send(reply("telegram:987654", "Chi?"))
        await bot.close()


async def test_typing_is_shown_and_never_fails(bot: TelegramChannel, vendor: Scripted) -> None:
    """Nobody may lose a reply over a hint that somebody writes it."""
    vendor.will(Answer(body={"ok": True, "result": True}), Answer(status=502, body=HTML), Answer(cut=True))
    for _ in range(3):
        await bot.typing(URN)
    assert vendor.asked[0].path.endswith("/sendChatAction")
    assert vendor.asked[0].form == {"chat_id": ["42"], "action": ["typing"]}


async def test_f13_typing_says_that_telegram_wants_a_pause(bot: TelegramChannel, vendor: Scripted) -> None:
    """It is one for the whole bot."""
    vendor.will(refused(429, "Too Many Requests", retry_after=30))
    with pytest.raises(Throttled) as raised:
        await bot.typing(URN)
    assert raised.value.retry_after == 30
