"""The sender when something else happens meanwhile: outcomes are kept, nothing leaves that may not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from bridge import delivery, outbox
from bridge.busy import BusyLanes
from bridge.errors import Unavailable
from bridge.health import Thresholds
from bridge.ids import new_id, now_ms
from bridge.store import attempts, schema
from bridge.store.attempts import Start
from bridge.store.engine import Database, Tx, connect
from bridge.store.replies import Accepted
from tests import servers
from tests.channels.made import refused
from tests.channels.scripted import Answer
from tests.gateways import until
from tests.senders import TAKEN, Rig, rig

FAST = {"TELEGRAM_RATE": "1000", "TELEGRAM_CHAT_RATE": "1000"}


async def all_are(made: Rig, *states: str) -> None:
    """Wait until the replies are in these states."""

    async def look() -> bool:
        return await made.statuses() == list(states)

    await until(look)


@pytest.fixture
async def own_server() -> AsyncIterator[tuple[servers.PostgreSQL, str]]:
    """A PostgreSQL that the test may stop, and the address of a database with our tables."""
    with servers.postgresql() as server:
        database = connect(server.url(server.create()))
        await schema.prepare(database)
        await database.close()
        yield server, server.url("test_1")


async def test_outcome_is_written_down_when_the_database_was_away_for_it(
    own_server: tuple[servers.PostgreSQL, str],
) -> None:
    """A refusal that nobody recorded would be taken for a send that may have arrived."""
    server, url = own_server
    async with rig(url, **FAST) as made:
        away = asyncio.Event()

        async def go_away() -> None:
            await asyncio.to_thread(server.stop)
            away.set()

        throttled = refused(429, "Too Many Requests: retry after 1", retry_after=1)
        throttled.meanwhile = go_away
        made.vendor.will(throttled, TAKEN)
        await made.reply("once")
        made.start()
        await away.wait()
        await asyncio.to_thread(server.start)
        await all_are(made, "sent")
        assert [row.outcome for row in await made.attempts()] == ["throttled", "accepted"]


async def test_sender_ends_although_the_database_stays_away(
    own_server: tuple[servers.PostgreSQL, str],
) -> None:
    """An outcome that cannot be written must not keep the process from ending."""
    server, url = own_server
    async with rig(url, **FAST) as made:
        made.vendor.will(Answer(hang=True))
        await made.reply("once")
        made.start()
        await until(lambda: has(made, "once"))
        await asyncio.to_thread(server.stop)
        async with asyncio.timeout(60):
            await made.outbox.close(0)
        assert not made.outbox.busy


async def test_hiccup_of_the_database_gives_up_nothing_that_is_on_the_wire(postgresql_url: str) -> None:
    """While its lease runs a sender goes on where it was: its own call is nobody's left-over."""
    async with rig(postgresql_url, **FAST) as made:
        answer = asyncio.Event()
        slow = Answer(body=TAKEN.body, meanwhile=answer.wait)
        made.vendor.will(slow, TAKEN)
        await made.reply("slow")
        made.start()
        await until(lambda: has(made, "slow"))
        # Longer than a statement waits for a lock.
        other = await asyncpg.connect(postgresql_url)
        await other.execute("BEGIN; LOCK TABLE lanes; SELECT pg_sleep(5); COMMIT")
        await other.close()
        await made.reply("after", chat=43)
        await all_are(made, "sending", "sent")
        answer.set()
        await all_are(made, "sent", "sent")


async def test_f14_fresh_reply_overtakes_a_backlog_whatever_the_rate(database_url: str) -> None:
    """One at a time or many, every other turn is for the newest: nobody waits behind an hour."""
    async with rig(database_url, **FAST | {"TELEGRAM_RATE": "30"}) as made:
        for chat in range(100, 120):
            await made.reply(f"old {chat}", chat=chat)
        old = sa.text("UPDATE lanes SET due_at = due_at - 3600000")
        await made.database.write(lambda tx: tx.run(old))
        (fresh,) = await made.reply("fresh")
        made.start()
        await until(lambda: has(made, "fresh"))
        # It is among those that are taken first; these get their turns in any order, and so do their calls.
        assert fresh in [attempt.message_id for attempt in await made.attempts()][: Thresholds().row]


async def test_reply_is_taken_at_once_only_by_who_may_send_it_now(database_url: str) -> None:
    """Without the duty, or at the end, it is found in its lane, in its turn."""
    async with rig(database_url, **FAST) as made:
        (early,) = await made.accept("early")
        assert not made.offer(early)
        made.start()
        await all_are(made, "sent")
        (fresh,) = await made.accept("fresh")
        await until(lambda: at_once(made, fresh))
        await all_are(made, "sent", "sent")
        assert made.said() == ["early", "fresh"]
        (late,) = await made.accept("late")
        await made.outbox.close(1)
        assert not made.offer(late)


