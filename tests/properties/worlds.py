"""The database of a machine, emptied between its examples, and what can be seen in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from bridge.store import agents, changes, channels, clearing
from bridge.store.changes import Change, Position
from bridge.store.engine import Row, Tx, Work, connect
from bridge.store.tables import addresses, attempts, conversations, duties, lanes, messages, versions
from bridge.store.tables import channels as channel_rows
from bridge.store.writer import Writer

T = TypeVar("T")
R = TypeVar("R")
DUTY = "send"


@dataclass(frozen=True, slots=True)
class Sight:
    """All that there is at one moment, by ids; a conversation is named by its customer's URN."""

    messages: dict[str, Row] = field(default_factory=dict)
    versions: dict[str, list[str]] = field(default_factory=dict)
    attempts: dict[str, Row] = field(default_factory=dict)
    threads: dict[str, Row] = field(default_factory=dict)
    addresses: dict[str, Row] = field(default_factory=dict)
    epoch: int = 0

    def thread(self, urn: str) -> list[Row]:
        """The messages of a conversation, in their order."""
        return [row for row in self.messages.values() if row.urn == urn]


class World:
    """One channel and one agent; everything else comes and goes with an example."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self.database = connect(url)
        self.writer = Writer(self.database)
        self.channel = self.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))
        add = agents.add
        self.agent = self.write(
            lambda tx: add(tx, email="anna@example.com", name="Anna", password_hash="")
        ).id

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to its end."""
        return self._runner.run(work)

    def write(self, work: Work[T]) -> T:
        """One transaction."""
        return self.run(self.database.write(work))

    def read(self, work: Work[T]) -> T:
        """One look."""
        return self.run(self.database.read(work))

    def together(
        self, step: Callable[[Tx, Sequence[T]], Awaitable[Sequence[R]]], items: Sequence[T]
    ) -> list[R]:
        """Hand several jobs to the writer at once, as the gateway does; the result of each."""

        async def do() -> list[R]:
            return await asyncio.gather(*(self.writer.write(step, item) for item in items))

        return self.run(do())

    def empty(self) -> None:
        """Begin again."""

        async def do(tx: Tx) -> None:
            await clearing.clear(tx)
            await tx.run(sa.delete(duties))
            await tx.run(sa.update(channel_rows).values(paused_until=None))

        self.write(do)

    def look(self) -> Sight:
        """What is there now."""
        return self.read(_look)

    def place(self) -> Position:
        """The end of the feed."""
        return self.read(changes.now)

    def news(self, since: Position) -> list[Change]:
        """What the feed says since then."""
        return self.read(lambda tx: changes.after(tx, since, limit=1000))

    def has_more_news(self) -> bool:
        """Whether the feed holds something back, because of an older transaction."""
        return self.read(lambda tx: changes.may_have_more(tx, ()))

    def close(self) -> None:
        """Give back what was opened."""
        self.run(self.writer.close())
        self.run(self.database.close())
        self._runner.close()


_MESSAGES = (
    sa.select(
        messages.c.id, messages.c.conversation_id, messages.c.seq, messages.c.direction, messages.c.text,
        messages.c.status, messages.c.reason, messages.c.external_id, addresses.c.urn, lanes.c.due_at,
    )
    .join(addresses, addresses.c.id == messages.c.address_id)
    .outerjoin(lanes, lanes.c.conversation_id == messages.c.conversation_id)
    .order_by(addresses.c.urn, messages.c.seq)
)  # fmt: skip
_ATTEMPTS = sa.select(
    attempts.c.id, attempts.c.message_id, attempts.c.part, attempts.c.epoch, attempts.c.outcome,
    attempts.c.external_id, attempts.c.started_at,
).order_by(attempts.c.started_at, attempts.c.id)  # fmt: skip
_THREADS = sa.select(conversations.c.id, conversations.c.last_seq, addresses.c.urn, lanes.c.due_at).join(
    addresses, addresses.c.id == conversations.c.address_id
).outerjoin(lanes, lanes.c.conversation_id == conversations.c.id)  # fmt: skip
_ADDRESSES = sa.select(addresses.c.id, addresses.c.urn, addresses.c.state, addresses.c.consent_at)
_EPOCH = sa.select(duties.c.epoch).where(duties.c.name == DUTY)


async def _look(tx: Tx) -> Sight:
    old: dict[str, list[str]] = {}
    for row in await tx.run(sa.select(versions.c.message_id, versions.c.text)):
        old.setdefault(row.message_id, []).append(row.text)
    return Sight(
        {row.id: row for row in await tx.run(_MESSAGES)},
        old,
        {row.id: row for row in await tx.run(_ATTEMPTS)},
        {row.urn: row for row in await tx.run(_THREADS)},
        {row.urn: row for row in await tx.run(_ADDRESSES)},
        max((row.epoch for row in await tx.run(_EPOCH)), default=0),
    )
