"""Two nodes at once on PostgreSQL: what one has not committed yet, the other must not overlook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
import sqlalchemy as sa

from bridge.errors import Conflict, Invalid
from bridge.models import Receipt
from bridge.store import attempts, channels, duties, handling, lanes, replies, uploads
from bridge.store.engine import Database, Tx, Work, connect
from bridge.store.files import Stored
from bridge.store.inbound import Intake, receive
from bridge.store.tables import conversations
from bridge.store.tables import lanes as lane_rows
from tests.gateways import until
from tests.store.test_attempts import Sender, outcome_of, sender, wish_of
from tests.store.test_inbound import hello, rows, take
from tests.store.test_replies import Desk, desk

__all__ = ["desk", "sender"]

_WAITING = sa.text(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
async def database(postgresql_url: str) -> AsyncIterator[Database]:
    """SQLite has one writer: there two transactions are never at work at once."""
    opened = connect(postgresql_url)
    yield opened
    await opened.close()


@pytest.fixture
async def channel(database: Database) -> int:
    """The row of a channel."""
    return await database.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))


async def side_by_side(database: Database, first: Work[object], second: Work[object]) -> None:
    """Have `first` commit only when `second`, begun after it, is done or waits for it."""
    stands, go_on = asyncio.Event(), asyncio.Event()

    async def held(tx: Tx) -> None:
        await first(tx)
        stands.set()
        await go_on.wait()

    one = asyncio.create_task(database.write(held))
    await stands.wait()
    two = asyncio.create_task(database.write(second))

    async def done_or_waiting() -> bool:
        return two.done() or bool(await database.read(lambda tx: tx.run(_WAITING)))

    await until(done_or_waiting)
    go_on.set()
    await asyncio.gather(one, two)


async def test_reply_that_commits_while_the_one_before_ends_keeps_its_lane_awake(sender: Sender) -> None:
    """The lane must not fall asleep over a reply that its last statement could not see yet (I5)."""
    desk, attempt = sender.desk, await sender.start()
    assert attempt
    ending = outcome_of(sender, attempt, "accepted", "sent", external_id="X1")
    await side_by_side(
        desk.database,
        lambda tx: replies.accept(tx, [desk.draft("and more")]),
        lambda tx: attempts.finish(tx, [ending]),
    )
    (lane,) = await rows(desk.database, lane_rows)
    assert lane.due_at is not None


async def test_duty_is_taken_over_only_when_what_its_owner_started_can_be_seen(sender: Sender) -> None:
    """An attempt that the next owner did not find would stay open for ever (F17)."""
    desk, database = sender.desk, sender.desk.database
    await database.write(lambda tx: duties.give_back(tx, "send", "node-a", sender.epoch))

    async def start(tx: Tx) -> object:
        return await attempts.start(tx, [wish_of(sender)])

    async def take_over(tx: Tx) -> None:
        epoch = await duties.take(tx, "send", "node-b", 60_000)
        assert epoch
        assert await attempts.abandoned(tx, desk.channel, epoch, 1) == 1

    await side_by_side(database, start, take_over)
    assert await sender.status() == "unknown"
    assert await sender.start() is None


async def test_reply_that_commits_while_its_lane_is_tidied_keeps_it_awake(sender: Sender) -> None:
    """The same where a lane is found without a message."""
    desk = sender.desk
    await desk.database.write(lambda tx: handling.cancel(tx, sender.message_id))
    await side_by_side(
        desk.database,
        lambda tx: replies.accept(tx, [desk.draft("and more")]),
        lambda tx: lanes.tidy(tx, [desk.conversation_id]),
    )
    (lane,) = await rows(desk.database, lane_rows)
    assert lane.due_at is not None


@pytest.mark.parametrize("receipt_first", [True, False])
async def test_receipt_that_commits_beside_its_answer_is_applied(sender: Sender, receipt_first: bool) -> None:
    """The callback and the answer to our call arrive together, at two nodes (F23)."""
    desk, attempt = sender.desk, await sender.start()
    assert attempt
    ending = outcome_of(sender, attempt, "accepted", "sent", external_id="X1")
    intake = Intake(desk.channel, (Receipt(external_id="X1", status="delivered"),))

    async def hear(tx: Tx) -> object:
        return await receive(tx, [intake])

    async def end(tx: Tx) -> object:
        return await attempts.finish(tx, [ending])

    await side_by_side(desk.database, *((hear, end) if receipt_first else (end, hear)))
    assert await sender.status() == "delivered"


async def test_message_that_commits_while_the_thread_is_read_stays_unread(desk: Desk) -> None:
    """What the agent has not seen keeps its badge."""
    database = desk.database
    await side_by_side(
        database,
        lambda tx: receive(tx, [Intake(desk.channel, (hello(2),))]),
        lambda tx: handling.read(tx, desk.conversation_id, 1),
    )
    (conversation,) = await rows(database, conversations)
    assert (conversation.read_seq, conversation.unread) == (1, 1)


async def test_work_that_a_deadlock_ended_is_done_again(database: Database, channel: int) -> None:
    """PostgreSQL lets one of two go on and ends the other, which did nothing wrong."""
    await take(database, channel, hello(1, chat=1), hello(2, chat=2))
    first, second = (row.id for row in await rows(database, conversations, "id"))
    stands = {first: asyncio.Event(), second: asyncio.Event()}

    async def touch(one: str, other: str, tx: Tx) -> None:
        for conversation in (one, other):
            await tx.run(sa.update(conversations).where(conversations.c.id == conversation).values(unread=0))
            stands[one].set()
            await stands[other].wait()

    await asyncio.gather(
        database.write(partial(touch, first, second)), database.write(partial(touch, second, first))
    )
    assert [row.unread for row in await rows(database, conversations)] == [0, 0]


async def test_reply_into_an_ended_thread_beside_the_customers_next_message_is_sent_there(desk: Desk) -> None:
    """The thread ended last week; the agent answers it in the moment in which a newer one begins."""
    database = desk.database
    ending = sa.update(conversations).values(status="resolved", resolved_at=1, ended_at=2)
    await database.write(lambda tx: tx.run(ending))
    outcomes: list[replies.Outcome] = []

    async def answer(tx: Tx) -> None:
        outcomes[:] = await replies.accept(tx, [desk.draft("Ci ripensi?")])

    await side_by_side(database, lambda tx: receive(tx, [Intake(desk.channel, (hello(2),))]), answer)
    newest = (await rows(database, conversations, "created_at"))[-1]
    (refused,) = outcomes
    assert isinstance(refused, Conflict)
    assert refused.extra == {"reason": "ended", "current": newest.id}


async def test_same_reply_at_two_nodes_is_one_message(desk: Desk) -> None:
    """An impatient page asks twice, and both look before either has written: the second looks again."""
    drafts = [desk.draft(client_id="once"), desk.draft(client_id="once")]
    outcomes: list[replies.Outcome] = []

    async def send(draft: replies.Draft, tx: Tx) -> None:
        outcomes.extend(await replies.accept(tx, [draft]))

    await side_by_side(desk.database, partial(send, drafts[0]), partial(send, drafts[1]))
    if isinstance(outcomes[1], replies.Changed):
        outcomes[1:] = await desk.accept(drafts[1])
    made = [(one.message.id, one.new) for one in outcomes if isinstance(one, replies.Accepted)]
    assert made == [(drafts[0].id, True), (drafts[0].id, False)]


async def test_file_goes_out_with_one_of_two_replies(desk: Desk) -> None:
    """The same upload in two replies at once: one of them is told, none goes without its file."""
    database = desk.database
    owner, stored = f"agent:{desk.agent_id}", Stored(sha256="0" * 64, size=1, mime="image/png")
    file = await database.write(lambda tx: uploads.add(tx, stored, owner=owner, name="a.png"))
    await take(database, desk.channel, hello(2, chat=8))
    query = sa.select(conversations.c.id).where(conversations.c.id != desk.conversation_id)
    (other,) = await database.read(lambda tx: tx.run(query))
    drafts = [
        desk.draft(attachments=(file.id,)),
        desk.draft(attachments=(file.id,), conversation_id=other.id),
    ]
    outcomes: list[replies.Outcome] = []

    async def send(draft: replies.Draft, tx: Tx) -> None:
        outcomes.extend(await replies.accept(tx, [draft]))

    await side_by_side(database, partial(send, drafts[0]), partial(send, drafts[1]))
    assert [type(outcome) for outcome in outcomes] == [replies.Accepted, Invalid]


async def test_messages_and_replies_of_the_same_customers_never_wait_in_a_circle(
    database: Database, channel: int, desk: Desk
) -> None:
    """Each circle costs a second: both hold conversations in one order, whatever the customers' addresses."""
    # The address that sorts last has the oldest conversation.
    chats = range(30, 10, -1)
    for chat in chats:
        await take(database, channel, hello(chat, chat=chat))
    threads = [row.id for row in await rows(database, conversations, "id")]
    tries = 0

    async def counted(work: Work[object]) -> None:
        async def run(tx: Tx) -> object:
            nonlocal tries
            tries += 1
            return await work(tx)

        await database.write(run)

    for turn in range(20):
        events = [Intake(channel, (hello(1000 * (turn + 1) + chat, chat=chat),)) for chat in chats]
        drafts = [desk.draft(conversation_id=thread) for thread in threads]
        await asyncio.gather(
            counted(partial(receive, intakes=events)), counted(partial(replies.accept, drafts=drafts))
        )
    assert tries == 2 * 20
