"""What waits, why and since when; and what it means to give a reply up."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bridge import ledger
from bridge.errors import Conflict
from bridge.ids import first_id, now_ms
from bridge.models import Receipt, Standing
from bridge.store import attempts, channels, deliveries, duties, handling, lanes
from bridge.store import messages as message_views
from bridge.store.deliveries import Place
from bridge.store.engine import Database, Statement
from bridge.store.replies import Accepted
from bridge.store.tables import attempts as attempt_rows
from bridge.store.tables import messages
from bridge.views import DeliveryView, MessageView
from tests.store.test_attempts import Sender, sender
from tests.store.test_inbound import hello, rows, take
from tests.store.test_replies import LIFETIME, Desk, desk

__all__ = ["desk", "sender"]

HOUR = 3600 * 1000


async def listed(database: Database, **wanted: Any) -> list[DeliveryView]:
    """The first page."""
    found, _ = await database.read(lambda tx: deliveries.page(tx, **({"limit": 50} | wanted)))
    return found


async def whys(database: Database) -> list[tuple[str, str]]:
    """Why what is listed waits, and its reason."""
    return [(one.why, one.reason) for one in await listed(database)]


async def another(sender: Sender, text: str = "and more") -> Sender:
    """A reply after the sender's, in the same thread."""
    (outcome,) = await sender.desk.accept(sender.desk.draft(text))
    assert isinstance(outcome, Accepted)
    return Sender(sender.desk, outcome.message.id, sender.epoch)


async def reply_to(desk: Desk, chat: int, channel: int | None = None) -> str:
    """A reply to another customer; its id."""
    row = channel or desk.channel
    await take(desk.database, row, hello(1000 * row + chat, chat=chat))
    query = sa.text("SELECT c.id FROM conversations c JOIN addresses a ON a.id = c.address_id "
                    "WHERE a.urn = :urn AND a.channel_id = :channel")  # fmt: skip
    given = {"urn": f"telegram:{chat}", "channel": row}
    (thread,) = await desk.database.read(lambda tx: tx.run(query, given))
    carrier = desk.draft().carriers[desk.channel]
    (outcome,) = await desk.accept(desk.draft(conversation_id=thread.id, carriers={row: carrier}))
    assert isinstance(outcome, Accepted)
    return outcome.message.id


async def test_reply_says_why_it_waits(sender: Sender) -> None:
    """An operator reads what to mend, or that nothing is to be mended."""
    database, channel = sender.desk.database, sender.desk.channel
    await another(sender)
    assert await whys(database) == [("due", ""), ("behind", "")]
    attempt = await sender.start()
    assert attempt
    assert await whys(database) == [("on_its_way", ""), ("behind", "")]
    await sender.finish(attempt, "not_sent", "queued", wait=60_000, reason="Telegram cannot be reached")
    assert await whys(database) == [("back_off", "Telegram cannot be reached"), ("behind", "")]
    (first, second) = await listed(database)
    assert (first.tries, second.tries, second.next_try_at) == (1, 0, None)
    assert first.next_try_at
    assert 0 < first.next_try_at - now_ms() <= 60_000
    await database.write(lambda tx: channels.pause(tx, channel, 600_000))
    (paused, _) = await listed(database)
    assert (paused.why, paused.next_try_at and paused.next_try_at > now_ms() + 500_000) == ("paused", True)
    await database.write(lambda tx: channels.say_state(tx, channel, "setup", "Telegram refuses the bot"))
    assert await whys(database) == [("setup", "Telegram refuses the bot"), ("behind", "")]
    await database.write(lambda tx: channels.switch_off_others(tx, []))
    assert {why for why, _ in await whys(database)} == {"off"}


async def test_reply_behind_one_of_unknown_fate_says_so(sender: Sender) -> None:
    """Its lane rests while the vendor is asked."""
    attempt = await sender.start()
    assert attempt
    await another(sender)
    await sender.finish(attempt, "unknown", "unknown", wait=60_000)
    assert await whys(sender.desk.database) == [("unknown", ""), ("behind", "")]


