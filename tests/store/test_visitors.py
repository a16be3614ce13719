"""A visitor's thread over several conversations: one line whose order only grows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from bridge.errors import Conflict
from bridge.ids import new_id, now_ms
from bridge.models import Inbound
from bridge.store import agents, channels, handling, visitors
from bridge.store.engine import Database, Tx
from bridge.store.inbound import Intake, receive
from bridge.store.replies import Accepted
from bridge.store.tables import conversations, messages
from tests.store.test_inbound import rows
from tests.store.test_replies import Desk

URN = "webchat:v1"
STEP = 1 << 32


@dataclass
class Site:
    """A site chat with one visitor who writes, now and then."""

    database: Database
    channel: int
    written: int = 0

    async def write(self, *texts: str, urn: str = URN) -> None:
        """The visitor writes."""
        for text in texts:
            self.written += 1
            key = f"{self.written}"
            event = Inbound(key=key, urn=urn, external_id=key, text=text)
            await self.database.write(lambda tx, e=event: receive(tx, [Intake(self.channel, (e,))]))  # type: ignore[misc]  # read at once

    async def reply(self, text: str) -> str:
        """An agent answers in the current conversation."""

        async def insert(tx: Tx) -> str:
            found = await visitors.current(tx, self.channel, URN)
            assert found
            row = (await tx.run(sa.select(conversations).where(conversations.c.id == found[0])))[0]
            message_id, seq = new_id(), row.last_seq + 1
            values = {
                "id": message_id, "conversation_id": row.id, "seq": seq, "direction": "outbound",
                "text": text, "channel_id": self.channel, "address_id": row.address_id, "status": "sent",
                "created_at": now_ms(),
            }  # fmt: skip
            await tx.run(sa.insert(messages).values(**values))
            await tx.run(
                sa.update(conversations)
                .where(conversations.c.id == row.id)
                .values(last_seq=seq, read_seq=seq)
            )
            return message_id

        return await self.database.write(insert)

    async def end(self) -> None:
        """The current conversation is over for good; the next message begins another."""

        async def work(tx: Tx) -> None:
            found = await visitors.current(tx, self.channel, URN)
            assert found
            values = {"status": "resolved", "resolved_at": now_ms(), "ended_at": now_ms()}
            await tx.run(sa.update(conversations).where(conversations.c.id == found[0]).values(**values))

        await self.database.write(work)

    async def thread(self, before: int | None = None, limit: int = 50) -> visitors.Thread:
        """What the visitor sees."""
        found = await self.database.read(
            lambda tx: visitors.threads(tx, self.channel, {URN: before}, limit=limit)
        )
        return found[URN]


@pytest.fixture
async def site(database: Database) -> Site:
    """A site with its chat."""
    return Site(
        database, await database.write(lambda tx: channels.register(tx, "webchat", "site", "Site chat"))
    )


async def texts(site: Site) -> list[str]:
    """What the visitor sees, as words."""
    return [item.text for item in (await site.thread()).items]


async def test_nobody_has_a_thread_before_they_write(site: Site) -> None:
    """A page may ask before its visitor has said anything."""
    assert await site.thread() == visitors.Thread([])


async def test_a_thread_goes_on_through_conversations_that_ended(site: Site) -> None:
    """The customer talks to one shop, however often the team closed the case."""
    await site.write("one", "two")
    await site.end()
    await site.write("three")
    await site.end()
    await site.write("four")
    thread = await site.thread()
    assert [(item.text, item.seq) for item in thread.items] == [
        ("one", 1), ("two", 2), ("three", STEP + 1), ("four", 2 * STEP + 1),
    ]  # fmt: skip


async def test_a_seq_stays_what_it_was_when_its_conversation_ends(site: Site) -> None:
    """A page that was open all the time must not see its messages move."""
    await site.write("one", "two")
    before = (await site.thread()).items
    await site.end()
    assert (await site.thread()).items == before
    await site.write("three")
    assert (await site.thread()).items[:2] == before


async def test_only_the_last_of_the_conversations_that_ended_goes_on(site: Site) -> None:
    """A reply into an older one would end up below the newer one, under the `seq` of another message."""
    for text in ("one", "two"):
        await site.write(text)
        await site.end()
    older, newer = await rows(site.database, conversations, "ended_at")
    agent = await site.database.write(
        lambda tx: agents.add(tx, email="anna@example.com", name="Anna", password_hash="")
    )
    before = (await site.thread()).items
    desk = Desk(site.database, site.channel, agent.id, older.id)
    (refused,) = await desk.accept(desk.draft("too late", pulled=True))
    assert isinstance(refused, Conflict)
    assert refused.extra == {"reason": "ended", "newest": newer.id}
    with pytest.raises(Conflict, match="newer"):
        await site.database.write(lambda tx: handling.update(tx, older.id, agent.id, status="open"))
    desk = Desk(site.database, site.channel, agent.id, newer.id)
    (accepted,) = await desk.accept(desk.draft("in time", pulled=True))
    assert isinstance(accepted, Accepted)
    assert (await site.thread()).items[:2] == before


async def test_pages_of_a_thread_meet_without_gap_or_overlap(site: Site) -> None:
    """Going back in time crosses from one conversation into the one before."""
    for number in range(3):
        await site.write(*(f"{number}{letter}" for letter in "abc"))
        await site.end()
    seen: list[str] = []
    before, more = None, True
    while more:
        thread = await site.thread(before, limit=2)
        seen = [item.text for item in thread.items] + seen
        before, more = thread.items[0].seq, thread.more
    assert seen == ["0a", "0b", "0c", "1a", "1b", "1c", "2a", "2b", "2c"]
    assert (await site.thread(before)).items == []


async def test_everything_up_to_a_mark_is_read_in_all_conversations(site: Site) -> None:
    """A visitor who comes back after a month has looked at all of it, and at nothing that came later."""
    await site.write("one")
    await site.reply("first answer")
    await site.end()
    await site.write("two")
    await site.reply("second answer")
    await site.reply("third answer")
    mark = (await site.thread()).items[-2].seq
    await site.database.write(lambda tx: visitors.acknowledge(tx, site.channel, URN, mark, "read"))
    states = {item.text: item.status for item in (await site.thread()).items if not item.mine}
    assert states == {"first answer": "read", "second answer": "read", "third answer": "sent"}


async def test_how_far_the_team_has_read_counts_along_the_thread(site: Site) -> None:
    """What is in an ended conversation has been read; in the current one its own mark counts."""
    await site.write("one")
    await site.end()
    await site.write("two")
    assert (await site.thread()).read == STEP
    await site.reply("answer")
    assert (await site.thread()).read == STEP + 2


async def test_news_reach_those_they_concern(site: Site) -> None:
    """Of many visitors with open pages, only the one who was answered is told."""
    await site.write("mine")
    await site.write("theirs", urn="webchat:v2")
    answer = await site.reply("for you")
    found = await site.database.read(
        lambda tx: visitors.news(
            tx, site.channel, [URN, "webchat:v2", "webchat:unknown"], changed=[answer], touched=[]
        )
    )
    assert {urn: [item.text for item in thread.items] for urn, thread in found.items()} == {URN: ["for you"]}


async def test_a_message_is_found_by_its_own_visitor_only(site: Site) -> None:
    """Two pages may make the same client id; each finds its own message."""
    await site.write("mine")

    async def said(urn: str) -> str | None:
        found = await site.database.read(lambda tx: visitors.said(tx, site.channel, urn, "1"))
        return found.text if found else None

    assert await said(URN) == "mine"
    await site.write("theirs", urn="webchat:v2")
    assert await said("webchat:v2") is None
    assert await said("webchat:unknown") is None


async def test_many_are_read_at_once_and_each_sees_its_own(site: Site) -> None:
    """A long thread, one of several conversations, one from the middle, and somebody who never wrote."""
    await site.write("one")
    await site.end()
    await site.write("two", "three")
    await site.write("a", "b", "c", "d", urn="webchat:v2")
    await site.write("x", "y", "z", urn="webchat:v3")
    asked = {URN: None, "webchat:v2": None, "webchat:v3": 3, "webchat:unknown": None}
    found = await site.database.read(lambda tx: visitors.threads(tx, site.channel, asked, limit=3))
    assert {urn: ([item.text for item in thread.items], thread.more) for urn, thread in found.items()} == {
        URN: (["one", "two", "three"], False), "webchat:v2": (["b", "c", "d"], True),
        "webchat:v3": (["x", "y"], False), "webchat:unknown": ([], False),
    }  # fmt: skip
