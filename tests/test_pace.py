"""How fast a channel sends, and when it stops: a vendor that counts, one that hears nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import orjson
import pytest
import sqlalchemy as sa

from bridge import pace
from bridge.bus import MemoryBus
from bridge.duty import Duty
from bridge.health import Thresholds
from bridge.outbox import Outbox
from bridge.store import channels, duties
from bridge.store.duties import Held
from tests import askers
from tests.channels.made import refused, site, telegram
from tests.channels.scripted import Answer, scripted
from tests.gateways import until
from tests.senders import TAKEN, Rig, rig
from tests.servers import free_port
from tests.store.test_attempts import Sender

CHATS = range(100, 140)
# So many failures in a row are a doubt.
ROW = Thresholds().row
NO = refused(429, "Too Many Requests: retry after 3", retry_after=3)


async def all_end(made: Rig) -> Counter[str]:
    """How many replies ended in which way, once all have."""

    async def look() -> Counter[str] | None:
        found = Counter(await made.statuses())
        return found if set(found) <= {"sent", "unknown"} else None

    return await until(look, within=90)


async def test_f13_end_of_a_pause_is_no_crowd(database_url: str) -> None:
    """What waited through it goes at the channel's rate: the vendor, which counts, refuses no more."""
    async with rig(database_url, TELEGRAM_RATE="20", TELEGRAM_CHAT_RATE="1000") as made:
        made.vendor.limit, made.vendor.beyond = 40, NO
        made.vendor.will(TAKEN, NO, TAKEN)
        long = "parola " * 2000  # four parts each
        for chat in CHATS[:10]:
            await made.reply(long, chat=chat)
        made.start()
        assert await all_end(made) == {"sent": 10}
        outcomes = Counter(attempt.outcome for attempt in await made.attempts())
        assert outcomes["throttled"] == 1
        assert outcomes["accepted"] == 40


async def test_f37_vendor_that_breaks_every_call_is_asked_by_one_at_a_time(database_url: str) -> None:
    """Of a backlog a handful is unclear, not all of it; the rest leaves when the vendor is back."""
    async with rig(database_url, TELEGRAM_RATE="20", TELEGRAM_CHAT_RATE="1000") as made:
        made.vendor.will(*[Answer(cut=True)] * 8, TAKEN)
        for chat in CHATS:
            await made.reply("Subito!", chat=chat)
        made.start()
        await until(lambda: is_silent(made))
        broken = "The connection to Telegram broke: the message may have arrived"
        assert await made.channel_state() == ("degraded", broken)
        assert await all_end(made) == {"unknown": 8, "sent": len(CHATS) - 8}
        assert await made.channel_state() == ("up", "")


async def test_f37_vendor_that_hangs_is_given_a_handful(database_url: str) -> None:
    """It takes every call and answers none: what it was given before that is known may all have arrived."""
    async with rig(database_url, TELEGRAM_RATE="1000", TELEGRAM_CHAT_RATE="1000") as made:
        asked, answers, too_many = 0, asyncio.Event(), asyncio.Event()

        async def hang() -> None:
            nonlocal asked
            asked += 1
            if asked > ROW and not answers.is_set():
                too_many.set()
            await answers.wait()

        made.vendor.will(replace(TAKEN, meanwhile=hang))
        for chat in CHATS:
            await made.reply("Subito!", chat=chat)
        made.start()
        await until(lambda: _is(asked == ROW))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(too_many.wait(), 0.5)
        answers.set()
        assert await all_end(made) == {"sent": len(CHATS)}


async def _is(fact: bool) -> bool:  # it is nothing else
    return fact