async def test_reply_that_comes_while_the_one_before_ends_is_not_forgotten(database_url: str) -> None:
    """Nobody else rings for what the sender took."""
    async with rig(database_url, **FAST) as made:
        made.start()
        (first,) = await made.accept("first")
        await until(lambda: at_once(made, first))
        for number in range(20):
            (following,) = await made.accept(f"reply {number}")
            if not made.offer(following):
                made.bus.ring(f"lanes:{made.channel}")
        await all_are(made, *["sent"] * 21)
        assert made.said() == ["first", *(f"reply {number}" for number in range(20))]


async def warm(made: Rig) -> None:
    """Have the sender at work, with nothing left to do."""
    made.start()
    await made.reply("warm")
    made.bus.ring(f"lanes:{made.channel}")
    await all_are(made, "sent")


async def test_reply_that_nothing_is_before_is_accepted_as_started(database_url: str) -> None:
    """Its acceptance and its first attempt are one commit; where the sender is not at work it waits."""
    async with rig(database_url, **FAST) as made:
        thread = await made.thread()
        assert await made.say(thread, "early") == "queued"
        made.start()
        await all_are(made, "sent")
        await until(lambda: accepted_as_started(made, thread))
        await made.outbox.close(1)
        assert await made.say(thread, "late") == "queued"
        assert {row.outcome for row in await made.attempts()} == {"accepted"}


async def accepted_as_started(made: Rig, thread: str) -> bool:
    """Whether the next reply is."""
    return await made.say(thread, "next") == "sending"


async def test_reply_of_an_agent_who_is_gone_is_sent(database_url: str) -> None:
    """The page was closed while the reply was being accepted: it is written as started."""
    async with rig(database_url, **FAST) as made:
        await warm(made)
        thread = await made.thread(43)
        saying = asyncio.create_task(made.say(thread, "and bye"))
        await asyncio.sleep(0)  # it has been handed to the writer
        saying.cancel()
        await all_are(made, "sent", "sent")
        assert made.said() == ["warm", "and bye"]
        assert [row.outcome for row in await made.attempts()] == ["accepted", "accepted"]


async def test_replies_that_follow_each_other_are_sent_in_their_order(database_url: str) -> None:
    """Those that come while the one before is on the wire need no bell; nor does the first after a pause."""
    async with rig(database_url, **FAST) as made:
        await warm(made)
        answer = asyncio.Event()
        made.vendor.will(Answer(body=TAKEN.body, meanwhile=answer.wait), TAKEN)
        thread = await made.thread(43)
        said = [f"reply {number}" for number in range(10)]
        states = [await made.say(thread, text) for text in said]
        assert states == ["sending", *["queued"] * 9]
        answer.set()
        await all_are(made, *["sent"] * 11)
        assert made.said() == ["warm", *said]
        assert len(await made.attempts()) == 11


async def test_reply_that_follows_one_that_was_not_sent_waits_for_it(database_url: str) -> None:
    """The vendor asked for a pause while the second was accepted: order is kept (I3)."""
    async with rig(database_url, **FAST) as made:
        await warm(made)
        answer = asyncio.Event()
        throttled = refused(429, "Too Many Requests: retry after 1", retry_after=1)
        throttled.meanwhile = answer.wait
        made.vendor.will(throttled, TAKEN)
        thread = await made.thread(43)
        assert await made.say(thread, "first") == "sending"
        assert await made.say(thread, "second") == "queued"
        answer.set()
        await all_are(made, "sent", "sent", "sent")
        assert made.said() == ["warm", "first", "first", "second"]


async def test_f13_reply_is_not_started_where_its_chat_must_wait(database_url: str) -> None:
    """A place is kept only for what may be sent at once: nothing rests with an open attempt."""
    async with rig(database_url, **FAST | {"TELEGRAM_CHAT_RATE": "1"}) as made:
        await warm(made)
        thread = await made.thread(42)
        assert await made.say(thread, "too soon") == "queued"
        assert await made.say(await made.thread(43), "another's") == "sending"


async def test_two_replies_at_once_to_a_customer_keep_one_place(database_url: str) -> None:
    """Both had one when they were accepted together; the second follows, and leaves no place taken."""
    async with rig(database_url, **FAST) as made:
        await warm(made)
        thread = await made.thread(43)
        states = await asyncio.gather(made.say(thread, "one"), made.say(thread, "two"))
        assert [*states] == ["sending", "queued"]
        await all_are(made, "sent", "sent", "sent")
        await until(lambda: idle(made))
        assert made.said() == ["warm", "one", "two"]


