"""The ledger of sends: fenced starts, outcomes that are always recorded, receipts in any order."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.ids import new_id, now_ms
from bridge.models import Limits, Receipt, Standing
from bridge.store import attempts, channels, duties, handling, lanes, receipts
from bridge.store.attempts import Finish, Start
from bridge.store.engine import Database
from bridge.store.replies import Accepted
from bridge.store.tables import addresses, messages
from bridge.store.tables import attempts as attempt_rows
from bridge.store.tables import changes as change_rows
from bridge.store.tables import lanes as lane_rows
from tests.store.test_inbound import hello, rows, take
from tests.store.test_replies import LIFETIME, Desk, desk

__all__ = ["desk"]

LEASE = 10_000


class Sender:
    """What a sender does by hand: it holds the duty and starts and finishes attempts."""

    def __init__(self, desk: Desk, message_id: str, epoch: int) -> None:
        self.desk = desk
        self.message_id = message_id
        self.epoch = epoch

    async def start(self, part: int = 0, epoch: int | None = None) -> str | None:
        """An attempt's id, or `None` if it may not be made."""
        wish = wish_of(self, part, epoch)
        (started,) = await self.desk.database.write(lambda tx: attempts.start(tx, [wish]))
        return wish.id if started else None

    async def finish(self, attempt: str, outcome: Any, status: str, **more: Any) -> None:
        """Record an outcome."""
        finish = outcome_of(self, attempt, outcome, status, **more)
        await self.desk.database.write(lambda tx: attempts.finish(tx, [finish]))

    async def receipt(self, external_id: str, status: Any) -> None:
        """The vendor's word."""
        await take(self.desk.database, self.desk.channel, Receipt(external_id=external_id, status=status))

    async def status(self) -> str:
        """The message's state."""
        found = await rows(self.desk.database, messages, "seq")
        return next(str(row.status) for row in found if row.id == self.message_id)

    async def due(self) -> list[str]:
        """The lanes that are due."""
        channel = self.desk.channel
        return (await self.desk.database.read(lambda tx: lanes.due(tx, channel, (), 10, 5))).lanes


def wish_of(sender: Sender, part: int = 0, epoch: int | None = None) -> Start:
    """A wish to send a part of the sender's message."""
    return Start(
        id=new_id(), message_id=sender.message_id, part=part, channel_id=sender.desk.channel, duty="send",
        epoch=epoch or sender.epoch,
    )  # fmt: skip


def outcome_of(sender: Sender, attempt: str, outcome: Any, status: Any, **more: Any) -> Finish:
    """What came of an attempt of the sender's message."""
    return Finish(
        id=attempt, message_id=sender.message_id, conversation_id=sender.desk.conversation_id,
        outcome=outcome, status=status, **more,
    )  # fmt: skip


@pytest.fixture
async def sender(desk: Desk) -> Sender:
    """A queued reply, and the duty to send it."""
    (outcome,) = await desk.accept(desk.draft())
    assert isinstance(outcome, Accepted)
    epoch = await desk.database.write(lambda tx: duties.take(tx, "send", "node-a", LEASE))
    assert epoch == 1
    return Sender(desk, outcome.message.id, epoch)


async def test_accepted_attempt_makes_the_reply_sent_and_the_lane_sleep(sender: Sender) -> None:
    """The plain way out."""
    attempt = await sender.start()
    assert attempt
    assert await sender.status() == "sending"
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    assert await sender.status() == "sent"
    assert await sender.due() == []


async def test_outcome_says_whether_its_lane_goes_on(sender: Sender) -> None:
    """The sender need not look: not where nothing follows, at once or later where something does."""
    await sender.desk.accept(sender.desk.draft("and more"))
    for outcome, status in (("not_sent", "queued"), ("accepted", "sent")):
        attempt = await sender.start()
        assert attempt
        ending = outcome_of(sender, attempt, outcome, status)
        assert await sender.desk.database.write(lambda tx: attempts.finish(tx, [ending])) == [True]  # noqa: B023
    (*_, last) = await rows(sender.desk.database, messages, "seq")
    sender.message_id = last.id
    attempt = await sender.start()
    assert attempt
    ending = outcome_of(sender, attempt, "accepted", "sent")
    assert await sender.desk.database.write(lambda tx: attempts.finish(tx, [ending])) == [False]


