"""A pause that a vendor asks for: it holds for every call, whichever node was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa

from bridge.bus import MemoryBus
from bridge.channels.live import LiveChannel
from bridge.inbox import Inbox
from bridge.models import Aside
from bridge.store import channels, lanes
from bridge.store.tables import channels as channel_rows
from bridge.store.writer import Writer
from bridge.views import Person
from tests.channels.made import ok, refused, site, telegram
from tests.channels.scripted import Answer
from tests.gateways import until
from tests.senders import TAKEN, Rig, rig

ANNA = Person(id="0192a3b4-0000-7000-8000-000000000000", name="Anna")
SHOWN = ok(True)  # what the Bot API says


@asynccontextmanager
async def another_node(beside: Rig) -> AsyncIterator[Inbox]:
    """An inbox that knows of the first one's bot only what is in the database."""
    writer = Writer(beside.database)
    bot = telegram(site(send_timeout=20), TELEGRAM_API_BASE=beside.vendor.base)
    live = LiveChannel(beside.channel, bot)
    try:
        yield Inbox(beside.database, writer, MemoryBus(), {live.id: live}, 60.0)
    finally:
        await writer.close()
        await bot.close()


async def lift(made: Rig) -> None:
    """End the pause in the database."""
    await made.database.write(lambda tx: tx.run(sa.update(channel_rows).values(paused_until=None)))


async def due(made: Rig) -> lanes.Due:
    """What a sender of any node would take."""
    return await made.database.read(lambda tx: lanes.due(tx, made.channel, (), 10, 5))


async def test_f13_pause_that_a_hint_met_is_kept_by_every_node(database_url: str) -> None:
    """The agent's typing is told to wait: neither this node nor another asks again, or sends."""
    async with rig(database_url) as made, another_node(made) as other:
        made.vendor.will(refused(429, "Too Many Requests", retry_after=3600), SHOWN)
        thread = await made.thread()
        await made.inbox.typing(thread, ANNA)
        await other.typing(thread, ANNA)
        await made.inbox.typing(thread, ANNA)
        assert len(made.vendor.asked) == 1
        await made.reply("later")
        resting = await due(made)
        assert resting.lanes == []
        assert resting.wait
        await lift(made)
        await other.typing(thread, ANNA)
        assert len(made.vendor.asked) == 2
        assert (await due(made)).lanes


async def test_f13_reply_that_would_leave_at_once_waits_for_a_pause_that_another_node_was_told(
    database_url: str,
) -> None:
    """The sender here has heard nothing of it, and has nothing to do."""
    async with at_rest(database_url) as (made, thread):
        asked = len(made.vendor.asked)
        await made.database.write(lambda tx: channels.pause(tx, made.channel, 3_600_000))
        assert await made.say(thread, "later") == "queued"
        assert (await due(made)).lanes == []
        assert len(made.vendor.asked) == asked
        await lift(made)
        await until(lambda: all_sent(made))


async def test_f13_reply_that_follows_in_its_lane_waits_for_a_pause_that_another_node_was_told(
    database_url: str,
) -> None:
    """It was taken while the one before it was on the wire: it would leave without another look."""
    async with at_rest(database_url) as (made, thread):
        states: list[str] = []

        async def told() -> None:
            await made.database.write(lambda tx: channels.pause(tx, made.channel, 3_600_000))
            states.append(await made.say(thread, "second"))

        made.vendor.will(Answer(body=TAKEN.body, meanwhile=told), TAKEN)
        assert await made.say(thread, "first") == "sending"

        async def first_is_sent() -> bool:
            return (await made.statuses())[-2:-1] == ["sent"] and states != []

        await until(first_is_sent)
        assert states == ["queued"]
        assert (await due(made)).lanes == []
        assert made.said()[-1] == "first"
        await lift(made)
        await until(lambda: all_sent(made))
        assert made.said()[-2:] == ["first", "second"]


@asynccontextmanager
async def at_rest(database_url: str) -> AsyncIterator[tuple[Rig, str]]:
    """A fast sender that has nothing to do, and the thread of a customer."""
    async with rig(database_url, TELEGRAM_RATE="1000", TELEGRAM_CHAT_RATE="1000") as made:
        made.start()
        thread = await made.thread()
        await until(lambda: leaves_at_once(made, thread))
        yield made, thread


async def leaves_at_once(made: Rig, thread: str) -> bool:
    """Whether a reply is on its way as soon as it is accepted: once the sender has nothing to do."""
    state = await made.say(thread, "now")
    await until(lambda: all_sent(made))
    return state == "sending"


async def all_sent(made: Rig) -> bool:
    """Whether every reply has left."""
    return set(await made.statuses()) == {"sent"}


async def test_f13_courtesy_waits_for_a_pause_that_another_node_was_told(database_url: str) -> None:
    """A polite word to a group is no reason to break it."""
    async with rig(database_url) as made:
        left: list[float] = []

        async def look() -> None:
            left.append(await made.database.read(lambda tx: channels.paused_for(tx, made.channel)))

        async def asked() -> bool:
            return bool(left)

        made.vendor.will(SHOWN, Answer(body=TAKEN.body, meanwhile=look))
        await made.inbox.typing(await made.thread(), ANNA)  # from now on a call is made at once
        await made.database.write(lambda tx: channels.pause(tx, made.channel, 2_000))
        await made.inbox.receive(made.channel, [Aside(key="group:-1", urn="telegram:-1", text="Hello")])
        await until(asked)
        assert left == [0.0]


async def test_f13_pause_that_a_courtesy_met_is_kept_by_every_node(database_url: str) -> None:
    """As for a hint."""
    async with rig(database_url) as made, another_node(made) as other:
        made.vendor.will(refused(429, "Too Many Requests", retry_after=3600), SHOWN)
        thread = await made.thread()
        await made.inbox.receive(made.channel, [Aside(key="group:-1", urn="telegram:-1", text="Hello")])

        async def noted() -> bool:
            return await made.database.read(lambda tx: channels.paused_for(tx, made.channel)) > 0

        await until(noted)
        await other.typing(thread, ANNA)
        assert len(made.vendor.asked) == 1