async def test_reply_of_which_nobody_knows_whether_it_was_accepted_is_sent_once(
    own_server: tuple[servers.PostgreSQL, str],
) -> None:
    """The database goes away while it is written: it was not sent, and may be tried again."""
    server, url = own_server
    async with rig(url, **FAST) as made:
        await warm(made)
        thread = await made.thread(43)
        with suppress(Unavailable):  # the lock goes with it
            async with locked(made.database, "attempts", "SHARE"):
                saying = asyncio.create_task(made.say(thread, "in doubt"))
                await until(lambda: waits_for_a_lock(made))
                await asyncio.to_thread(server.stop)
                with pytest.raises(Unavailable):
                    await saying
        await asyncio.to_thread(server.start)
        await until(lambda: idle(made))
        assert made.said() == ["warm"]
        assert not [row for row in await made.attempts() if row.outcome is None]


async def test_reply_whose_batch_was_done_again_is_sent_once(postgresql_url: str) -> None:
    """The other one met a deadlock, when what it knew of its thread was wrong: none is a repeat of itself."""
    async with rig(postgresql_url, **FAST) as made:
        await warm(made)
        thread, ended = await made.thread(43), await made.thread(44)
        for each in (thread, ended):  # so that their ways are known
            await made.say(each, "before")
        await all_are(made, "sent", "sent", "sent")
        ending = sa.text(
            "UPDATE conversations SET status = 'resolved', resolved_at = 1, ended_at = 2 WHERE id = :id"
        )
        await made.database.write(lambda tx: tx.run(ending, {"id": ended}))
        stands = asyncio.Event()

        async def be_in_the_way(tx: Tx) -> None:
            await tx.run(sa.text("SELECT 1 FROM addresses WHERE urn = 'telegram:44' FOR UPDATE"))
            stands.set()
            await until(lambda: waits_for_a_lock(made))  # and holds the thread meanwhile
            await tx.run(sa.text("SELECT 1 FROM conversations WHERE id = :id FOR UPDATE"), {"id": ended})

        meeting = asyncio.create_task(made.database.write(be_in_the_way))
        await stands.wait()
        saying = asyncio.gather(made.say(thread, "one"), made.say(ended, "two"))
        await meeting
        await saying
        await all_are(made, *["sent"] * 5)
        assert sorted(made.said()) == ["before", "before", "one", "two", "warm"]
        assert not [row for row in await made.attempts() if row.outcome is None]


async def at_once(made: Rig, accepted: Accepted) -> bool:
    """Whether the sender took it."""
    return made.offer(accepted)


async def test_sender_that_is_told_to_end_while_it_looks_sends_nothing_more(postgresql_url: str) -> None:
    """What it found then is the next one's: nobody would write down what became of it."""
    async with rig(postgresql_url, **FAST) as made:
        await made.reply("too late")
        async with locked(made.database, "lanes", "ACCESS EXCLUSIVE"):
            running = made.start()
            await until(lambda: waits_for_a_lock(made))
            closing = asyncio.create_task(made.outbox.close(1))
            await asyncio.sleep(0)  # it has been told
        await closing
        await running
        await until(lambda: idle(made))
        assert await made.attempts() == []
        assert await made.statuses() == ["queued"]


async def test_start_that_was_given_up_is_no_send_that_may_have_arrived(postgresql_url: str) -> None:
    """The process is told to end while the start is being written: the reply never left."""
    async with rig(postgresql_url, **FAST) as made:
        await made.reply("warm")
        made.start()
        await all_are(made, "sent")
        await made.reply("not yet", chat=43)
        async with locked(made.database, "attempts", "SHARE") as release:
            made.bus.ring(f"lanes:{made.channel}")
            await until(lambda: waits_for_a_lock(made))
            closing = asyncio.create_task(made.outbox.close(0))
            await until(lambda: one_outcome_waits(made))
            release.set()
            await closing
        await made.writer.close()
        assert made.said() == ["warm"]
        assert [row.outcome for row in await made.attempts()] == ["accepted", "not_sent"]
        assert await made.statuses() == ["sent", "queued"]


@asynccontextmanager
async def locked(database: Database, table: str, mode: str) -> AsyncIterator[asyncio.Event]:
    """A table of PostgreSQL that is locked until the event is set."""
    stands, release = asyncio.Event(), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await tx.run(sa.text(f"LOCK TABLE {table} IN {mode} MODE"))
        stands.set()
        await release.wait()

    holding = asyncio.create_task(database.write(hold))
    await stands.wait()
    try:
        yield release
    finally:
        release.set()
        await holding


