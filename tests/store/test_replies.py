"""Replies: accepted once, with the reason when they cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.errors import BridgeError, Conflict, Invalid, NotFound
from bridge.ids import new_id
from bridge.models import Limits, Standing
from bridge.store import agents, attempts, channels, duties, handling, uploads
from bridge.store import lanes as lane_views
from bridge.store import messages as message_views
from bridge.store.attempts import Finish, Start
from bridge.store.engine import Database, Tx
from bridge.store.files import Stored
from bridge.store.inbound import Intake, receive
from bridge.store.outgoing import Carrier, Draft, Route
from bridge.store.replies import Accepted, Changed, Outcome, accept
from bridge.store.tables import addresses, conversations, lanes, messages
from bridge.store.tables import attempts as attempt_table
from bridge.store.tables import channels as channel_table
from tests.store.test_inbound import hello, rows, take

LIFETIME = 24 * 3600 * 1000
LIMITS = Limits(text=100, part=100, files=2, file_size=1000)


class Desk:
    """An agent before a conversation."""

    def __init__(self, database: Database, channel: int, agent_id: str, conversation_id: str) -> None:
        self.database = database
        self.channel = channel
        self.agent_id = agent_id
        self.conversation_id = conversation_id

    def draft(self, text: str = "Subito!", **more: Any) -> Draft:
        """A reply to the conversation."""
        carrier = Carrier(label="Telegram", limits=LIMITS, pulled=more.pop("pulled", False))
        defaults: dict[str, Any] = {
            "id": new_id(), "conversation_id": self.conversation_id, "agent_id": self.agent_id,
            "kind": "reply", "client_id": new_id(), "lifetime": LIFETIME,
            "carriers": {self.channel: carrier},
        }  # fmt: skip
        return Draft(text=text, **(defaults | more))

    async def accept(self, *drafts: Draft) -> list[Outcome]:
        """Hand drafts in as one batch; those that must look (again) follow, as the inbox has them do."""
        outcomes = list(await self.database.write(lambda tx: accept(tx, drafts)))
        again = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Changed)]
        if again:
            followed = await self.accept(*(replace(drafts[index], route=None) for index in again))
            for index, outcome in zip(again, followed, strict=True):
                outcomes[index] = outcome
        return outcomes

    async def settle(self, message_id: str, verdict: Any, limits: Limits = LIMITS) -> None:
        """Say what became of a reply, to a channel with these limits."""
        carriers = {self.channel: Carrier(label="Telegram", limits=limits, pulled=False)}
        await self.database.write(
            lambda tx: handling.settle(
                tx, message_id, self.agent_id, verdict, carriers=carriers, lifetime=LIFETIME
            )
        )

    async def statuses(self) -> list[str]:
        """The states of all replies and notes, in order."""
        return [
            row.status for row in await rows(self.database, messages, "seq") if row.direction != "inbound"
        ]


@pytest.fixture
async def desk(database: Database, channel: int) -> Desk:
    """An agent, and a customer who wrote."""
    await take(database, channel, hello(1))
    agent = await database.write(
        lambda tx: agents.add(tx, email="anna@example.com", name="Anna", password_hash="")
    )
    (conversation,) = await rows(database, conversations)
    return Desk(database, channel, agent.id, conversation.id)


async def test_reply_is_queued_behind_the_customer(desk: Desk) -> None:
    """A reply has the next seq, wakes its lane, and ends the customer's wait."""
    (outcome,) = await desk.accept(desk.draft())
    assert isinstance(outcome, Accepted)
    assert (outcome.new, outcome.channel_id) == (True, desk.channel)
    (conversation,) = await rows(desk.database, conversations)
    (lane,) = await rows(desk.database, lanes)
    assert (conversation.last_seq, conversation.unread, conversation.waiting_since) == (2, 0, None)
    assert lane.due_at is not None
    assert await desk.statuses() == ["queued"]


async def test_same_client_id_is_the_same_message(desk: Desk) -> None:
    """A double click, a retry after a lost answer, twice in one batch: one message."""
    draft = desk.draft(client_id="c1")
    again = desk.draft(client_id="c1")
    first, second = await desk.accept(draft, again)
    (third,) = await desk.accept(desk.draft(client_id="c1"))
    assert isinstance(first, Accepted)
    assert (first.message.id, first.new, first.channel_id) == (draft.id, True, desk.channel)
    assert second == third == Accepted(first.message, False, None)
    assert await desk.statuses() == ["queued"]


async def test_same_client_id_with_another_text_is_a_conflict(desk: Desk) -> None:
    """A client that reuses an id has a bug; silence would lose the second text."""
    await desk.accept(desk.draft("one", client_id="c1"))
    (outcome,) = await desk.accept(desk.draft("two", client_id="c1"))
    assert isinstance(outcome, Conflict)


