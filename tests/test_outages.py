"""A sender before a vendor that goes away: what is found, what is shown, and who is to blame."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.channels.live import LiveChannel
from bridge.delivery import CUT_OFF
from bridge.health import Thresholds
from bridge.store import health
from bridge.store.health import Switch
from bridge.views import IncidentView
from tests.channels.made import ok, refused, site, telegram
from tests.channels.scripted import Answer, scripted
from tests.gateways import until
from tests.senders import TAKEN, Rig, rig
from tests.servers import free_port

T = Thresholds()
TRIES = T.row + T.confirm
FAST = {"TELEGRAM_RATE": "1000", "TELEGRAM_CHAT_RATE": "1000"}
CHATS = range(100, 100 + 2 * TRIES)


@asynccontextmanager
async def waiting(database_url: str, **settings: str) -> AsyncIterator[Rig]:
    """A sender with a reply for each of some customers, not begun."""
    async with rig(database_url, **FAST, **settings) as made:
        for chat in CHATS:
            await made.reply("Subito!", chat=chat)
        yield made


async def incidents(made: Rig) -> list[IncidentView]:
    return await made.database.read(lambda tx: health.newest(tx, before="", limit=100))


async def becomes(made: Rig, state: str) -> str:
    """Wait until the channel is shown to be so; why it is."""

    async def look() -> str | None:
        found, why = await made.channel_state()
        return why or "-" if found == state else None

    return await until(look, within=60)


def nowhere() -> dict[str, str]:
    """A vendor whose server refuses connections."""
    return {"TELEGRAM_API_BASE": f"http://127.0.0.1:{free_port()}"}


async def test_outage_is_found_shown_and_over_when_the_vendor_is_back(database_url: str) -> None:
    """The backlog is the first that hears of the return."""
    async with waiting(database_url) as made:
        made.vendor.will(*[Answer(502, b"<html>")] * TRIES, TAKEN)
        made.start()
        assert await becomes(made, "down") == "Telegram is not working (502)"
        (incident,) = await incidents(made)
        assert (incident.state, incident.lines[0].why) == ("down", "Telegram is not working (502)")
        assert len(made.vendor.asked) == TRIES
        await becomes(made, "recovering")
        await until(lambda: all_sent(made), within=60)
        (incident,) = await incidents(made)
        assert [line.kind for line in incident.lines] == ["down", "recovering"]


async def all_sent(made: Rig) -> bool:
    return set(await made.statuses()) == {"sent"}


async def test_refused_account_is_no_outage(database_url: str) -> None:
    """Everybody's replies wait for us; nothing else is to blame."""
    async with waiting(database_url) as made:
        made.vendor.will(refused(401, "Unauthorized"))
        made.start()
        await becomes(made, "degraded")
        await until(lambda: asked_for(made, T.row + 3), within=60)
        assert (await made.channel_state())[0] == "degraded"
        assert await incidents(made) == []


async def asked_for(made: Rig, times: int) -> bool:
    return len(made.vendor.asked) > times


async def test_customers_who_block_the_bot_are_no_outage(database_url: str) -> None:
    async with waiting(database_url) as made:
        made.vendor.will(*[refused(403, "Forbidden: bot was blocked by the user")] * (len(CHATS) - 1), TAKEN)
        made.start()
        await until(lambda: none_waits(made))
        assert await made.channel_state() == ("up", "")


async def none_waits(made: Rig) -> bool:
    return set(await made.statuses()) <= {"sent", "rejected"}


async def test_machine_that_reaches_nobody_blames_no_vendor(database_url: str) -> None:
    """Its own line is cut: it says so, and no incident begins."""
    async with waiting(database_url, **nowhere()) as made:
        other = LiveChannel(99, telegram(site(), **nowhere()))
        made.outbox = made.sender(others=[other])
        made.start()

        async def says_so() -> bool:
            return (await made.channel_state()) == ("degraded", CUT_OFF)

        await until(says_so, within=60)
        assert await incidents(made) == []
        await other.channel.close()


async def test_vendor_that_is_away_while_others_are_there_is_down(database_url: str) -> None:
    async with scripted() as neighbour, waiting(database_url, **nowhere()) as made:
        neighbour.will(ok(True))
        reached = LiveChannel(98, telegram(site(), TELEGRAM_API_BASE=neighbour.base))
        away = LiveChannel(99, telegram(site(), **nowhere()))
        made.outbox = made.sender(others=[away, reached])
        made.start()
        assert await becomes(made, "down") == "Telegram cannot be reached"
        assert len(await incidents(made)) == 1
        for live in (reached, away):
            await live.channel.close()


@pytest.mark.parametrize("to", ["automatic", "up"])
async def test_nothing_is_sent_on_a_channel_that_is_treated_as_down(database_url: str, to: str) -> None:
    async with waiting(database_url) as made:
        await switched(made, "down")
        made.start()
        await until(lambda: is_told(made))
        await made.reply("one more", chat=1)
        assert set(await made.statuses()) == {"queued"}
        assert made.vendor.asked == []
        await switched(made, "" if to == "automatic" else "up")
        await until(lambda: all_sent(made), within=60)


async def switched(made: Rig, to: Switch) -> None:
    agent = made.agent_id
    await made.database.write(lambda tx: health.switch(tx, made.channel, "out", to, agent))


async def is_told(made: Rig) -> bool:
    return made.live.switched_off


async def test_next_owner_does_not_begin_with_a_crowd(postgresql_url: str) -> None:
    """It knows that the channel is down: one call finds out whether it still is."""
    async with waiting(postgresql_url) as made:
        made.vendor.will(*[Answer(502, b"<html>")] * (TRIES + 1), TAKEN)
        made.start()
        await becomes(made, "down")
        await made.outbox.close(1)
        asked = len(made.vendor.asked)
        good = telegram(site(), TELEGRAM_API_BASE=made.vendor.base, **FAST)
        other = await made.other_node(good)
        await until(lambda: asked_for(made, asked))
        assert (await made.channel_state())[0] == "down"
        assert len(await incidents(made)) == 1
        await becomes(made, "recovering")
        await until(lambda: all_sent(made), within=60)
        await other.close(1)
        await good.close()
