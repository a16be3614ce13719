"""What a database reads for a message does not grow with the messages that it has."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from bridge.ids import new_id
from bridge.store import agents, attempts, changes, channels, duties, lanes, messages, replies
from bridge.store.attempts import Finish, Start
from bridge.store.engine import Statement, Tx, connect
from bridge.store.inbound import Intake, receive
from bridge.store.replies import Accepted
from tests.store.test_inbound import hello
from tests.store.test_replies import Desk

T = TypeVar("T")

_READ = Statement(
    "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) AS rows FROM pg_stat_xact_user_tables"
)
CUSTOMERS = 8
ROUNDS = 60


class _Traffic:
    """Customers who write, and an agent who answers each of them, a batch at a time."""

    def __init__(self, desk: Desk, epoch: int) -> None:
        self._desk = desk
        self._epoch = epoch
        self._written = 0
        self.read = 0

    async def round(self) -> int:
        """One message and one answer for each customer; how many rows were read for that."""
        self.read = 0
        since = await self._desk.database.read(changes.now)
        events = [self._next() for _ in range(CUSTOMERS)]
        await self._do(lambda tx: receive(tx, [Intake(self._desk.channel, (event,)) for event in events]))
        found = await self._do(lambda tx: changes.after(tx, since, limit=100))
        ids = [change.subject_id for change in found if change.subject_id]
        views = await self._do(lambda tx: messages.views(tx, ids))
        drafts = [self._desk.draft(conversation_id=view.conversation_id) for view in views.values()]
        accepted = await self._do(lambda tx: replies.accept(tx, drafts))
        assert all(isinstance(each, Accepted) and each.new for each in accepted)
        await self._do(self._send)
        return self.read

    async def _do(self, work: Callable[[Tx], Coroutine[Any, Any, T]]) -> T:
        """One transaction, and what it read."""

        async def counted(tx: Tx) -> tuple[T, int]:
            before = await _READ.run(tx)
            result = await work(tx)
            after = await _READ.run(tx)
            return result, int(after[0].rows - before[0].rows)

        result, read = await self._desk.database.write(counted)
        self.read += read
        return result

    async def _send(self, tx: Tx) -> None:
        due = await lanes.due(tx, self._desk.channel, (), 64, 32)
        heads = await lanes.heads(tx, self._desk.channel, due.lanes)
        assert len(heads) == CUSTOMERS
        starts = [
            Start(id=new_id(), message_id=head.message_id, part=0, channel_id=self._desk.channel, duty="send",
                  epoch=self._epoch)
            for head in heads
        ]  # fmt: skip
        assert all(await attempts.start(tx, starts))
        ends = [
            Finish(id=start.id, message_id=head.message_id, conversation_id=head.conversation_id,
                   outcome="accepted", status="sent", external_id=f"sent:{start.id}",
                   channel_id=self._desk.channel, address_id=head.address_id)
            for start, head in zip(starts, heads, strict=True)
        ]  # fmt: skip
        await attempts.finish(tx, ends)

    def _next(self) -> Any:
        self._written += 1
        return hello(self._written, chat=self._written % CUSTOMERS)


async def test_batch_reads_no_more_of_a_table_that_has_grown(postgresql_url: str) -> None:
    """Plans are made while tables are young, and kept: they must be right for tables that are large."""
    database = connect(postgresql_url)
    try:
        channel = await database.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))
        agent = await database.write(
            lambda tx: agents.add(tx, email="anna@example.com", name="Anna", password_hash="")
        )
        epoch = await database.write(lambda tx: duties.take(tx, "send", "node", 60_000))
        assert epoch
        traffic = _Traffic(Desk(database, channel, agent.id, ""), epoch)
        read = [await traffic.round() for _ in range(ROUNDS)]
    finally:
        await database.close()
    quarter = ROUNDS // 4
    assert min(read) > 0, read
    assert sum(read[-quarter:]) < 1.5 * sum(read[quarter : 2 * quarter])