async def test_words_of_a_vendor_name_nobody(sender: Sender) -> None:
    """The list is printed on terminals and kept in logs (I12)."""
    attempt = await sender.start()
    assert attempt
    reason = "The 'To' number +39 333 123-4567 is not reachable (21612)"
    await sender.finish(attempt, "not_sent", "queued", wait=1, reason=reason)
    (one,) = await listed(sender.desk.database)
    assert one.reason == "The 'To' number … is not reachable (21612)"
    assert set(one.model_dump()) == {
        "id", "conversation_id", "seq", "channel", "channel_id", "status", "why", "reason", "since",
        "next_try_at", "deadline_at", "tries",
    }  # fmt: skip


async def test_pages_go_over_all_channels_without_a_gap(sender: Sender) -> None:
    """What is unknown first, and then what waits, each once, whatever the size of a page."""
    desk, database = sender.desk, sender.desk.database
    other = await database.write(lambda tx: channels.register(tx, "sms", "2", "SMS"))
    wanted = {sender.message_id, (await another(sender)).message_id}
    for chat in range(20, 26):
        wanted |= {await reply_to(desk, chat), await reply_to(desk, chat, other)}
    lost = sorted(wanted)[::3]
    of = sa.update(messages).where(messages.c.id.in_(lost)).values(status="unknown")
    await database.write(lambda tx: tx.run(of))
    await database.write(lambda tx: tx.run(sa.text("UPDATE lanes SET due_at = 7")))  # as after an outage
    for limit in (1, 2, 5, 50):
        seen: list[DeliveryView] = []
        place: Place | None = None
        while not seen or place:
            found, place = await database.read(lambda tx: deliveries.page(tx, after=place, limit=limit))  # noqa: B023
            assert len(found) <= limit
            seen += found
        assert sorted(one.id for one in seen) == sorted(wanted)
        assert [one.status for one in seen] == ["unknown"] * 5 + ["queued"] * 9
    assert {one.channel for one in await listed(database, channel="sms")} == {"sms"}
    assert {one.status for one in await listed(database, state="unknown")} == {"unknown"}
    assert {one.status for one in await listed(database, state="waiting", channel="sms")} == {"queued"}


async def test_channels_say_how_much_waits(sender: Sender) -> None:
    """One look at the top of the list: which channel has a problem."""
    desk, database = sender.desk, sender.desk.database
    other = await database.write(lambda tx: channels.register(tx, "sms", "2", "SMS"))
    await another(sender)
    await reply_to(desk, 20)
    lost = await reply_to(desk, 21, other)
    of = sa.update(messages).where(messages.c.id == lost).values(status="unknown")
    await database.write(lambda tx: tx.run(of))
    await database.write(lambda tx: channels.pause(tx, other, 60_000))
    found = await database.read(deliveries.queues)
    assert [(one.channel, one.conversations, one.unknown) for one in found] == [
        ("telegram", 2, 0), ("sms", 1, 1),
    ]  # fmt: skip
    assert [one.paused_until is not None for one in found] == [False, True]


