"""One sender at work: a bot on a real database, before a vendor that answers by script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa

from bridge.bus import MemoryBus
from bridge.channels.live import LiveChannel
from bridge.channels.telegram import TelegramChannel
from bridge.duty import LEASE_MS, Duty
from bridge.ids import new_id
from bridge.inbox import Inbox
from bridge.outbox import Outbox
from bridge.store import agents, channels
from bridge.store.engine import Database, Row, connect
from bridge.store.outgoing import Carrier, Draft
from bridge.store.replies import Accepted, accept
from bridge.store.tables import attempts, messages
from bridge.store.writer import Writer
from bridge.views import Person
from tests.channels.made import ok, site, telegram
from tests.channels.scripted import Scripted, scripted
from tests.store.test_inbound import hello, take

TAKEN = ok({"message_id": 9, "date": 1, "chat": {"id": 42, "type": "private"}})


class Rig:
    """The parts of a sender, the vendor before it and the database behind it."""

    def __init__(self, database: Database, vendor: Scripted, live: LiveChannel, agent_id: str) -> None:
        self.database, self.vendor, self.channel = database, vendor, live.id
        self.live, self.agent_id = live, agent_id
        self.bus, self.writer = MemoryBus(), Writer(database)
        self.outbox = self.sender(live)
        self.inbox = Inbox(database, self.writer, self.bus, {live.id: live}, 60.0)
        self._running: list[asyncio.Task[None]] = []

    def sender(
        self,
        live: LiveChannel | None = None,
        node: str = "node-a",
        lease_ms: int = LEASE_MS,
        send_timeout: float = 20,
        others: Collection[LiveChannel] = (),
    ) -> Outbox:
        """A sender of the bot, on one of the nodes."""
        duty = Duty(self.database, f"send:{self.channel}", node, lease_ms)
        return Outbox(
            live or self.live, duty, database=self.database, writer=self.writer, bus=self.bus,
            file_of=lambda row: row, send_timeout=send_timeout, others=others,
        )  # fmt: skip

    def start(self) -> asyncio.Task[None]:
        """Begin to send."""
        self._running.append(asyncio.create_task(self.outbox.run()))
        return self._running[-1]

    async def stop(self) -> None:
        """End without a word."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.outbox.close(0)

    async def reply(self, *texts: str, chat: int = 42) -> list[str]:
        """Customers write, and are answered; the ids of the answers."""
        return [one.message.id for one in await self.accept(*texts, chat=chat)]

    async def accept(self, *texts: str, chat: int = 42, **more: Any) -> list[Accepted]:
        """The same; what the inbox knows of the answers. `more` is said of their drafts."""
        thread = await self.thread(chat)
        carrier = Carrier(label="Telegram", limits=self.live.channel.limits, pulled=False)
        drafts = [
            Draft(**{
                "id": new_id(), "conversation_id": thread, "agent_id": self.agent_id, "kind": "reply",
                "text": text, "client_id": new_id(), "lifetime": 60_000, "carriers": {self.channel: carrier},
                **more,
            })
            for text in texts
        ]  # fmt: skip
        accepted = await self.database.write(lambda tx: accept(tx, drafts))
        return [one for one in accepted if isinstance(one, Accepted)]

    async def thread(self, chat: int = 42) -> str:
        """The conversation of a customer, who has just written."""
        await take(self.database, self.channel, hello(new_number(), chat=chat))
        query = sa.text(
            "SELECT c.id FROM conversations c JOIN addresses a ON a.id = c.address_id WHERE a.urn = :urn"
        )
        (row,) = await self.database.read(lambda tx: tx.run(query, {"urn": f"telegram:{chat}"}))
        return str(row.id)

    async def say(self, thread: str, text: str) -> str:
        """Have the agent reply, as the API does; the state of the reply when it is accepted."""
        agent = Person(id=self.agent_id, name="Anna")
        message, _ = await self.inbox.reply(thread, agent=agent, text=text, client_id=new_id())
        return message.status

    def offer(self, accepted: Accepted) -> bool:
        """Hand a reply over, as the inbox does; whether the sender took it."""
        return accepted.head is not None and self.outbox.offer(accepted.head, waits=accepted.waits)

    async def statuses(self) -> list[str]:
        """The states of all replies, in the order in which they were written."""
        query = sa.select(messages.c.status).where(messages.c.direction == "outbound")
        found = await self.database.read(
            lambda tx: tx.run(query.order_by(messages.c.created_at, messages.c.seq))
        )
        return [row.status for row in found]

    async def channel_state(self) -> tuple[str, str]:
        """How the channel is, as everybody is shown it."""
        state: tuple[str, str] = (await self.database.read(channels.states))[self.channel]
        return state

    async def attempts(self) -> Sequence[Row]:
        """The ledger, in its order."""
        query = sa.select(attempts).order_by(attempts.c.started_at, attempts.c.id)
        return await self.database.read(lambda tx: tx.run(query))

    async def other_node(self, channel: TelegramChannel) -> Outbox:
        """A sender of the same bot on another node, begun."""
        other = self.sender(LiveChannel(self.channel, channel), "node-b")
        self._running.append(asyncio.create_task(other.run()))
        return other

    def said(self) -> list[Any]:
        """The texts that the vendor was asked to send, in order."""
        return [asked.form["text"][0] for asked in self.vendor.asked if "text" in asked.form]


_numbers = iter(range(1, 1_000_000))


def new_number() -> int:
    """An update's number that was not there before."""
    return next(_numbers)


@asynccontextmanager
async def rig(database_url: str, **settings: str) -> AsyncIterator[Rig]:
    """A bot with these settings, ready to send."""
    database = connect(database_url)
    async with scripted() as vendor:
        vendor.will(TAKEN)
        channel = telegram(site(send_timeout=20), **{"TELEGRAM_API_BASE": vendor.base, **settings})
        row = await database.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))
        agent = await database.write(
            lambda tx: agents.add(tx, email="anna@example.com", name="Anna", password_hash="")
        )
        made = Rig(database, vendor, LiveChannel(row, channel), agent.id)
        try:
            yield made
        finally:
            await made.stop()
            await made.writer.close()
            await channel.close()
            await database.close()
