"""Fetching from a vendor: at its own pace, and with a word to the agents when it does not work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from bridge import polling
from bridge.bus.memory import MemoryBus
from bridge.channels.live import LiveChannel
from bridge.inbox import Inbox
from bridge.sandbox.vendors import Vendors
from bridge.store import channels, engine
from bridge.store.writer import Writer
from tests.bridges import serving
from tests.channels.made import ok, telegram
from tests.channels.scripted import Scripted, scripted
from tests.gateways import Desk, running, until


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    """Telegram and Twilio."""
    async with Vendors(pace=0.01) as made:
        yield made


async def test_vendor_that_does_not_wait_for_news_is_not_asked_in_a_storm(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some Bot API servers and proxies answer at once with nothing: thousands of times a second."""
    monkeypatch.setattr(polling, "REST", 3600.0)
    database = engine.connect(sqlite_url)
    row = await database.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))

    async def say(_state: str, _detail: str) -> None:
        return

    async with scripted() as vendor, aiohttp.ClientSession() as somebody:
        bot = telegram(TELEGRAM_API_BASE=vendor.base)
        await bot.load()
        live = LiveChannel(row, bot)
        inbox = Inbox(database, Writer(database), MemoryBus(), {row: live}, 60)
        vendor.will(ok([]))
        polls = asyncio.create_task(polling.Poller(live, inbox, say).run())
        await until(lambda: _is_asked(vendor))
        for _ in range(30):  # as many calls as it could have made meanwhile
            await (await somebody.get(f"{vendor.base}/another")).read()
        assert [asked.path.rpartition("/")[2] for asked in vendor.asked].count("getUpdates") == 1
        polls.cancel()
        await asyncio.gather(polls, return_exceptions=True)
        await bot.close()
    await database.close()


async def _is_asked(vendor: Scripted) -> bool:
    return bool(vendor.asked)


async def test_token_that_was_revoked_is_shown_until_it_is_good_again(
    tmp_path: Path, sqlite_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes in any more: agents must see that, and that it is theirs to mend."""
    async with running(tmp_path, sqlite_url, vendors, monkeypatch) as desk:
        await vendors.telegram.say("Ciao", chat_id=1001, name="Giulia")
        await desk.conversation("Giulia")
        good, vendors.telegram.token = vendors.telegram.token, "7410009:another"
        await vendors.telegram.say("Pronto?", chat_id=1001, name="Giulia")  # ends the poll that waits
        await until(lambda: _state(desk, "setup"))
        vendors.telegram.token = good
        await until(lambda: _state(desk, "up"))


async def _state(desk: Desk, wanted: str) -> bool:
    """Whether Telegram's channel is in this state, with what to do unless it is up."""
    items = (await desk.get("/api/channels"))["items"]
    (found,) = (item for item in items if item["type"] == "telegram")
    if found["state"] != wanted:
        return False
    assert found["health"] == ("up" if wanted == "up" else "down")
    return bool(found["detail"]) == (wanted != "up")


async def test_two_installations_on_one_bot_are_told_so(tmp_path: Path, vendors: Vendors) -> None:
    """Each gets some of the messages, so both seem to work: it must be said where people look."""
    async with AsyncExitStack() as until_the_end:
        both = [
            await until_the_end.enter_async_context(
                serving(tmp_path / name, f"sqlite:///{tmp_path / name}.db", vendors)
            )
            for name in ("shop", "copy")
        ]
        for bridge, desk in both:
            await until(lambda: _state(desk, "setup"), within=60)  # noqa: B023  # awaited at once
            assert "Another program fetches this bot's updates" in bridge.log
            checked = await asyncio.to_thread(bridge.run, "check")
            assert checked.returncode == 1
            assert "The gateway has trouble with Telegram" in checked.stdout
            assert "Another program fetches this bot's updates" in checked.stdout