async def test_failed_ones_are_those_that_nobody_ended(desk: Desk) -> None:
    """The newest first, of the last hours; those that could go by now, the oldest first."""
    database = desk.database
    ids = [await reply_to(desk, chat) for chat in range(30, 36)]
    ends = [
        ("rejected", "The file is too large"), ("expired", "not sent in time"), ("failed", "30003"),
        ("rejected", "cancelled"), ("rejected", "given_up"), ("rejected", "blocked"),
    ]  # fmt: skip
    for message_id, (status, reason) in zip(ids, ends, strict=True):
        of = sa.update(messages).where(messages.c.id == message_id).values(status=status, reason=reason)
        await database.write(lambda tx: tx.run(of))  # noqa: B023  # awaited at once
    await take(database, desk.channel, Standing(key="block", urn="telegram:35", state="blocked"))
    found = await listed(database, state="failed")
    assert [one.id for one in found] == [ids[5], *reversed(ids[:3])]
    assert [one.why for one in found] == ["rejected", "failed", "expired", "rejected"]
    first = await database.read(lambda tx: deliveries.retriable(tx, hours=24, limit=2))
    more = await database.read(lambda tx: deliveries.retriable(tx, hours=24, after=first[-1], limit=2))
    assert [*first, *more] == ids[:3]
    old = sa.update(messages).where(messages.c.id == ids[1]).values(id=first_id(now_ms() - 25 * HOUR))
    await database.write(lambda tx: tx.run(old))
    assert len(await listed(database, state="failed")) == 3
    assert len(await listed(database, state="failed", hours=26)) == 4


async def shown(sender: Sender) -> MessageView:
    """The reply, as the agent sees it."""
    ids = [sender.message_id]
    return (await sender.desk.database.read(lambda tx: message_views.views(tx, ids)))[sender.message_id]


async def test_reply_that_waits_is_given_up_and_the_next_one_goes(sender: Sender) -> None:
    """It never left, and that is what the agent is told (I5)."""
    desk, following = sender.desk, await another(sender)
    await desk.database.write(lambda tx: handling.give_up(tx, sender.message_id))
    assert await sender.start() is None
    assert await following.start()
    first, _ = [row for row in await rows(desk.database, messages, "seq") if row.direction == "outbound"]
    assert (first.status, first.reason) == ("rejected", "given_up")
    assert await whys(desk.database) == [("on_its_way", "")]


async def test_reply_on_its_way_cannot_be_given_up(sender: Sender) -> None:
    """In this moment the vendor may be taking it: it ends by itself, within a minute."""
    attempt = await sender.start()
    assert attempt
    with pytest.raises(Conflict, match="on its way"):
        await sender.desk.database.write(lambda tx: handling.give_up(tx, sender.message_id))
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    for _ in range(2):
        with pytest.raises(Conflict, match="is sent now"):
            await sender.desk.database.write(lambda tx: handling.give_up(tx, sender.message_id))
    assert await sender.status() == "sent"


async def test_reply_of_unknown_fate_that_is_given_up_may_have_arrived(sender: Sender) -> None:
    """Its lane goes on at once. What became of it is written down all the same, and nothing doubles it."""
    desk, database, attempt = sender.desk, sender.desk.database, await sender.start()
    assert attempt
    following = await another(sender)
    await sender.finish(attempt, "unknown", "unknown", wait=60_000)
    await database.write(lambda tx: handling.give_up(tx, sender.message_id))
    assert await sender.due() == [desk.conversation_id]
    found = await shown(sender)
    assert (found.status, found.reason, found.may_be_there) == ("rejected", "given_up", True)
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    assert [row.outcome for row in await rows(database, attempt_rows)] == ["accepted"]
    assert await sender.status() == "rejected"
    await database.write(lambda tx: handling.give_up(tx, following.message_id))
    await database.write(lambda tx: handling.retry(tx, sender.message_id, LIFETIME))
    (head,) = await database.read(lambda tx: lanes.heads(tx, desk.channel, [desk.conversation_id]))
    assert head.sent == {0}
    assert await sender.start() is None


@pytest.mark.parametrize("ends", [handling.give_up, handling.cancel])
async def test_reply_that_is_there_in_part_is_not_said_to_be_nowhere(sender: Sender, ends: Any) -> None:
    """The second half waits out a pause, and nobody wants to wait for it."""
    for part, outcome, status in ((0, "accepted", "sending"), (1, "throttled", "queued")):
        attempt = await sender.start(part)
        assert attempt
        await sender.finish(attempt, outcome, status)
    await sender.desk.database.write(lambda tx: ends(tx, sender.message_id))
    assert (await shown(sender)).may_be_there


