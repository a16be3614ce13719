"""Two nodes at once on PostgreSQL: what one has not committed yet, the other must not overlook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from bridge.errors import Conflict, Invalid
from bridge.models import Edit, Ignored, Receipt
from bridge.store import attempts, channels, duties, handling, lanes, parked, replies, uploads
from bridge.store.engine import Database, Tx, Work
from bridge.store.files import Stored
from bridge.store.inbound import Intake, receive
from bridge.store.outgoing import Draft
from bridge.store.postgresql import PostgresDatabase
from bridge.store.replies import Accepted
from bridge.store.tables import conversations, events, messages
from bridge.store.tables import lanes as lane_rows
from tests.gateways import until
from tests.store.test_attempts import Sender, outcome_of, sender, wish_of
from tests.store.test_inbound import hello, rows, take
from tests.store.test_replies import Desk, desk

__all__ = ["desk", "sender"]

T = TypeVar("T")

_WAITING = sa.text(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Counting(PostgresDatabase):
    """Says how often work was begun: more often than there was work where some was in the way of others."""

    tries = 0

    async def write(self, work: Work[T]) -> T:
        async def counted(tx: Tx) -> T:
            self.tries += 1
            return await work(tx)

        return await super().write(counted)


@pytest.fixture
async def database(postgresql_url: str) -> AsyncIterator[Counting]:
    """SQLite has one writer: there two transactions are never at work at once."""
    opened = Counting(make_url(postgresql_url))
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
    await database.write(lambda tx: duties.give_back(tx, "send", "node-a"))

    async def start(tx: Tx) -> object:
        return await attempts.start(tx, [wish_of(sender)])

    async def take_over(tx: Tx) -> None:
        epoch = await duties.take(tx, "send", "node-b", 60_000)
        assert epoch
        assert await attempts.abandoned(tx, desk.channel, epoch, 1) == 1

    await side_by_side(database, start, take_over)
    assert await sender.status() == "unknown"
    assert await sender.start() is None


@pytest.mark.parametrize("late_first", [True, False])
async def test_f29_late_word_and_the_next_start_are_decided_one_after_the_other(
    sender: Sender, late_first: bool
) -> None:
    """That the first never left, and that the second leaves: each must know of the other (I3)."""
    desk, database = sender.desk, sender.desk.database
    (later,) = await desk.accept(desk.draft("later"))
    assert isinstance(later, Accepted)
    attempt = await sender.start()
    assert attempt
    await database.write(lambda tx: attempts.abandoned(tx, desk.channel, 2, 1))
    never_left = outcome_of(sender, attempt, "not_sent", "queued", wait=1)
    wish = wish_of(Sender(desk, later.message.id, sender.epoch))
    started: list[bool] = []

    async def end(tx: Tx) -> object:
        return await attempts.finish(tx, [never_left])

    async def start(tx: Tx) -> None:
        started[:] = await attempts.start(tx, [wish])

    await side_by_side(database, *((end, start) if late_first else (start, end)))
    assert (await sender.status(), started) == (("queued", [False]) if late_first else ("rejected", [True]))


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


async def test_f11_message_that_two_nodes_find_at_once_is_of_one_attempt(sender: Sender) -> None:
    """Not even of two threads, whose lanes are locked apart: neither sees yet what the other has written."""
    desk, database = sender.desk, sender.desk.database
    await take(database, desk.channel, hello(2, chat=8))
    threads = {row.id for row in await rows(database, conversations)}
    (thread,) = threads - {desk.conversation_id}
    other = Desk(database, desk.channel, desk.agent_id, thread)
    (accepted,) = await other.accept(other.draft())
    assert isinstance(accepted, replies.Accepted)
    second = Sender(other, accepted.message.id, sender.epoch)
    claims = []
    for one in (sender, second):
        attempt = await one.start()
        assert attempt
        await one.finish(attempt, "unknown", "unknown")
        claims.append(outcome_of(one, attempt, "accepted", "sent", external_id="SM1", looked_up=True))
    await side_by_side(
        database,
        lambda tx: attempts.finish(tx, claims[:1]),
        lambda tx: attempts.finish(tx, claims[1:]),
    )
    assert [await sender.status(), await second.status()] == ["sent", "unknown"]


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


@pytest.mark.parametrize("edit_first", [True, False])
@pytest.mark.parametrize("stranger", [True, False])
async def test_f24_edit_beside_its_message_at_another_node_is_applied(
    database: Database, channel: int, *, edit_first: bool, stranger: bool
) -> None:
    """Neither sees the other before its commit: the customer's address, or their thread, keeps them apart."""
    if not stranger:
        await take(database, channel, hello(1))
    edit = Edit(key="update:3", urn="telegram:7", external_id="7:2", text="better")

    async def change(tx: Tx) -> object:
        return await receive(tx, [Intake(channel, (edit,))])

    async def write(tx: Tx) -> object:
        return await receive(tx, [Intake(channel, (hello(2),))])

    await side_by_side(database, *((change, write) if edit_first else (write, change)))
    assert (await rows(database, messages, "seq"))[-1].text == "better"


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


