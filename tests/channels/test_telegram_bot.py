"""A bot's life beside sending: settings, start, polling, files, and what `bridge check` says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.channels import telegram as telegram_module
from bridge.channels.base import (
    Answers,
    Checks,
    FetchesMedia,
    LooksUp,
    Polls,
    SetsUp,
    SetUpError,
    ShowsTyping,
)
from bridge.channels.telegram import KINDS, TelegramChannel, TelegramSettings
from bridge.errors import MediaError, NotSent, SettingsError, Throttled
from bridge.models import Ignored, Inbound, Rates
from bridge.sandbox.vendors import Vendors
from bridge.settings import read
from tests.channels.made import PUBLIC, TOKEN, ok, refused, site, telegram, telegram_hook, update
from tests.channels.scripted import Answer, Scripted, scripted

ME = ok({"id": 7410001, "is_bot": True, "first_name": "Bottega Lume", "username": "bottegalume_bot"})


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        yield made


@pytest.fixture
async def bot(vendor: Scripted) -> AsyncIterator[TelegramChannel]:
    channel = telegram(site(send_timeout=2), TELEGRAM_API_BASE=vendor.base)
    yield channel
    await channel.close()


@pytest.fixture
async def hooked(vendor: Scripted) -> AsyncIterator[TelegramChannel]:
    """A bot in webhook mode."""
    channel = telegram(TELEGRAM_API_BASE=vendor.base, TELEGRAM_MODE="webhook", TELEGRAM_WEBHOOK_SECRET="a,b")
    yield channel
    await channel.close()


def test_what_a_bot_can_do_is_asked_by_type() -> None:
    """The core asks for extras; a bot answers no lookup and needs no answer to webhooks."""
    bot = telegram()
    for extra in (Polls, SetsUp, ShowsTyping, FetchesMedia, Checks):
        assert isinstance(bot, extra)
    assert not isinstance(bot, LooksUp)
    assert not isinstance(bot, Answers)


def test_identity_is_the_bot_and_not_its_token() -> None:
    """A rotated token keeps its conversations."""
    assert telegram().identity == "7410001"
    assert TOKEN not in repr(telegram().identity) + repr(read(TelegramSettings, TELEGRAM_BOT_TOKEN=TOKEN))


def test_rates_are_telegrams_and_can_be_lifted() -> None:
    """30 a second in all and 1 in a chat: https://core.telegram.org/bots/faq#broadcasting-to-users."""
    assert telegram().rates == Rates(overall=30, burst=1, address=1, address_burst=1)
    assert telegram(TELEGRAM_RATE=3000, TELEGRAM_CHAT_RATE=50).rates.burst == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEGRAM_BOT_TOKEN", "AAFqmQ5oJv0c1l2k3j4h5g6f7d8s9a0zXcV"),
        ("TELEGRAM_BOT_TOKEN", "7410001:with blanks"),
        ("TELEGRAM_MODE", "push"),
        ("TELEGRAM_WEBHOOK_SECRET", "not allowed!"),
        ("TELEGRAM_WEBHOOK_SECRET", "x" * 257),
        ("TELEGRAM_API_BASE", "api.telegram.org"),
        ("TELEGRAM_RATE", "0"),
        ("TELEGRAM_CHAT_RATE", "fast"),
    ],
)
def test_malformed_setting_is_one_line_with_an_example(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person who starts Bridge sees which setting, what is wrong and how it looks; not the secret."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        read(TelegramSettings)
    (line,) = raised.value.problems
    assert line.startswith(f"{name}: ")
    assert f"Example: {name}=" in line
    assert len(value) < 4 or value not in line.partition("Example")[0]


def test_without_a_token_telegram_is_off() -> None:
    """And says what turns it on."""
    assert "TELEGRAM_BOT_TOKEN" in read(TelegramSettings).off
    assert read(TelegramSettings, TELEGRAM_BOT_TOKEN=TOKEN).off == ""


def test_aiogram_is_loaded_only_when_it_is_needed() -> None:
    """It takes 130 MB: a gateway without a bot must not pay for it, nor one that only receives."""
    program = (
        "import sys; import bridge.channels, bridge.channels.telegram as t, bridge.channels.base as b;"
        f"site = b.Site(public_url='http://x', secrets=('s',));"
        f"t.TelegramChannel(t.TelegramSettings(token='{TOKEN}'), site);"
        "print([name for name in ('aiogram', 'twilio') if name in sys.modules])"
    )
    home = Path(telegram_module.__file__).parents[2]
    printed = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=home)
    assert printed.strip() == "[]"