async def waits_for_a_lock(made: Rig) -> bool:
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(await made.database.read(lambda tx: tx.run(sa.text(query))))


async def idle(made: Rig) -> bool:
    return not made.outbox.busy


async def one_outcome_waits(made: Rig) -> bool:
    return made.writer.waiting == 1


async def has(made: Rig, text: str) -> bool:
    return text in made.said()


async def test_attempt_that_nobody_is_at_work_on_is_unknown_in_the_end(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was written after it had been given up: nothing else would ever become of its reply.

    Until then its lane is due, and looked at again and again: that costs the other customers no turn.
    """
    monkeypatch.setattr(outbox, "_FORSAKEN", 0.2)
    monkeypatch.setattr(delivery, "UNKNOWN_WAIT_MS", 100)
    async with rig(database_url) as made:
        made.outbox = made.sender(send_timeout=0.5)
        await made.reply("warm")
        made.start()
        await all_are(made, "sent")

        def start(channel: int, _urn: str) -> Start:
            return Start(
                id=new_id(), message_id=lost, part=0, channel_id=channel, duty=made.outbox.duty.name,
                epoch=made.outbox.duty.epoch,
            )  # fmt: skip

        lost = new_id()
        (accepted,) = await made.accept("lost", chat=43, id=lost, reserve=start)
        assert accepted.started
        await made.reply("waits", chat=43)
        await all_are(made, "sent", "unknown", "sent")
        assert made.said() == ["warm", "waits"]


async def test_outcome_that_is_about_to_be_written_is_not_forsaken(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for its database: whoever looks for such attempts meanwhile finds somebody at work there."""
    monkeypatch.setattr(outbox, "_FORSAKEN", 0.1)
    async with rig(postgresql_url, **FAST) as made:
        made.outbox = made.sender(send_timeout=0.2)
        held, blocking = asyncio.Event(), list[asyncio.Task[None]]()

        async def be_in_the_way(tx: Tx) -> None:
            await tx.run(sa.text("SELECT 1 FROM messages FOR UPDATE"))
            held.set()
            await until(lambda: would_be_forsaken(made))
            await asyncio.sleep(0.5)  # for five looks

        async def hold() -> None:
            blocking.append(asyncio.create_task(made.database.write(be_in_the_way)))
            await held.wait()

        made.vendor.will(Answer(body=TAKEN.body, meanwhile=hold))
        await made.reply("once")
        made.start()
        with capture_logs() as lines:
            await all_are(made, "sent")
            await until(lambda: idle(made))
        await blocking[0]
        assert "an attempt was forsaken" not in [line["event"] for line in lines]


async def would_be_forsaken(made: Rig) -> bool:
    """Whether the one attempt has had no outcome for long."""
    return bool(await made.database.read(lambda tx: attempts.forsaken(tx, made.channel, 300)))


async def test_calls_of_a_reign_that_was_lost_are_waited_for_by_the_next(sqlite_url: str) -> None:
    """The process stood still for longer than its lease, and takes the duty anew: the call is its own."""
    async with rig(sqlite_url, **FAST) as made:
        made.outbox = made.sender(lease_ms=500)
        answer = asyncio.Event()

        async def stand_still() -> None:
            time.sleep(0.5)  # noqa: ASYNC251  # nothing of the process runs
            await answer.wait()

        made.vendor.will(Answer(body=TAKEN.body, meanwhile=stand_still), TAKEN)
        await made.reply("first", "second")
        made.start()
        await all_are(made, "unknown", "queued")
        due = sa.text("SELECT due_at FROM lanes")
        (lane,) = await made.database.read(lambda tx: tx.run(due))
        assert lane.due_at > now_ms() + 10_000
        answer.set()
        await all_are(made, "sent", "sent")
        assert made.said() == ["first", "second"]


async def test_whoever_ends_the_work_of_a_lane_ends_all_of_it() -> None:
    """A call may be under way there, and something wait behind it."""
    lanes, ended = BusyLanes(asyncio.Event()), list[str]()

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    lanes.occupy("lane", work("under way"))
    await asyncio.sleep(0)  # it has begun
    lanes.occupy("lane", work("behind it"))
    assert (len(lanes), len(lanes.tasks)) == (1, 2)
    for task in lanes.tasks:
        task.cancel()
    await asyncio.wait(lanes.tasks)
    assert ended == ["under way"]
    assert len(lanes) == 0