async def test_who_has_no_other_node_does_not_step_aside(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing would come of it but one more handful of replies that may have arrived, each two minutes."""
    monkeypatch.setattr(pace, "STEPS_ASIDE", 0.0)
    async with rig(sqlite_url, TELEGRAM_RATE="1000", TELEGRAM_CHAT_RATE="1000") as made:
        made.vendor.will(*[Answer(cut=True)] * (ROW + 1), TAKEN)
        for chat in CHATS[:10]:
            await made.reply("Subito!", chat=chat)
        made.start()
        assert await all_end(made) == {"unknown": ROW + 1, "sent": 9 - ROW}
        assert {attempt.epoch for attempt in await made.attempts()} == {1}


async def test_outcome_is_written_whether_or_not_the_channels_state_can_be(sqlite_url: str) -> None:
    """The fifth failure is news of the channel, which the database refuses: what of the reply?"""
    async with rig(sqlite_url, TELEGRAM_RATE="1000", TELEGRAM_CHAT_RATE="1000") as made:
        refuse = "CREATE TRIGGER no BEFORE UPDATE ON channels BEGIN SELECT RAISE(ABORT, 'no'); END"
        await made.database.write(lambda tx: tx.run(sa.text(refuse)))
        made.vendor.will(*[Answer(cut=True)] * ROW, TAKEN)
        for chat in CHATS[:ROW]:
            await made.reply("Subito!", chat=chat)
        made.start()
        assert await all_end(made) == {"unknown": ROW}


async def test_node_that_reaches_nobody_lets_another_one_send(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own way out may be broken, not the vendor: what waits leaves by a node that has one."""
    monkeypatch.setattr(pace, "STEPS_ASIDE", 0.1)
    fast = {"TELEGRAM_RATE": "1000", "TELEGRAM_CHAT_RATE": "1000"}
    nowhere = {"TELEGRAM_API_BASE": f"http://127.0.0.1:{free_port()}"}
    async with rig(postgresql_url, **fast, **nowhere) as made:
        good = telegram(site(), TELEGRAM_API_BASE=made.vendor.base, **fast)
        for chat in CHATS[:ROW]:
            await made.reply("Subito!", chat=chat)
        made.start()
        await until(lambda: is_silent(made))
        other = await made.other_node(good)
        assert await all_end(made) == {"sent": ROW}
        await other.close(1)
        await good.close()


async def test_duty_is_handed_over_when_nothing_is_on_its_way(database_url: str) -> None:
    """The call ends where it began, and is known; what follows in its lane leaves by who asked."""
    fast = {"TELEGRAM_RATE": "1000", "TELEGRAM_CHAT_RATE": "1000"}
    async with rig(database_url, **fast) as made:
        asked, answers = asyncio.Event(), asyncio.Event()

        async def until_it_was_asked() -> None:
            asked.set()
            await answers.wait()

        made.vendor.will(replace(TAKEN, meanwhile=until_it_was_asked), TAKEN)
        await made.reply("first", "second")
        made.start()
        await asked.wait()
        held = Held(f"send:{made.channel}", "node-a", "")
        await made.database.write(lambda tx: duties.ask(tx, "node-b", held))
        good = telegram(site(), TELEGRAM_API_BASE=made.vendor.base, **fast)
        other = await made.other_node(good)
        await made.outbox.duty.asked.wait()
        await made.reply("third", chat=43)
        answers.set()
        assert await all_end(made) == {"sent": 3}
        assert sorted(made.said()) == ["first", "second", "third"]
        assert made.said().index("first") < made.said().index("second")
        assert [attempt.epoch for attempt in await made.attempts()] == [1, 2, 2]
        await other.close(1)
        await good.close()


async def test_who_ends_in_a_pause_does_not_wait_for_its_end(database_url: str) -> None:
    """What waits for its turn is not on its way: the next owner has the duty at once, and all that waits."""
    async with rig(database_url, TELEGRAM_RATE="20", TELEGRAM_CHAT_RATE="1000") as made:
        made.vendor.will(TAKEN, refused(429, "Too Many Requests", retry_after=3600))
        for chat in CHATS:
            await made.reply("Subito!", chat=chat)
        made.start()
        await until(lambda: is_paused(made))
        async with asyncio.timeout(10):
            await made.outbox.close(3600)
        assert made.outbox.busy == 0
        assert set(await made.statuses()) == {"sent", "queued"}
        assert not [attempt for attempt in await made.attempts() if attempt.outcome is None]
        assert await Duty(made.database, f"send:{made.channel}", "node-b").take()


async def is_paused(made: Rig) -> bool:
    """Whether the vendor's pause is known everywhere."""
    return await made.database.read(lambda tx: channels.paused_for(tx, made.channel)) > 0


async def test_who_ends_pays_for_its_last_message_first(database_url: str) -> None:
    """A text of twenty segments has left before its turn was earned; the next owner does not know of it."""
    async with scripted() as vendor, askers.rig(
        database_url, TWILIO_API_BASE=vendor.base, TWILIO_RATE="10"
    ) as made:  # fmt: skip
        vendor.will(Answer(201, orjson.dumps({"sid": "SM1"})))
        duty, other = (Duty(made.database, "send", node) for node in ("node-a", "node-b"))
        sender = Outbox(
            made.live, duty, database=made.database, writer=made.writer, bus=MemoryBus(),
            file_of=lambda row: row, send_timeout=20,
        )  # fmt: skip
        reply = await made.reply(text="parola " * 190)
        running = asyncio.create_task(sender.run())
        await until(lambda: is_sent(reply))
        closing = asyncio.create_task(sender.close(30))
        ended, _ = await asyncio.wait({closing}, timeout=0.3)
        assert not ended
        assert not await other.take()
        await closing
        await running
        assert await other.take()


async def is_sent(reply: Sender) -> bool:
    """Whether the vendor took it."""
    return await reply.status() == "sent"


async def test_who_ends_keeps_the_duty_while_its_last_call_lasts(database_url: str) -> None:
    """Another node must not take it for dead, and what became of the call for unknown."""
    async with rig(database_url) as made:
        made.outbox = made.sender(lease_ms=4000)
        other = Duty(made.database, f"send:{made.channel}", "node-b", 4000)
        asked, answers = asyncio.Event(), asyncio.Event()

        async def until_it_was_asked() -> None:
            asked.set()
            await answers.wait()

        made.vendor.will(replace(TAKEN, meanwhile=until_it_was_asked))
        await made.reply("last")
        made.start()
        await asked.wait()
        closing = asyncio.create_task(made.outbox.close(30))
        for _ in range(6):  # a lease and a half
            assert not await other.take()
            await asyncio.sleep(1)
        answers.set()
        await closing
        assert await made.statuses() == ["sent"]
        assert await other.take()


async def test_outage_of_an_earlier_reign_is_forgotten(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It handed the duty over while the vendor was away, and gets it back when all is well."""
    async with rig(database_url, TELEGRAM_RATE="1000", TELEGRAM_CHAT_RATE="1000") as made:
        made.vendor.will(*[Answer(cut=True)] * ROW, TAKEN)
        for chat in CHATS[:ROW]:
            await made.reply("Subito!", chat=chat)
        made.start()
        await until(lambda: is_silent(made))
        held = Held(f"send:{made.channel}", "node-a", "")
        await made.database.write(lambda tx: duties.ask(tx, "node-b", held))
        other = Duty(made.database, held.name, "node-b")
        await until(other.take)
        monkeypatch.setattr(pace, "STEPS_ASIDE", 0.0)  # as if it had been long ago
        await other.give_back()
        await made.reply("now", chat=CHATS[-1])
        assert (await all_end(made))["sent"] == 1
        assert made.outbox.duty.held
        assert made.outbox.duty.is_welcome


async def is_silent(made: Rig) -> bool:
    return (await made.channel_state())[0] == "degraded"