async def test_polling_starts_by_removing_the_webhook_and_drops_nothing(
    bot: TelegramChannel, vendor: Scripted
) -> None:
    """Webhooks and polling exclude each other; what waits are customers' messages."""
    vendor.will(ME, ok({"url": "", "pending_update_count": 3}), ok(True))
    assert await bot.set_up() == []
    calls = [asked.path.rpartition("/")[2] for asked in vendor.asked]
    assert calls == ["getMe", "getWebhookInfo", "deleteWebhook"]
    assert vendor.asked[2].form == {}


async def test_webhook_of_another_program_that_polling_removes_is_said(
    bot: TelegramChannel, vendor: Scripted
) -> None:
    """It may be the shop's own, and this a laptop that somebody tries it on."""
    vendor.will(ME, ok({"url": f"https://other.example.com/{TOKEN}"}), ok(True))
    (known,) = await bot.set_up()
    assert known.level == "warning"
    assert "the webhook at other.example.com was removed" in known.what
    assert TOKEN not in known.what
    assert "TELEGRAM_MODE=webhook" in known.todo


async def test_webhook_that_telegram_could_not_call_is_said_at_start(
    hooked: TelegramChannel, vendor: Scripted
) -> None:
    """Setting it succeeds all the same: Telegram tries it only when somebody writes."""
    vendor.will(ME, ok(True), ok({"last_error_message": "Connection refused", "pending_update_count": 2}))
    waiting, failed = await hooked.set_up()
    assert "2 updates wait" in waiting.what
    assert "Connection refused" in failed.what
    assert "BRIDGE_PUBLIC_URL" in failed.todo


async def test_server_that_says_nothing_of_webhooks_is_good_enough(
    hooked: TelegramChannel, vendor: Scripted
) -> None:
    """Other servers speak the Bot API, too, and not all of it."""
    vendor.will(ME, ok(True), refused(404, "Not Found: method not found"))
    assert await hooked.set_up() == []


async def test_webhook_mode_tells_telegram_where_and_with_which_secret(
    hooked: TelegramChannel, vendor: Scripted
) -> None:
    """The first secret of the list; the kinds always, or Telegram keeps an older choice."""
    vendor.will(ME, ok(True))
    await hooked.set_up()
    form = vendor.asked[1].form
    assert vendor.asked[1].path.endswith("/setWebhook")
    assert form["url"] == [f"{PUBLIC}/webhooks/telegram"]
    assert form["secret_token"] == ["a"]
    assert json.loads(form["allowed_updates"][0]) == KINDS
    assert "drop_pending_updates" not in form


@pytest.mark.parametrize(
    "url", ["http://chat.example.com", "https://localhost", "https://10.0.0.5", "https://a.b:8080"]
)
async def test_webhook_mode_without_a_public_https_address_says_what_to_do(url: str) -> None:
    """Telegram would refuse it in words that say less."""
    hooked = telegram(site(url), TELEGRAM_MODE="webhook")
    with pytest.raises(SetUpError, match="BRIDGE_PUBLIC_URL"):
        hooked._demand_public_url()


async def test_webhook_that_telegram_refuses_is_said(hooked: TelegramChannel, vendor: Scripted) -> None:
    """Its own words, and which address."""
    vendor.will(ME, refused(400, "Bad Request: bad webhook: IP address 10.0.0.5 is reserved"))
    with pytest.raises(SetUpError, match=r"/webhooks/telegram: .*reserved"):
        await hooked.set_up()


@pytest.mark.parametrize("code", [401, 404])
async def test_token_that_telegram_does_not_know_is_said(
    bot: TelegramChannel, vendor: Scripted, code: int
) -> None:
    """Waiting does not mend it; BotFather does."""
    vendor.will(refused(code, "Unauthorized"))
    with pytest.raises(SetUpError, match="BotFather"):
        await bot.set_up()
    (finding,) = await bot.check()
    assert (finding.level, "TELEGRAM_BOT_TOKEN" in finding.todo) == ("error", True)


