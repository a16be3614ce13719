"""What never left, as is known only after others have left: order stands before speed (I3)."""

from __future__ import annotations

import pytest

from bridge.store import attempts, duties, handling, lanes, messages
from bridge.store.attempts import Finish
from bridge.store.replies import Accepted
from tests.clocks import set_clock
from tests.store.test_attempts import LEASE, Sender, sender
from tests.store.test_replies import desk

__all__ = ["desk", "sender"]


async def abandoned(sender: Sender, wait: int = 0) -> None:
    """Another owner found an attempt without an outcome."""
    desk = sender.desk
    assert await desk.database.write(lambda tx: attempts.abandoned(tx, desk.channel, 2, wait)) == 1


async def test_reply_that_never_left_is_sent_by_itself_where_nothing_followed(sender: Sender) -> None:
    """The node that was taken for dead says that it made no call."""
    attempt = await sender.start()
    assert attempt
    await abandoned(sender)
    await sender.finish(attempt, "not_sent", "queued", reason="the duty passed to another node", wait=1)
    assert await sender.status() == "queued"


async def test_f29_reply_that_never_left_is_left_to_a_person_where_others_went_before_it(
    sender: Sender,
) -> None:
    """It would arrive after what was written after it: the agent is told, and decides."""
    desk = sender.desk
    (later,) = await desk.accept(desk.draft("later"))
    assert isinstance(later, Accepted)
    attempt = await sender.start()
    assert attempt
    await abandoned(sender)
    following = Sender(desk, later.message.id, sender.epoch)
    assert await following.start()
    await sender.finish(attempt, "not_sent", "queued", reason="the duty passed to another node", wait=1)
    assert await sender.status() == "rejected"
    shown = await desk.database.read(lambda tx: messages.views(tx, [sender.message_id]))
    assert shown[sender.message_id].reason == "overtaken by a later reply"


async def test_reply_that_was_claimed_before_its_lane_rested_does_not_leave(sender: Sender) -> None:
    """It waited for its turn while another owner sent what was before it, and heard no answer."""
    desk = sender.desk
    (later,) = await desk.accept(desk.draft("later"))
    assert isinstance(later, Accepted)
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "unknown", "unknown", wait=60_000)
    await set_clock(desk.database, 61_000)
    due = await desk.database.read(lambda tx: lanes.due(tx, desk.channel, (), 10, 5))
    claimed = await desk.database.read(lambda tx: lanes.heads(tx, desk.channel, due.lanes))
    assert [head.message_id for head in claimed] == [later.message.id]
    await desk.settle(sender.message_id, "again")
    await desk.database.write(lambda tx: duties.give_back(tx, "send", "node-a"))
    epoch = await desk.database.write(lambda tx: duties.take(tx, "send", "node-b", LEASE))
    assert epoch
    other = Sender(desk, sender.message_id, epoch)
    again = await other.start()
    assert again
    await other.finish(again, "unknown", "unknown", wait=60_000)
    assert await Sender(desk, later.message.id, epoch).start() is None


@pytest.mark.parametrize("word", ["looked up", "arrived", "again", "given up"])
async def test_word_about_an_older_reply_does_not_end_the_wait_for_a_newer_one(
    sender: Sender, word: str
) -> None:
    """The vendor is still asked about that one, and would take a third in the same words for it (ADR 21)."""
    desk = sender.desk
    later, last = await desk.accept(desk.draft("later"), desk.draft("last"))
    assert isinstance(later, Accepted)
    assert isinstance(last, Accepted)
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "unknown", "unknown", wait=60_000)
    await set_clock(desk.database, 61_000)
    following = Sender(desk, later.message.id, sender.epoch)
    newer = await following.start()
    assert newer
    await following.finish(newer, "unknown", "unknown", wait=60_000)
    if word == "looked up":
        await sender.finish(attempt, "accepted", "sent", external_id="42:7", looked_up=True)
    elif word == "given up":
        await desk.database.write(lambda tx: handling.give_up(tx, sender.message_id))
    else:
        await desk.settle(sender.message_id, word)
    assert await sender.status() == {"again": "queued", "given up": "rejected"}.get(word, "sent")
    assert await Sender(desk, last.message.id, sender.epoch).start() is None
    due = await desk.database.read(lambda tx: lanes.due(tx, desk.channel, (), 10, 5))
    assert due.lanes == []
    await following.finish(newer, "accepted", "sent", external_id="42:8")
    due = await desk.database.read(lambda tx: lanes.due(tx, desk.channel, (), 10, 5))
    assert due.lanes == [desk.conversation_id]


@pytest.mark.parametrize("outcome", ["not_sent", "unknown", "abandoned"])
async def test_older_reply_that_is_sent_again_rests_as_any_other(sender: Sender, outcome: str) -> None:
    """A later one has left long ago; now the agent has this one sent again, and a third waits behind it."""
    desk = sender.desk
    later, last = await desk.accept(desk.draft("later"), desk.draft("last"))
    assert isinstance(later, Accepted)
    assert isinstance(last, Accepted)
    attempt = await sender.start()
    assert attempt
    await sender.finish(attempt, "rejected", "rejected", reason="no")
    following = Sender(desk, later.message.id, sender.epoch)
    newer = await following.start()
    assert newer
    await following.finish(newer, "accepted", "sent", external_id="42:8")
    await set_clock(desk.database, 1_000)
    await desk.database.write(lambda tx: handling.retry(tx, sender.message_id, LEASE))
    again = await sender.start()
    assert again
    if outcome == "abandoned":
        await abandoned(sender, wait=20_000)
    else:
        status = "queued" if outcome == "not_sent" else "unknown"
        await sender.finish(again, outcome, status, wait=20_000)
    assert await sender.start() is None
    assert await Sender(desk, last.message.id, sender.epoch).start() is None
    due = await desk.database.read(lambda tx: lanes.due(tx, desk.channel, (), 10, 5))
    assert due.lanes == []


async def test_stale_owner_ends_nothing(sender: Sender) -> None:
    """It saw an address that was blocked; meanwhile it is open, and another node has its call under way."""
    desk = sender.desk
    await desk.database.write(lambda tx: duties.give_back(tx, "send", "node-a"))
    epoch = await desk.database.write(lambda tx: duties.take(tx, "send", "node-b", LEASE))
    assert epoch
    attempt = await Sender(desk, sender.message_id, epoch).start()
    assert attempt
    end = Finish(
        message_id=sender.message_id, conversation_id=desk.conversation_id, status="rejected",
        reason="blocked", duty="send", epoch=sender.epoch,
    )  # fmt: skip
    await desk.database.write(lambda tx: attempts.finish(tx, [end]))
    assert await sender.status() == "sending"
    await sender.finish(attempt, "accepted", "sent", external_id="X1")
    assert await sender.status() == "sent"