async def test_repeat_of_a_refused_reply_hears_the_same_reason(desk: Desk) -> None:
    """Twice in one batch: the second must not be told that there is no such message."""
    await take(desk.database, desk.channel, Standing(key="s", urn="telegram:7", state="blocked"))
    first, second = await desk.accept(desk.draft(client_id="c1"), desk.draft(client_id="c1"))
    assert isinstance(first, Conflict)
    assert isinstance(second, Conflict)
    assert second.extra == first.extra


async def test_file_is_sent_once(desk: Desk) -> None:
    """Two replies of one batch name the same upload: the second would go without it."""
    owner, stored = f"agent:{desk.agent_id}", Stored(sha256="0" * 64, size=1, mime="image/png")
    file = await desk.database.write(lambda tx: uploads.add(tx, stored, owner=owner, name="a.png"))
    outcomes = await desk.accept(desk.draft(attachments=(file.id,)), desk.draft(attachments=(file.id,)))
    assert [type(outcome) for outcome in outcomes] == [Accepted, Invalid]


async def test_note_goes_nowhere(desk: Desk) -> None:
    """A note is for the team: no lane, no channel, and the customer still waits."""
    (outcome,) = await desk.accept(desk.draft(kind="note"))
    assert isinstance(outcome, Accepted)
    assert outcome.channel_id is None
    assert await desk.statuses() == ["noted"]
    assert await rows(desk.database, lanes) == []
    (conversation,) = await rows(desk.database, conversations)
    assert conversation.waiting_since is not None


async def test_pulled_channel_needs_no_lane(desk: Desk) -> None:
    """A visitor's page fetches its messages: a reply is sent when it is committed."""
    await desk.accept(desk.draft(pulled=True))
    assert await desk.statuses() == ["sent"]
    assert await rows(desk.database, lanes) == []


async def test_text_over_the_limit_names_the_limit(desk: Desk) -> None:
    """The agent is told the limit, counted as the vendor counts."""
    (outcome,) = await desk.accept(desk.draft("🐘" * 51))
    assert isinstance(outcome, Invalid)
    assert outcome.extra["limit"] == LIMITS.text


@pytest.mark.parametrize("state", ["blocked", "opted_out", "invalid"])
async def test_closed_address_is_refused_with_its_reason(desk: Desk, state: Any) -> None:
    """Nothing goes to who does not want it (I7)."""
    await take(desk.database, desk.channel, Standing(key="s", urn="telegram:7", state=state))
    (outcome,) = await desk.accept(desk.draft())
    assert isinstance(outcome, Conflict)
    assert outcome.extra["reason"] == state


async def test_wrong_targets_are_refused(desk: Desk) -> None:
    """A conversation, an address or a file that is not there, or is somebody else's."""
    intake = Intake(desk.channel, (hello(2, chat=8),))
    await desk.database.write(lambda tx: receive(tx, [intake]))
    query = sa.text("SELECT id FROM addresses WHERE urn = 'telegram:8'")
    foreign = (await desk.database.read(lambda tx: tx.run(query)))[0].id
    outcomes = await desk.accept(
        desk.draft(conversation_id=new_id()), desk.draft(via=foreign), desk.draft(attachments=(new_id(),)),
        desk.draft(carriers={}), desk.draft("fine"),
    )  # fmt: skip
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [NotFound, Invalid, Invalid, Conflict, Accepted]


async def test_reply_goes_where_the_customer_is(desk: Desk) -> None:
    """Into a thread that ended it brings it back; beside a newer one it is refused, with its id."""
    database = desk.database
    ending = sa.text("UPDATE conversations SET status = 'resolved', resolved_at = 1")
    await database.write(lambda tx: tx.run(ending))
    assert await database.write(lambda tx: handling.end_old(tx, 1)) == 1
    (outcome,) = await desk.accept(desk.draft("Ci ripensi?"))
    assert isinstance(outcome, Accepted)
    await take(database, desk.channel, hello(2))
    assert len(await rows(database, conversations)) == 1
    await database.write(lambda tx: tx.run(ending))
    await database.write(lambda tx: handling.end_old(tx, 1))
    await take(database, desk.channel, hello(3))
    (refused,) = await desk.accept(desk.draft("Di nuovo"))
    assert isinstance(refused, Conflict)
    newest = (await rows(database, conversations, "created_at"))[-1]
    assert refused.extra == {"reason": "ended", "newest": newest.id}


async def test_thread_that_a_reply_brought_back_stays_for_its_answer(desk: Desk) -> None:
    """Housekeeping runs every few minutes: the customer's answer must not begin another thread."""
    database, week = desk.database, 7 * 24 * 3600 * 1000
    ending = sa.text("UPDATE conversations SET status = 'resolved', resolved_at = 1, ended_at = 2")
    await database.write(lambda tx: tx.run(ending))
    await desk.accept(desk.draft("Ci ripensi?"))
    assert await database.write(lambda tx: handling.end_old(tx, week)) == 0
    await take(database, desk.channel, hello(2))
    assert len(await rows(database, conversations)) == 1