async def test_part_asked_for_twice_in_a_batch_is_started_once(sender: Sender) -> None:
    """Whoever asks, and at whatever moment (I6)."""
    wishes = [
        Start(id=new_id(), message_id=sender.message_id, part=0, channel_id=sender.desk.channel, duty="send",
              epoch=sender.epoch)
        for _ in range(2)
    ]  # fmt: skip
    started = await sender.desk.database.write(lambda tx: attempts.start(tx, wishes))
    assert sorted(started) == [False, True]


async def test_stale_epoch_starts_nothing(sender: Sender) -> None:
    """A node that lost its duty while it was frozen must not send (I4)."""
    database = sender.desk.database
    await database.write(lambda tx: tx.run(sa.text("UPDATE duties SET until = 0")))
    taken = await database.write(lambda tx: duties.take(tx, "send", "node-b", LEASE))
    assert taken == 2
    assert await sender.start(epoch=1) is None
    assert await sender.start(epoch=2) is not None


async def test_part_that_is_there_or_on_its_way_is_not_started_again(sender: Sender) -> None:
    """A task that rested while its duty passed to another node and back knows nothing of it (F31)."""
    attempt = await sender.start()
    assert attempt
    assert await sender.start() is None
    await sender.finish(attempt, "accepted", "sending", external_id="X1")
    assert await sender.start() is None
    assert await sender.start(part=1) is not None


async def test_opt_out_holds_from_the_moment_it_is_stored(sender: Sender) -> None:
    """The sender rested between its look and its call, and the customer wrote STOP meanwhile (I7)."""
    stop = Standing(key="stop", urn="telegram:7", state="opted_out", reason="STOP")
    await take(sender.desk.database, sender.desk.channel, stop)
    assert await sender.start() is None


async def test_nothing_is_started_after_its_deadline(sender: Sender) -> None:
    """The channel's pause was longer than the reply had."""
    await sender.desk.database.write(lambda tx: tx.run(sa.update(messages).values(deadline_at=now_ms() - 1)))
    assert await sender.start() is None


async def test_reply_on_a_channel_that_was_switched_off_is_not_silent_for_ever(sender: Sender) -> None:
    """Nobody sends there any more: when its time is over the agent is told (I5)."""
    database = sender.desk.database
    await database.write(lambda tx: channels.switch_off_others(tx, []))
    await database.write(attempts.end_stranded)
    assert await sender.status() == "queued"
    await database.write(lambda tx: tx.run(sa.update(messages).values(deadline_at=now_ms() - 1000)))
    await database.write(attempts.end_stranded)
    assert await sender.status() == "expired"


async def test_reply_behind_a_stranded_one_goes_on_by_its_own_channel(sender: Sender) -> None:
    """The lane waited on the channel that is off; the agent took the first reply back."""
    desk, database = sender.desk, sender.desk.database
    other = await database.write(lambda tx: channels.register(tx, "sms", "2", "SMS"))
    await desk.accept(desk.draft("by another way"))
    await database.write(
        lambda tx: tx.run(sa.update(messages).where(messages.c.seq == 3).values(channel_id=other))
    )
    await database.write(lambda tx: channels.switch_off_others(tx, [other]))
    await database.write(lambda tx: handling.cancel(tx, sender.message_id))
    await database.write(attempts.end_stranded)
    due = await database.read(lambda tx: lanes.due(tx, other, (), 10, 5))
    assert due.lanes == [desk.conversation_id]


