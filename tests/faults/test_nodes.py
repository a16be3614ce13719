"""Two nodes on one database, and the one that sends dies or freezes while replies are under way."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
import yarl

from bridge.sandbox.vendors import Vendors
from bridge.store import duties, engine
from bridge.store.engine import Database
from tests import proxies
from tests.bridges import Bridge, beside, serving
from tests.gateways import Desk, Json, until
from tests.webhooks import WEBHOOK_MODE, post_update, update

# Several processes each: `make faults` runs them.
pytestmark = pytest.mark.slow

CHATS, REPLIES = 10, 6
TEXTS = [f"{number}" for number in range(REPLIES)]
# A node that freezes sleeps for longer than this, and than its lease.
SETTINGS = {**WEBHOOK_MODE, "BRIDGE_SEND_TIMEOUT": "4"}


class Pair:
    """The first node sends; Anna's desk is at the second, so it outlives the first.

    Which of two processes is the first is theirs to say, when duties have spread over them.
    """

    def __init__(self, first: Bridge, second: Bridge, desk: Desk, database: Database) -> None:
        self.first, self.second, self.desk = first, second, desk
        self.database = database

    async def duties_have_spread(self) -> bool:
        """Whether neither asks the other for one, nor will."""
        held = [duty for duty in await self.database.read(duties.held) if not duty.name.startswith("sweep:")]
        owners, names = {duty.owner for duty in held}, {duty.name for duty in held}
        wishes = [duties.too_many(held, owner, names) for owner in owners]
        return len(owners) == 2 and not any(duty.asked_by for duty in held) and not any(wishes)

    async def is_sent_by(self, node: Bridge) -> bool:
        """Whether a node has the duty to send on Telegram."""
        query = sa.text("SELECT owner FROM duties WHERE name = 'send:1' AND until > 0")
        found = await self.database.read(lambda tx: tx.run(query))
        return [row.owner.split(":")[1] for row in found] == [str(node.process.pid)]


async def who_sends(pair: Pair, at_first: Desk) -> Pair:
    """The two the other way round, if it is the second that sends.

    Both have told Telegram by then what it must know: no call is on its way but those of the test.
    """
    await until(partial(are_set_up, pair), within=60)
    await until(pair.duties_have_spread, within=60)
    if await pair.is_sent_by(pair.first):
        return pair
    at_first.vendors.serve_webhooks_of(pair.first.url)
    return Pair(pair.second, pair.first, at_first, pair.database)


async def are_set_up(pair: Pair) -> bool:
    """Whether both have set their bot up."""
    logs = [node.log.splitlines() for node in (pair.first, pair.second)]
    return all(any("telegram" in line and "channel is on" in line for line in log) for log in logs)


@pytest.fixture
async def pair(tmp_path: Path, postgresql_url: str, vendors: Vendors) -> AsyncIterator[Pair]:
    """Two nodes, and ten customers who have written."""
    database = engine.connect(postgresql_url)
    async with (
        serving(tmp_path, postgresql_url, vendors, SETTINGS) as (first, at_first),
        beside(first, at_first) as (second, desk),
    ):
        made = await who_sends(Pair(first, second, desk, database), at_first)
        for chat in range(CHATS):
            body = update(chat + 1, "Buongiorno", chat=chat + 1, name=f"Chat {chat}")
            assert await post_update(made.desk.http, body) == 200
        yield made
    await database.close()


async def answer(desk: Desk) -> list[str]:
    """Answer everybody, several times; the conversations."""
    threads = [await desk.conversation(f"Chat {chat}") for chat in range(CHATS)]
    for text in TEXTS:
        await asyncio.gather(*(desk.reply(thread, text) for thread in threads))
    return threads


async def some_are_under_way(vendors: Vendors) -> bool:
    """Every customer has got something, and the next calls are on the wire."""
    return len(vendors.telegram.sent) >= 2 * CHATS


async def ended(desk: Desk, thread: str) -> list[Json] | None:
    """The replies of a thread, once each has come to an end."""
    replies = [m for m in await desk.messages(thread) if m["direction"] == "outbound"]
    return replies if {m["status"] for m in replies} <= {"sent", "unknown", "rejected"} else None


def arrived(vendors: Vendors, chat: int) -> list[str]:
    """What a customer has got, in order."""
    return [entry["params"]["text"] for entry in vendors.telegram.sent if entry["chat_id"] == chat + 1]


@pytest.mark.timeout(180)
async def test_f28_node_killed_while_it_sends_is_followed_by_another(pair: Pair, vendors: Vendors) -> None:
    """Within its lease the other one goes on: nothing twice, in order, what was on the wire is flagged."""
    await vendors.telegram.turn("slow", delay=0.3)
    answering = asyncio.create_task(answer(pair.desk))
    await until(partial(some_are_under_way, vendors))
    pair.first.kill()
    threads = await answering
    for chat, thread in enumerate(threads):
        replies = await until(partial(ended, pair.desk, thread), within=90)
        assert [reply["text"] for reply in replies] == TEXTS
        got = arrived(vendors, chat)
        assert got == [text for text in TEXTS if text in got]
        assert {reply["text"] for reply in replies if reply["status"] == "sent"} <= set(got)
        assert Counter(reply["status"] for reply in replies)["unknown"] <= 1
    assert await pair.is_sent_by(pair.second)


@pytest.mark.timeout(180)
async def test_f29_node_that_freezes_while_it_sends_does_no_harm_when_it_wakes(
    pair: Pair, vendors: Vendors
) -> None:
    """It starts nothing more, and what it still hears is recorded: all is sent, once and in order."""
    await vendors.telegram.turn("slow", delay=0.3)
    answering = asyncio.create_task(answer(pair.desk))
    await until(partial(some_are_under_way, vendors))
    pair.first.process.send_signal(signal.SIGSTOP)
    try:
        await until(partial(pair.is_sent_by, pair.second), within=60)
        threads = await answering
        for thread in threads:
            await until(partial(ended, pair.desk, thread), within=60)
    finally:
        pair.first.process.send_signal(signal.SIGCONT)
    for chat, thread in enumerate(threads):
        await until(partial(all_known, pair.desk, thread), within=60)
        replies = await until(partial(ended, pair.desk, thread))
        got = arrived(vendors, chat)
        assert got == [text for text in TEXTS if text in got]
        assert [reply["text"] for reply in replies if reply["status"] == "sent"] == got
    assert await pair.is_sent_by(pair.second)


async def all_known(desk: Desk, thread: str) -> bool:
    """Nothing is left of which nobody knows whether it arrived."""
    return bool((await desk.get(f"/api/conversations/{thread}"))["unsettled"] == 0)


@pytest.mark.timeout(180)
async def test_f28_node_that_loses_its_database_in_the_middle_of_a_call_is_not_overtaken(
    tmp_path: Path, postgresql_url: str, vendors: Vendors
) -> None:
    """Its call may take longer than its lease: the next owner lets the same customer's lane wait for it."""
    database, address = engine.connect(postgresql_url), yarl.URL(postgresql_url)
    async with (
        proxies.before(address.port or 0) as one_way,
        proxies.before(address.port or 0) as other_way,
        serving(tmp_path, str(address.with_port(one_way.port)), vendors, WEBHOOK_MODE) as (one, at_one),
        beside(one, at_one, {"DATABASE_URL": str(address.with_port(other_way.port))}) as (other, at_other),
    ):
        pair = await who_sends(Pair(one, other, at_other, database), at_one)
        network, desk = one_way if pair.first is one else other_way, pair.desk
        assert await post_update(desk.http, update(1, "Buongiorno", chat=1, name="Chat 0")) == 200
        thread = await desk.conversation("Chat 0")
        await desk.becomes(await desk.reply(thread, "warm"), "sent")
        await vendors.telegram.turn("slow", delay=15, times=1)
        replies = [await desk.reply(thread, text) for text in ("one", "two")]
        await desk.becomes(replies[0], "sending")
        await network.turn("blackhole")
        await until(partial(pair.is_sent_by, pair.second), within=60)
        await until(partial(has_answered, vendors, 2), within=60)
        assert arrived(vendors, 0) == ["warm", "one"]
        await network.turn("pass")
        for reply in replies:
            await desk.becomes(reply, "sent", within=60)
        assert arrived(vendors, 0) == ["warm", "one", "two"]
    await database.close()


async def has_answered(vendors: Vendors, count: int) -> bool:
    """Whether so many sends have had their answer."""
    return len([e for e in vendors.wire.entries() if e["call"].lower() == "sendmessage"]) >= count