@pytest.mark.parametrize("status", ["expired", "rejected", "failed"])
async def test_reply_that_is_sent_again_and_fails_may_have_arrived_the_first_time(
    sender: Sender, status: str
) -> None:
    """Whoever sends it a third time is asked, and no list does it by itself (I6)."""
    database, attempt = sender.desk.database, await sender.start()
    assert attempt
    await sender.finish(attempt, "unknown", "unknown")
    assert not (await shown(sender)).may_be_there  # that is a state of its own
    change = sa.update(messages).where(messages.c.id == sender.message_id).values(status=status)
    await database.write(lambda tx: tx.run(change))
    assert (await shown(sender)).may_be_there
    assert not await database.read(lambda tx: deliveries.retriable(tx, hours=24, limit=9))


async def test_reply_that_its_vendor_could_not_deliver_is_not_there(sender: Sender) -> None:
    """It was accepted, and that came to nothing."""
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    await take(sender.desk.database, sender.desk.channel, Receipt(external_id="X1", status="failed"))
    found = await shown(sender)
    assert (found.status, found.may_be_there) == ("failed", False)
    assert await sender.desk.database.read(lambda tx: deliveries.retriable(tx, hours=24, limit=9))


async def test_interrupted_reply_can_be_given_up_when_its_channel_has_another_owner(sender: Sender) -> None:
    """Its sender was killed: until somebody takes over it is on its way, for all we know."""
    database, channel = sender.desk.database, sender.desk.channel
    assert await sender.start()
    with pytest.raises(Conflict, match="on its way"):
        await database.write(lambda tx: handling.give_up(tx, sender.message_id))
    await database.write(lambda tx: tx.run(sa.text("UPDATE duties SET until = 0")))
    assert await database.write(lambda tx: duties.take(tx, "send", "node-b", 10_000)) == 2
    await database.write(lambda tx: attempts.abandoned(tx, channel, 2, 1))
    await database.write(lambda tx: handling.give_up(tx, sender.message_id))
    assert await sender.status() == "rejected"


def test_no_list_reads_a_whole_table(sqlite_url: str) -> None:
    """SQLite plans without knowing how large a table is: what it takes for an index must be a small one."""
    small = ("messages_waiting", "messages_unsettled", "messages_failed", "lanes_due", "incidents_")
    by_key = ("(id=?", "(message_id=?", "(conversation_id=? AND seq", "(rowid=?")
    connection = sqlite3.connect(Path(sqlite_url.removeprefix("sqlite:///")))
    statements = [each for each in vars(deliveries).values() if isinstance(each, Statement)]
    steps = [
        row[3]
        for statement in statements
        for row in connection.execute(f"EXPLAIN QUERY PLAN {statement.text('sqlite')}", _Anything())
        if row[3].startswith(("SCAN", "SEARCH"))
    ]
    connection.close()
    assert len(steps) > len(statements)
    large = [step for step in steps if step.split()[1] not in ("ch", "channels", "counted", "l")]
    assert [step for step in large if not any(name in step for name in (*small, *by_key))] == []


class _Anything(dict[str, int]):
    """A value for every parameter."""

    def __missing__(self, name: str) -> int:
        return 1


async def test_reply_that_is_sent_again_by_command_has_as_much_time_as_a_new_one(sender: Sender) -> None:
    """And not until the end of days."""
    database = sender.desk.database
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "rejected", "rejected", reason="no")
    (before,) = [row.deadline_at for row in await rows(database, messages) if row.deadline_at]
    done = [one async for one in ledger.retry(database, [sender.message_id], LIFETIME)]
    assert [one.problem for one in done] == [""]
    (after,) = [row.deadline_at for row in await rows(database, messages) if row.deadline_at]
    assert before <= after < before + LIFETIME
