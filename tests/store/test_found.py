"""What a look-up found, by number and words: it may be another's, and the ledger knows whose it is."""

from __future__ import annotations

import pytest

from bridge.ids import now_ms
from bridge.models import Limits
from bridge.store import attempts
from bridge.store.replies import Accepted
from bridge.store.tables import attempts as attempt_rows
from bridge.store.tables import conversations
from tests.store.test_attempts import Sender, outcome_of, sender
from tests.store.test_inbound import hello, rows, take
from tests.store.test_replies import desk

__all__ = ["desk", "sender"]


async def unclear(sender: Sender, part: int = 0, wait: int = 0) -> str:
    """An attempt whose answer was lost, and for so many ms the next reply waits for what became of it."""
    attempt = await sender.start(part)
    assert attempt
    await sender.finish(attempt, "unknown", "unknown", wait=wait)
    return attempt


async def found(sender: Sender, attempt: str, external_id: str, status: str = "sent") -> bool:
    """Record what the vendor has; whether it was taken for the attempt's."""
    await sender.finish(attempt, "accepted", status, external_id=external_id, looked_up=True)
    return await sender.desk.database.read(lambda tx: attempts.is_accepted(tx, attempt))


async def following(sender: Sender) -> Sender:
    """The next reply of the same thread, in the same words."""
    (accepted,) = await sender.desk.accept(sender.desk.draft())
    assert isinstance(accepted, Accepted)
    return Sender(sender.desk, accepted.message.id, sender.epoch)


async def known(sender: Sender) -> list[tuple[str | None, str | None]]:
    """The ledger: outcomes and ids, in order."""
    found = await rows(sender.desk.database, attempt_rows, "started_at", "id")
    return [(row.outcome, row.external_id) for row in found]


async def test_message_that_was_found_is_sent_and_its_lane_goes_on(sender: Sender) -> None:
    """The plain case."""
    attempt = await unclear(sender, wait=60_000)
    await following(sender)
    assert await found(sender, attempt, "SM1")
    assert await sender.status() == "sent"
    assert await sender.due() == [sender.desk.conversation_id]


async def test_f11_message_of_another_reply_is_not_found_for_a_lost_one(sender: Sender) -> None:
    """The same words again: the vendor has one message, and only the second reply is shown as sent (I5)."""
    lost = await unclear(sender)
    second = await following(sender)
    attempt = await second.start()
    assert attempt
    await second.finish(attempt, "accepted", "sent", external_id="SM2")
    assert not await found(sender, lost, "SM2")
    assert await sender.status() == "unknown"
    assert await found(sender, lost, "SM1")
    assert await known(sender) == [("accepted", "SM1"), ("accepted", "SM2")]


async def test_f11_message_is_not_taken_from_a_reply_that_waits_for_its_answer(sender: Sender) -> None:
    """The vendor lists the second reply before it has answered: its id is not in the ledger yet."""
    lost = await unclear(sender)
    second = await following(sender)
    attempt = await second.start()
    assert attempt
    assert not await found(sender, lost, "SM2")
    await second.finish(attempt, "accepted", "sent", external_id="SM2")
    assert not await found(sender, lost, "SM2")
    assert await sender.status() == "unknown"
    assert await known(sender) == [("unknown", None), ("accepted", "SM2")]


async def test_message_to_another_customer_on_its_way_stands_in_no_ones_way(sender: Sender) -> None:
    """On a busy channel something is always on the wire."""
    desk, attempt = sender.desk, await unclear(sender)
    await take(desk.database, desk.channel, hello(2, chat=8))
    threads = {row.id for row in await rows(desk.database, conversations)}
    (other,) = threads - {desk.conversation_id}
    (accepted,) = await desk.accept(desk.draft(conversation_id=other))
    assert isinstance(accepted, Accepted)
    assert await Sender(desk, accepted.message.id, sender.epoch).start()
    assert await found(sender, attempt, "SM1")


async def test_f11_message_that_two_questions_find_at_once_is_of_one_attempt(sender: Sender) -> None:
    """Both lost their answers and the vendor has one: it is not counted twice, not even in one batch."""
    first = await unclear(sender)
    second = await following(sender)
    other = await unclear(second)
    claims = [
        outcome_of(one, attempt, "accepted", "sent", external_id="SM1", looked_up=True)
        for one, attempt in ((sender, first), (second, other))
    ]
    await sender.desk.database.write(lambda tx: attempts.finish(tx, claims))
    assert sorted([await sender.status(), await second.status()]) == ["sent", "unknown"]
    left = (sender, first) if await sender.status() == "unknown" else (second, other)
    assert not await found(*left, "SM1")
    assert await found(*left, "SM2")


async def test_reply_that_is_to_be_sent_again_is_not_when_it_is_found_before(sender: Sender) -> None:
    """The agent was quicker than the vendor's list, and the sender slower: one copy is enough."""
    attempt = await unclear(sender)
    await sender.desk.settle(sender.message_id, "again")
    assert await found(sender, attempt, "SM1")
    assert await sender.status() == "sent"
    assert await sender.start() is None


async def test_reply_that_is_being_sent_again_waits_for_the_answer_to_that(sender: Sender) -> None:
    """What the vendor lists now may be the second copy; and what comes of it says what the reply is."""
    first = await unclear(sender)
    await sender.desk.settle(sender.message_id, "again")
    second = await sender.start()
    assert second
    assert not await found(sender, first, "SM2")
    assert await sender.status() == "sending"
    await sender.finish(second, "accepted", "sent", external_id="SM2")
    assert await sender.status() == "sent"
    assert await known(sender) == [("unknown", None), ("accepted", "SM2")]


async def test_reply_that_was_sent_again_keeps_its_state_when_the_first_is_found_too(sender: Sender) -> None:
    """The customer has two, as the agent wanted it: both are in the ledger, and the reply is sent."""
    first = await unclear(sender)
    await sender.desk.settle(sender.message_id, "again")
    second = await sender.start()
    assert second
    await sender.finish(second, "accepted", "sent", external_id="SM2")
    await sender.receipt("SM2", "delivered")
    assert await found(sender, first, "SM1")
    assert await sender.status() == "delivered"
    assert await known(sender) == [("accepted", "SM1"), ("accepted", "SM2")]


async def test_question_is_as_old_as_the_database_says(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked by another node than the one that sent it, and their clocks are an hour apart."""
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "now_ms", lambda: now_ms() + 3_600_000)
        attempt = await unclear(sender)
    desk, started = sender.desk, now_ms()
    (question,) = await desk.database.read(lambda tx: attempts.questions(tx, desk.channel))
    assert (question.id, question.message_id, question.part) == (attempt, sender.message_id, 0)
    assert abs(question.started_at - started) < 60_000


@pytest.mark.parametrize("verdict", ["arrived", "again"])
async def test_part_that_was_found_lets_the_rest_follow_whatever_the_agent_said(
    sender: Sender, verdict: str
) -> None:
    """Half of a long reply: its second half was never sent, and goes out by itself."""
    first = await unclear(sender)
    await sender.desk.settle(sender.message_id, verdict, Limits(text=10, part=5))
    assert await found(sender, first, "SM1", "sending")
    assert await sender.status() in ("queued", "sending")
    assert await sender.start(0) is None
    assert await sender.start(1)
    assert await sender.due() == [sender.desk.conversation_id]