async def test_duty_is_held_by_one_owner(sender: Sender) -> None:
    """While the lease runs nobody else gets it; given back, it is free at once."""
    database = sender.desk.database
    assert await database.write(lambda tx: duties.take(tx, "send", "node-b", LEASE)) is None
    assert await database.write(lambda tx: duties.keep(tx, "send", "node-a", 1, LEASE)) == ""
    assert await database.write(lambda tx: duties.keep(tx, "send", "node-b", 1, LEASE)) is None
    await database.write(lambda tx: duties.give_back(tx, "send", "node-a"))
    assert await database.write(lambda tx: duties.take(tx, "send", "node-b", LEASE)) == 2


async def test_reply_is_not_started_before_the_one_that_was_written_before_it(sender: Sender) -> None:
    """Whoever thinks that its turn has come: the thread has one order (I3)."""
    (later,) = await sender.desk.accept(sender.desk.draft("later"))
    assert isinstance(later, Accepted)
    following = Sender(sender.desk, later.message.id, sender.epoch)
    assert await following.start() is None
    attempt = await sender.start()
    assert attempt
    assert await following.start() is None
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    assert await following.start()


async def test_not_sent_waits_in_its_lane(sender: Sender) -> None:
    """A part that never left is tried again, after its back-off and before all that follow it."""
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "not_sent", "queued", wait=60_000, reason="refused")
    assert await sender.status() == "queued"
    assert await sender.due() == []


async def test_interrupted_attempt_is_unknown_to_the_next_owner(sender: Sender) -> None:
    """A crash between the call and its record: nobody knows, and nobody sends it again (I6)."""
    database, channel = sender.desk.database, sender.desk.channel
    assert await sender.start()
    assert await database.write(lambda tx: attempts.abandoned(tx, channel, 2, 1)) == 1
    assert await sender.status() == "unknown"
    due = await sender.due()
    assert await database.read(lambda tx: lanes.heads(tx, channel, due)) == []


async def test_late_outcome_is_recorded_whoever_brings_it(sender: Sender) -> None:
    """An outcome is evidence: a frozen node that wakes up says what really happened."""
    database, channel = sender.desk.database, sender.desk.channel
    attempt = await sender.start()
    assert attempt
    await database.write(lambda tx: attempts.abandoned(tx, channel, 2, 1))
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    assert await sender.status() == "sent"
    (row,) = await rows(database, attempt_rows)
    assert (row.outcome, row.external_id) == ("accepted", "X1")


async def test_outcome_never_goes_back(sender: Sender) -> None:
    """Once accepted, a later and lesser word changes nothing."""
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    await sender.finish(attempt, "unknown", "unknown")
    (row,) = await rows(sender.desk.database, attempt_rows)
    assert row.outcome == "accepted"
    assert await sender.status() == "sent"


async def test_late_word_does_not_undo_what_an_agent_decided(sender: Sender) -> None:
    """The frozen node wakes and knows nothing new, after the agent has said "send again"."""
    desk, attempt = sender.desk, await sender.start()
    assert attempt
    await desk.database.write(lambda tx: attempts.abandoned(tx, desk.channel, 2, 1))
    await desk.settle(sender.message_id, "again")
    await sender.finish(attempt, "unknown", "unknown")
    assert await sender.status() == "queued"


async def test_late_word_of_an_old_owner_sends_nothing_again_that_is_unknown(sender: Sender) -> None:
    """That the first try never left says nothing of the second, which may have arrived (I6)."""
    desk, attempt = sender.desk, await sender.start()
    assert attempt
    await desk.database.write(lambda tx: attempts.abandoned(tx, desk.channel, 2, 1))
    await desk.settle(sender.message_id, "again")
    await desk.database.write(lambda tx: tx.run(sa.text("UPDATE duties SET until = 0")))
    assert await desk.database.write(lambda tx: duties.take(tx, "send", "node-b", LEASE)) == 2
    second = await sender.start(epoch=2)
    assert second
    await sender.finish(second, "unknown", "unknown")
    await sender.finish(attempt, "not_sent", "queued")
    assert await sender.status() == "unknown"
    assert [row.outcome for row in await rows(desk.database, attempt_rows, "epoch")] == [
        "not_sent",
        "unknown",
    ]