async def test_ended_thread_is_reopened_only_where_the_customer_is(desk: Desk) -> None:
    """One current thread of a customer: reopened it is that, beside a newer one it stays closed."""
    database = desk.database
    ending = sa.update(conversations).values(status="resolved", resolved_at=1, ended_at=2)

    async def reopen(tx: Tx) -> None:
        await handling.update(tx, desk.conversation_id, desk.agent_id, status="open")

    await database.write(lambda tx: tx.run(ending))
    await database.write(reopen)
    await take(database, desk.channel, hello(2))
    (only,) = await rows(database, conversations)
    assert (only.ended_at, only.last_seq) == (None, 2)
    await database.write(lambda tx: tx.run(ending))
    await take(database, desk.channel, hello(3))
    with pytest.raises(Conflict) as refused:
        await database.write(reopen)
    newest = (await rows(database, conversations, "created_at"))[-1]
    assert refused.value.extra == {"reason": "ended", "newest": newest.id}


async def test_unknown_reply_is_settled_by_an_agent(desk: Desk) -> None:
    """Nobody but a person decides what became of it; only once."""
    (outcome,) = await desk.accept(desk.draft())
    assert isinstance(outcome, Accepted)
    await desk.database.write(lambda tx: tx.run(sa.text("UPDATE messages SET status='unknown' WHERE seq=2")))
    message = outcome.message.id
    await desk.settle(message, "arrived")
    assert await desk.statuses() == ["sent"]
    with pytest.raises(BridgeError):
        await desk.settle(message, "again")


async def test_queued_reply_can_be_cancelled_once(desk: Desk) -> None:
    """What has not left can be taken back."""
    (outcome,) = await desk.accept(desk.draft())
    assert isinstance(outcome, Accepted)
    message = outcome.message.id
    await desk.database.write(lambda tx: handling.cancel(tx, message))
    assert await desk.statuses() == ["rejected"]
    with pytest.raises(Conflict):
        await desk.database.write(lambda tx: handling.cancel(tx, message))


async def reasons(desk: Desk) -> list[str]:
    """Why each reply waits, in order, as the API shows it."""
    items = await desk.database.read(lambda tx: message_views.after(tx, desk.conversation_id, 1, 10))
    assert {item.status for item in items} <= {"queued", "unknown"}
    return [item.reason for item in items]


async def test_reply_that_waits_says_why(desk: Desk) -> None:
    """Before anybody has tried it, too: it stands behind another, or the vendor wants a pause."""
    first, second = desk.draft("first"), desk.draft("second")
    await desk.accept(first, second)
    assert await reasons(desk) == ["", "waits for the reply before it"]
    await desk.database.write(lambda tx: channels.pause(tx, desk.channel, 60_000))
    assert await reasons(desk) == ["Telegram asks for a pause"] * 2
    await desk.database.write(lambda tx: tx.run(sa.update(channel_table).values(paused_until=None)))
    epoch = await desk.database.write(lambda tx: duties.take(tx, "send", "node-a", 60_000))
    assert epoch
    unknown = Finish(
        message_id=first.id, conversation_id=desk.conversation_id, status="unknown",
        reason="no answer in time", wait=60_000, duty="send", epoch=epoch,
    )  # fmt: skip
    await desk.database.write(lambda tx: attempts.finish(tx, [unknown]))
    assert await reasons(desk) == ["no answer in time", "waits for the reply before it"]


async def test_reply_that_nothing_is_before_may_leave_at_once(desk: Desk) -> None:
    """The sender is handed what it would find in the lane; whatever has to wait, it finds there."""
    note, first, second = await desk.accept(desk.draft(kind="note"), desk.draft("one"), desk.draft("two"))
    assert isinstance(note, Accepted)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert note.head is None
    assert (first.waits, second.waits) == (False, True)
    due = await desk.database.read(lambda tx: lane_views.due(tx, desk.channel, (), 10, 5))
    assert due.lanes == [desk.conversation_id]
    assert await desk.database.read(lambda tx: lane_views.heads(tx, desk.channel, due.lanes)) == [first.head]