async def test_vendor_that_is_away_at_start_is_not_our_mistake() -> None:
    """Bridge starts without Telegram and tries again."""
    bot = telegram(TELEGRAM_API_BASE="http://127.0.0.1:1")
    with pytest.raises(NotSent):
        await bot.set_up()
    (finding,) = await bot.check()
    assert finding.level == "error"
    await bot.close()


async def test_group_is_told_where_to_write_once_the_name_is_known(
    bot: TelegramChannel, vendor: Scripted
) -> None:
    """A link is better than a name."""
    vendor.will(ME, ok(True))
    await bot.set_up()
    hook = telegram_hook(json.dumps(update("group_message")).encode(), bot._secrets[0].decode())
    (aside,) = bot.parse(hook)
    assert "https://t.me/bottegalume_bot" in getattr(aside, "text", "")


# Polling


async def test_poll_confirms_only_what_the_caller_has_committed(
    bot: TelegramChannel, vendor: Scripted
) -> None:
    """The offset moves with the next call: a crash in between repeats and loses nothing."""
    vendor.will(ok([update("text"), update("photo")]), ok([]))
    events, cursor = await bot.poll("")
    assert [type(event) for event in events] == [Inbound, Inbound]
    assert cursor == str(update("photo")["update_id"])
    assert "offset" not in vendor.asked[0].form
    assert json.loads(vendor.asked[0].form["allowed_updates"][0]) == KINDS
    assert await bot.poll(cursor) == ([], cursor)
    assert vendor.asked[1].form["offset"] == [str(int(cursor) + 1)]


async def test_old_cursor_is_not_used_after_a_restart(bot: TelegramChannel, vendor: Scripted) -> None:
    """After a week of silence ids start anew, perhaps lower: an old offset would drop new messages."""
    vendor.will(ok([]))
    assert await bot.poll("999999999") == ([], "999999999")
    assert "offset" not in vendor.asked[0].form


async def test_f15_poison_update_stops_no_other_of_its_batch(bot: TelegramChannel, vendor: Scripted) -> None:
    """Each update is read on its own; aiogram's list would fail as a whole."""
    batch: list[Any] = [update("text"), update("poison_photo"), 5, {"update_id": "x"}, update("photo")]
    batch[0]["message"]["text"] = "a\ud83d"
    vendor.will(ok(batch))
    events, cursor = await bot.poll("")
    assert [type(event) for event in events] == [Inbound, Inbound, Ignored, Ignored, Inbound]
    assert cursor == str(update("poison_photo")["update_id"])


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (refused(409, "Conflict: terminated by other getUpdates request"), SetUpError, "Another program"),
        (refused(409, "Conflict: can't use getUpdates while webhook is active"), SetUpError, "webhook"),
        (refused(401, "Unauthorized"), SetUpError, "BotFather"),
        (refused(400, "Bad Request: odd"), SetUpError, "odd"),
        (refused(429, "Too Many Requests", retry_after=3), Throttled, "pause"),
        (Answer(status=502, body="<html>"), NotSent, "502"),
        (Answer(cut=True), NotSent, "no answer"),
    ],
)  # fmt: skip
async def test_poll_that_fails_says_why(
    bot: TelegramChannel, vendor: Scripted, answer: Answer, error: type[Exception], says: str
) -> None:
    """What a person must mend is told apart from what passes by itself."""
    vendor.will(answer)
    with pytest.raises(error, match=says):
        await bot.poll("")


async def test_sandbox_is_polled_without_loss_or_repeat() -> None:
    """Real long polling against the stand-in of the demo."""
    async with Vendors(pace=0) as vendors:
        bot = telegram(TELEGRAM_BOT_TOKEN=vendors.telegram.token, TELEGRAM_API_BASE=vendors.telegram_base)
        await bot.set_up()
        said = [(await vendors.telegram.say(f"{number}"))["update_id"] for number in range(3)]
        events, cursor = await bot.poll("")
        assert [event.key for event in events if isinstance(event, Inbound)] == [f"update:{n}" for n in said]
        await vendors.telegram.say("ancora")
        events, cursor = await bot.poll(cursor)
        assert [event.text for event in events if isinstance(event, Inbound)] == ["ancora"]
        assert [finding.level for finding in await bot.check()][:2] == ["ok", "ok"]
        await bot.close()


# Files