async def test_late_word_moves_no_lane(sender: Sender) -> None:
    """The reply was tried again, and its lane rests for news of that: what follows must not leave before."""
    desk, attempt = sender.desk, await sender.start()
    assert attempt
    await desk.accept(desk.draft("and more"))
    await desk.database.write(lambda tx: attempts.abandoned(tx, desk.channel, 2, 1))
    await desk.settle(sender.message_id, "again")
    await desk.database.write(lambda tx: tx.run(sa.text("UPDATE duties SET until = 0")))
    assert await desk.database.write(lambda tx: duties.take(tx, "send", "node-b", LEASE)) == 2
    second = await sender.start(epoch=2)
    assert second
    await sender.finish(second, "unknown", "unknown", wait=60_000)
    await sender.finish(attempt, "rejected", "rejected")
    assert await sender.status() == "unknown"
    assert await sender.due() == []


async def test_node_that_lost_its_duty_ends_no_reply(sender: Sender) -> None:
    """It looked when the customer wanted nothing, and slept; its successor sends what it refuses (I4)."""
    desk = sender.desk
    await desk.database.write(lambda tx: tx.run(sa.text("UPDATE duties SET until = 0")))
    assert await desk.database.write(lambda tx: duties.take(tx, "send", "node-b", LEASE)) == 2
    attempt = await sender.start(epoch=2)
    assert attempt
    end = outcome_of(sender, "", "rejected", "rejected", duty="send", epoch=1)
    await desk.database.write(lambda tx: attempts.finish(tx, [end]))
    assert await sender.status() == "sending"
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    assert await sender.status() == "sent"


async def test_unknown_reply_is_not_ended_by_who_knows_nothing_of_it(sender: Sender) -> None:
    """A node slept with the reply in hand, and has the duty again: its successor tried it meanwhile (I6)."""
    desk = sender.desk
    assert await sender.start()
    await desk.database.write(lambda tx: tx.run(sa.text("UPDATE duties SET until = 0")))
    assert await desk.database.write(lambda tx: duties.take(tx, "send", "node-a", LEASE)) == 2
    await desk.database.write(lambda tx: attempts.abandoned(tx, desk.channel, 2, 1))
    end = outcome_of(sender, "", "rejected", "expired", duty="send", epoch=2)
    await desk.database.write(lambda tx: attempts.finish(tx, [end]))
    assert await sender.status() == "unknown"


async def test_receipt_reaches_a_reply_that_an_agent_knew_to_be_there(sender: Sender) -> None:
    """The agent was faster than the frozen node, which alone knows the vendor's name for it."""
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "unknown", "unknown")
    await sender.desk.settle(sender.message_id, "arrived")
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    await sender.receipt("X1", "delivered")
    assert await sender.status() == "delivered"


async def test_first_part_that_arrived_after_all_lets_the_rest_follow(sender: Sender) -> None:
    """The look-up finds the beginning of a long reply: the lane goes on with what comes next."""
    desk, attempt = sender.desk, await sender.start()
    assert attempt
    await sender.finish(attempt, "unknown", "unknown", wait=60_000)
    await sender.finish(attempt, "accepted", "sending", external_id="X1")
    assert await sender.due() == [desk.conversation_id]
    (head,) = await desk.database.read(lambda tx: lanes.heads(tx, desk.channel, [desk.conversation_id]))
    assert head.sent == {0}


async def test_outcome_brings_with_it_what_the_vendor_said_of_address_and_channel(sender: Sender) -> None:
    """In one transaction: a crash in between would send to the old address, or into the pause."""
    desk, attempt = sender.desk, await sender.start()
    assert attempt
    (address,) = await rows(desk.database, addresses)
    await sender.finish(
        attempt, "accepted", "sent", address_id=address.id, moved_to="telegram:-1007",
        channel_id=desk.channel, pause=60_000,
    )  # fmt: skip
    assert [row.urn for row in await rows(desk.database, addresses)] == ["telegram:-1007"]
    assert await desk.database.read(lambda tx: channels.paused_for(tx, desk.channel)) > 0