async def test_thread_that_is_written_to_at_this_moment_does_not_end(desk: Desk) -> None:
    """Many end at once, in no order: they wait for nobody, who could be waiting for them."""
    database = desk.database
    await take(database, desk.channel, hello(2, chat=8))
    resolved = sa.update(conversations).values(status="resolved", resolved_at=1)
    await database.write(lambda tx: tx.run(resolved))
    ended: list[int] = []

    async def end(tx: Tx) -> None:
        ended.append(await handling.end_old(tx, 1000))

    held, go_on = asyncio.Event(), asyncio.Event()

    async def write_to(tx: Tx) -> None:
        await receive(tx, [Intake(desk.channel, (hello(3),))])
        held.set()
        await go_on.wait()

    writing = asyncio.create_task(database.write(write_to))
    await held.wait()
    await database.write(end)
    go_on.set()
    await writing
    assert ended == [1]
    assert [row.ended_at is None for row in await rows(database, conversations, "id")] == [True, False]


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
    assert refused.extra == {"reason": "ended", "newest": newest.id}


async def test_same_reply_at_two_nodes_is_one_message(desk: Desk) -> None:
    """An impatient page asks twice, and both look before either has written: the second looks again."""
    drafts = [desk.draft(client_id="once"), desk.draft(client_id="once")]
    outcomes: list[replies.Outcome] = []

    async def send(draft: Draft, tx: Tx) -> None:
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

    async def send(draft: Draft, tx: Tx) -> None:
        outcomes.extend(await replies.accept(tx, [draft]))

    await side_by_side(database, partial(send, drafts[0]), partial(send, drafts[1]))
    assert [type(outcome) for outcome in outcomes] == [replies.Accepted, Invalid]


@pytest.mark.parametrize("verdict", ["arrived", "again"])
async def test_verdict_and_reply_in_one_thread_never_wait_in_a_circle(
    database: Counting, sender: Sender, verdict: str
) -> None:
    """An agent settles what is unknown while a colleague replies: both want the thread and its lane."""
    desk, attempt = sender.desk, await sender.start()
    assert attempt
    await sender.finish(attempt, "unknown", "unknown")
    holds, go_on = asyncio.Event(), asyncio.Event()

    async def hold_the_lane(tx: Tx) -> None:
        await lanes.LOCK.take(tx, [desk.conversation_id])
        holds.set()
        await go_on.wait()

    async def wait_for(number: int) -> None:
        async def look() -> bool:
            return len(await database.read(lambda tx: tx.run(_WAITING))) == number

        await until(look)

    holding = asyncio.create_task(database.write(hold_the_lane))
    await holds.wait()
    database.tries = 0
    settling = asyncio.create_task(desk.settle(sender.message_id, verdict))
    await wait_for(1)
    replying = asyncio.create_task(desk.accept(desk.draft("and more")))
    await wait_for(2)
    go_on.set()
    await asyncio.gather(holding, settling, replying)
    assert database.tries == 2