async def test_reply_with_files_or_to_a_paused_channel_waits_its_turn(desk: Desk) -> None:
    """It is found in its lane when the time has come."""
    stored = Stored(sha256="0" * 64, size=1, mime="image/png")
    file = await desk.database.write(
        lambda tx: uploads.add(tx, stored, owner=f"agent:{desk.agent_id}", name="a.png")
    )
    (with_file,) = await desk.accept(desk.draft(attachments=(file.id,)))
    assert isinstance(with_file, Accepted)
    assert [each.id for each in with_file.message.attachments] == [file.id]
    assert with_file.head is None
    await desk.database.write(lambda tx: handling.cancel(tx, with_file.message.id))
    await desk.database.write(lambda tx: channels.pause(tx, desk.channel, 60_000))
    (paused,) = await desk.accept(desk.draft())
    assert isinstance(paused, Accepted)
    assert paused.waits


async def reserved(desk: Desk, draft: Draft, epoch: int) -> Draft:
    """The same draft with a place kept for it by a sender under this epoch."""

    def reserve(channel_id: int, urn: str) -> Start:
        assert urn == "telegram:7"
        return Start(
            id=draft.id, message_id=draft.id, part=0, channel_id=channel_id, duty="send", epoch=epoch
        )

    return replace(draft, reserve=reserve)


@pytest.mark.parametrize("looked_up", [True, False])
async def test_reply_that_is_accepted_again_after_its_commit_is_the_same_one(
    desk: Desk, looked_up: bool
) -> None:
    """Other work of its batch failed after that: it has its one attempt, which its sender still makes."""
    epoch = await desk.database.write(lambda tx: duties.take(tx, "send", "node-a", 60_000))
    assert epoch
    known = Route(address_id=await address_of(desk), channel_id=desk.channel, urn="telegram:7")
    draft = await reserved(desk, desk.draft(route=None if looked_up else known), epoch)
    first, again = [(await desk.accept(draft))[0] for _ in range(2)]
    assert first == again
    assert isinstance(again, Accepted)
    assert (again.new, again.started, again.waits) == (True, True, False)
    assert len(await rows(desk.database, attempt_table)) == 1


async def test_reply_that_its_sender_has_found_since_is_not_started_when_it_is_accepted_again(
    desk: Desk,
) -> None:
    """It was only queued; by now it is on its way, and must not leave a second time."""
    epoch = await desk.database.write(lambda tx: duties.take(tx, "send", "node-a", 60_000))
    assert epoch
    draft = desk.draft()
    await desk.accept(draft)
    start = Start(id=new_id(), message_id=draft.id, part=0, channel_id=desk.channel, duty="send", epoch=epoch)
    assert await desk.database.write(lambda tx: attempts.start(tx, [start])) == [True]
    (again,) = await desk.accept(await reserved(desk, draft, epoch))
    assert isinstance(again, Accepted)
    assert not again.started
    assert len(await rows(desk.database, attempt_table)) == 1


async def address_of(desk: Desk) -> str:
    """The customer's."""
    (address,) = await rows(desk.database, addresses)
    return str(address.id)


@pytest.mark.parametrize(
    ("before", "started"),
    [
        ("nothing", True),
        ("a reply that waits", False),
        ("a lane that rests", False),
        ("a newer owner", False),
    ],
)
async def test_reply_is_started_with_its_acceptance_only_if_nothing_is_before_it(
    desk: Desk, before: str, started: bool
) -> None:
    """One commit less on its way; whatever the sender did not know then, the database does."""
    epoch = await desk.database.write(lambda tx: duties.take(tx, "send", "node-a", 60_000))
    assert epoch
    if before == "a reply that waits":
        await desk.accept(desk.draft("earlier"))
    elif before == "a lane that rests":
        (earlier,) = await desk.accept(desk.draft("earlier"))
        assert isinstance(earlier, Accepted)
        rest = Finish(
            message_id=earlier.message.id, conversation_id=desk.conversation_id, status="unknown", wait=60_000
        )
        await desk.database.write(lambda tx: attempts.finish(tx, [rest]))
    elif before == "a newer owner":
        await desk.database.write(lambda tx: duties.give_back(tx, "send", "node-a"))
        await desk.database.write(lambda tx: duties.take(tx, "send", "node-b", 60_000))
    (reply,) = await desk.accept(await reserved(desk, desk.draft(), epoch))
    assert isinstance(reply, Accepted)
    assert reply.started == started
    assert reply.message.status == ("sending" if started else "queued")
    ledger = await rows(desk.database, attempt_table)
    assert [(row.id, row.part, row.outcome) for row in ledger if row.message_id == reply.message.id] == (
        [(reply.message.id, 0, None)] if started else []
    )


async def test_of_two_replies_at_once_the_second_waits_for_the_first(desk: Desk) -> None:
    """Both have a place with the sender, and it is one thread."""
    epoch = await desk.database.write(lambda tx: duties.take(tx, "send", "node-a", 60_000))
    assert epoch
    drafts = [await reserved(desk, desk.draft(text), epoch) for text in ("one", "two")]
    outcomes = await desk.accept(*drafts)
    assert [one.started for one in outcomes if isinstance(one, Accepted)] == [True, False]