async def test_address_that_moved_to_a_known_one_leaves_both(sender: Sender) -> None:
    """The customer wrote from the new place before we heard of the move."""
    desk, attempt = sender.desk, await sender.start()
    assert attempt
    await take(desk.database, desk.channel, hello(2, chat=-1007))
    address = next(row for row in await rows(desk.database, addresses) if row.urn == "telegram:7")
    await sender.finish(attempt, "accepted", "sent", address_id=address.id, moved_to="telegram:-1007")
    assert [row.urn for row in await rows(desk.database, addresses, "urn")] == [
        "telegram:-1007",
        "telegram:7",
    ]
    assert await sender.status() == "sent"


async def test_vendors_words_are_kept_whatever_is_in_them(sender: Sender) -> None:
    """A refusal with a NUL in it is a refusal: unrecorded it would be sent again and again."""
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "rejected", "rejected", reason="bad \x00\ud800", external_id="X\x00")
    (row,) = await rows(sender.desk.database, attempt_rows)
    assert (row.outcome, row.reason, row.external_id) == ("rejected", "bad \ufffd\ufffd", "X\ufffd")


@pytest.mark.parametrize(
    ("order", "end"),
    [
        (["sent", "delivered", "read"], "read"),
        (["delivered", "sent"], "delivered"),
        (["read", "delivered"], "read"),
        (["failed", "sent"], "failed"),
        (["delivered", "failed"], "delivered"),
        (["failed", "delivered"], "failed"),
    ],
)
async def test_receipts_only_move_forward(sender: Sender, order: list[str], end: str) -> None:
    """Callbacks are not ordered; a final state is final (I8)."""
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    for status in order:
        await sender.receipt("X1", status)
    assert await sender.status() == end


async def test_receipts_of_one_commit_mean_what_they_mean_apart(sender: Sender) -> None:
    """What comes too late to fail a reply must not hide what came after it."""
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    await sender.receipt("X1", "delivered")
    words = [Receipt(external_id="X1", status="failed"), Receipt(external_id="X1", status="read")]
    await take(sender.desk.database, sender.desk.channel, *words)
    assert await sender.status() == "read"


async def test_receipt_that_came_first_is_applied(sender: Sender) -> None:
    """The vendor's callback can overtake the answer to our own call."""
    attempt = await sender.start()
    assert attempt
    await sender.receipt("X1", "delivered")
    assert await sender.status() == "sending"
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    assert await sender.status() == "delivered"


async def test_message_is_as_far_as_its_slowest_part(sender: Sender) -> None:
    """Delivered means all of it; one failed part fails it."""
    first = await sender.start(0)
    assert first
    await sender.finish(first, "accepted", "sending", external_id="X1")
    await sender.receipt("X1", "delivered")
    assert await sender.status() == "sending"
    second = await sender.start(1)
    assert second
    await sender.finish(second, "accepted", "sent", external_id="X2")
    assert await sender.status() == "sent"
    await sender.receipt("X2", "delivered")
    assert await sender.status() == "delivered"


async def test_last_part_that_arrived_is_all_that_was_missing(sender: Sender) -> None:
    """Told that the end of a long reply is there, nothing is sent again."""
    halves = Limits(text=10, part=5)
    for part, outcome in enumerate(("accepted", "unknown")):
        attempt = await sender.start(part)
        assert attempt
        await sender.finish(attempt, outcome, "sending" if part == 0 else "unknown")
    await sender.desk.settle(sender.message_id, "arrived", halves)
    assert await sender.status() == "sent"


async def first_of_two_fails(sender: Sender) -> None:
    """Of the two parts that were accepted, `X0` and `X1`, only the second arrives."""
    for part, status in ((0, "sending"), (1, "sent")):
        attempt = await sender.start(part)
        assert attempt
        await sender.finish(attempt, "accepted", status, external_id=f"X{part}")
    await sender.receipt("X1", "delivered")
    await sender.receipt("X0", "failed")