async def test_messages_and_replies_of_the_same_customers_never_wait_in_a_circle(
    database: Counting, channel: int, desk: Desk
) -> None:
    """Each circle costs a second: both hold conversations in one order, whatever the customers' addresses."""
    # The address that sorts last has the oldest conversation.
    chats = range(30, 10, -1)
    for chat in chats:
        await take(database, channel, hello(chat, chat=chat))
    threads = [row.id for row in await rows(database, conversations, "id")]
    database.tries = 0
    for turn in range(20):
        events = [Intake(channel, (hello(1000 * (turn + 1) + chat, chat=chat),)) for chat in chats]
        drafts = [desk.draft(conversation_id=thread) for thread in threads]
        await asyncio.gather(
            database.write(partial(receive, intakes=events)),
            database.write(partial(replies.accept, drafts=drafts)),
        )
    assert database.tries == 2 * 20


@pytest.mark.parametrize("replay_first", [True, False])
@pytest.mark.parametrize("has_place", [True, False])
async def test_event_that_is_replayed_beside_its_repeat_is_one_message(
    database: Database, channel: int, *, replay_first: bool, has_place: bool
) -> None:
    """The vendor's repeat meets the key that is just taken out and put in again."""
    strange = hello(2, kind="unsupported", raw="{}", parked="?")
    await take(
        database, channel, hello(1), strange if has_place else Ignored(key="update:2", raw="{}", parked="?")
    )
    (waiting,), _ = await database.read(lambda tx: parked.page(tx, limit=1))
    event = await database.read(lambda tx: parked.find(tx, waiting.id))
    assert event

    async def replay(tx: Tx) -> object:
        return await parked.put_right(tx, event, [hello(2, text="read")])

    async def repeat(tx: Tx) -> object:
        return await receive(tx, [Intake(channel, (strange,))])

    await side_by_side(database, *((replay, repeat) if replay_first else (repeat, replay)))
    assert [row.text for row in await rows(database, messages, "seq")] == ["message 1", "read"]
    assert [row.state for row in await rows(database, events)] == ["done", "done"]


async def test_event_that_is_replayed_twice_at_once_is_one_message(database: Database, channel: int) -> None:
    """Two commands: the second waits for the first, and finds nothing that waits."""
    await take(database, channel, Ignored(key="update:2", raw="{}", parked="?"))
    (waiting,), _ = await database.read(lambda tx: parked.page(tx, limit=1))
    event = await database.read(lambda tx: parked.find(tx, waiting.id))
    assert event
    outcomes = []

    async def replay(tx: Tx) -> None:
        outcomes.append(await parked.put_right(tx, event, [hello(2)]))

    await side_by_side(database, replay, replay)
    assert outcomes[1] is None
    assert len(await rows(database, messages)) == 1


@pytest.mark.parametrize("given_up_first", [True, False])
async def test_reply_that_is_given_up_while_it_starts_is_one_or_the_other(
    sender: Sender, *, given_up_first: bool
) -> None:
    """Sent and said to be given up, it would be sent again by whoever wonders (I6)."""
    started: list[bool] = []
    refused: list[Conflict] = []

    async def start(tx: Tx) -> None:
        started[:] = await attempts.start(tx, [wish_of(sender)])

    async def give_up(tx: Tx) -> None:
        try:
            await handling.give_up(tx, sender.message_id)
        except Conflict as error:
            refused.append(error)

    await side_by_side(sender.desk.database, *((give_up, start) if given_up_first else (start, give_up)))
    assert (started, bool(refused)) == ([not given_up_first], not given_up_first)
    assert await sender.status() == ("rejected" if given_up_first else "sending")