async def fetched(bot: TelegramChannel, ref: str = "BQACAgQAAxkB1") -> bytes:
    return b"".join([chunk async for chunk in bot.fetch(ref)])


async def test_file_is_fetched_from_telegrams_file_server(bot: TelegramChannel, vendor: Scripted) -> None:
    """Two steps: where it is, then the bytes; a name with blanks and signs is no trouble."""
    where = ok({"file_id": "B", "file_path": "documents/file 1#?.pdf", "file_size": 9})
    vendor.will(where, Answer(body=b"%PDF-1.7\n"))
    assert await fetched(bot) == b"%PDF-1.7\n"
    assert vendor.asked[0].form == {"file_id": ["BQACAgQAAxkB1"]}
    assert vendor.asked[1].path == f"/file/bot{TOKEN}/documents/file 1#?.pdf"


def where(path: str = "documents/file_1.pdf", **more: Any) -> Answer:
    return ok({"file_id": "B", "file_path": path, **more})


@pytest.mark.parametrize(
    ("answers", "final"),
    [
        ([refused(400, "Bad Request: file is too big")], True),
        ([refused(400, "Bad Request: file is temporarily unavailable")], False),
        ([refused(401, "Unauthorized")], False),
        ([Answer(cut=True)], False),
        ([where(file_size=20_000_001)], True),
        ([where("")], True),
        ([where("../../etc/passwd")], True),
        ([where("/var/lib/telegram/file_1.pdf")], True),
        ([where(), Answer(status=404, body="")], True),
        ([where(), Answer(status=502, body="")], False),
        ([where(), Answer(status=302, headers={"Location": "https://evil.example/"}, body="")], False),
        ([where(), Answer(cut=True)], False),
        ([where(), Answer(body=b"x" * 20_000_001)], True),
    ],
)  # fmt: skip
async def test_f20_file_that_cannot_be_had_says_whether_to_ask_again(
    bot: TelegramChannel, vendor: Scripted, answers: list[Answer], final: bool
) -> None:
    """The text is in the thread already; the file is asked for a bounded number of times."""
    vendor.will(*answers)
    with pytest.raises(MediaError) as raised:
        await fetched(bot)
    assert raised.value.final is final
    assert TOKEN not in str(raised.value)


async def test_f13_file_that_has_to_wait_says_for_how_long(bot: TelegramChannel, vendor: Scripted) -> None:
    """A pause of the bot is for the whole channel, one of the file server for this file."""
    vendor.will(refused(429, "Too Many Requests", retry_after=30))
    with pytest.raises(Throttled) as throttled:
        await fetched(bot)
    assert throttled.value.retry_after == 30
    vendor.will(where(), Answer(status=429, body="", headers={"Retry-After": "40"}))
    with pytest.raises(MediaError) as later:
        await fetched(bot)
    assert later.value.retry_after == 40


# What `bridge check` says


def info(**more: Any) -> Answer:
    return ok({"url": "", "has_custom_certificate": False, "pending_update_count": 0, **more})


async def test_check_of_a_healthy_bot_is_green(hooked: TelegramChannel, vendor: Scripted) -> None:
    """Name and webhook, as Telegram sees them."""
    vendor.will(ME, info(url=f"{PUBLIC}/webhooks/telegram"))
    findings = await hooked.check()
    assert [finding.level for finding in findings] == ["ok", "ok"]
    assert "@bottegalume_bot" in findings[0].what


async def test_check_tells_of_a_webhook_elsewhere_and_of_its_errors(
    hooked: TelegramChannel, vendor: Scripted
) -> None:
    """Each red line says what to do."""
    elsewhere = "https://old.example/hook"
    vendor.will(ME, info(url=elsewhere, pending_update_count=12, last_error_message="Connection refused"))
    findings = await hooked.check()
    assert [finding.level for finding in findings] == ["ok", "error", "warning", "warning"]
    assert all(finding.todo for finding in findings[1:])
    assert "12 updates" in findings[2].what
    assert "Connection refused" in findings[3].what


async def test_check_tells_of_a_webhook_that_stops_polling(bot: TelegramChannel, vendor: Scripted) -> None:
    """Another program's webhook keeps every update from us."""
    vendor.will(ME, info(url="https://old.example/hook"))
    assert [finding.level for finding in await bot.check()] == ["ok", "warning"]