async def test_only_what_failed_is_sent_again(sender: Sender) -> None:
    """Of two parts the first failed on its way: the second is there, and nothing doubles it."""
    desk = sender.desk
    await first_of_two_fails(sender)
    assert await sender.status() == "failed"
    await desk.database.write(lambda tx: handling.retry(tx, sender.message_id, LIFETIME))
    (head,) = await desk.database.read(lambda tx: lanes.heads(tx, desk.channel, [desk.conversation_id]))
    assert head.sent == {1}
    attempt = await sender.start(0)
    assert attempt
    await sender.finish(attempt, "accepted", "sent", external_id="X2")
    assert await sender.status() == "sent"
    await sender.receipt("X2", "delivered")
    assert await sender.status() == "delivered"


async def told_of(sender: Sender) -> int:
    """How often pages were told of the sender's message."""
    found = await rows(sender.desk.database, change_rows)
    return sum(row.subject_id == sender.message_id for row in found)


async def test_pages_are_told_of_every_state(sender: Sender) -> None:
    """Whichever part leaves, and however late its word: what a page was not told of it shows as it was."""
    seen: list[tuple[str, int]] = []

    async def look() -> None:
        seen.append((await sender.status(), await told_of(sender)))

    async def start(part: int) -> str:
        attempt = await sender.start(part)
        assert attempt
        await look()
        return attempt

    async def end(attempt: str, outcome: str, status: str) -> None:
        await sender.finish(attempt, outcome, status, external_id=f"X{attempt}")
        await look()

    await look()
    first = await start(0)
    await end(first, "unknown", "unknown")
    await sender.desk.settle(sender.message_id, "again")
    await end(await start(0), "accepted", "sending")
    await end(await start(1), "not_sent", "queued")
    await end(await start(1), "accepted", "sent")
    await sender.receipt(f"X{first}", "failed")
    await end(first, "accepted", "sending")
    assert seen[-1][0] == "failed"
    untold = [after for before, after in pairwise(seen) if before[0] != after[0] and before[1] == after[1]]
    assert untold == []


async def test_page_acknowledges_what_it_shows(desk: Desk) -> None:
    """A visitor's page says what it has, then what was seen; never backwards."""
    await desk.accept(desk.draft(pulled=True), desk.draft(pulled=True))
    query = sa.text("SELECT address_id FROM conversations")
    address = (await desk.database.read(lambda tx: tx.run(query)))[0].address_id
    for seq, status in ((2, "read"), (3, "delivered"), (2, "delivered")):
        seen = partial(
            receipts.acknowledge, conversation_id=desk.conversation_id, address_id=address, seq=seq,
            status=status, now=now_ms(),
        )  # fmt: skip
        await desk.database.write(seen)
    assert await desk.statuses() == ["read", "delivered"]


async def test_fresh_lane_does_not_wait_behind_a_backlog(database: Database, channel: int) -> None:
    """Half of what is claimed is the newest: an hour's backlog starves nobody."""
    for chat in range(20):
        await take(database, channel, hello(chat, chat=chat))
    await database.write(
        lambda tx: tx.run(
            sa.text(
                "INSERT INTO lanes (conversation_id, channel_id, due_at) "
                "SELECT m.conversation_id, m.channel_id, a.id_number FROM messages m "
                "JOIN (SELECT id, CAST(substr(urn, 10) AS integer) + 1 AS id_number FROM addresses) a "
                "ON a.id = m.address_id"
            )
        )
    )
    ordered = [row.conversation_id for row in await rows(database, lane_rows, "due_at")]
    claimed = await database.read(lambda tx: lanes.due(tx, channel, (), 6, 3))
    assert set(claimed.lanes) == set(ordered[:3] + ordered[-3:])
    busy = set(claimed.lanes)
    more = await database.read(lambda tx: lanes.due(tx, channel, busy, 6, 3))
    assert not busy & set(more.lanes)
