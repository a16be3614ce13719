"""Who asks what became of a reply: on a real database, before whoever answers as Twilio does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa

from bridge.channels.live import LiveChannel
from bridge.channels.sms import SmsChannel
from bridge.ids import new_id, now_ms
from bridge.inquiries import Inquiries
from bridge.models import Inbound, Outbound
from bridge.store import agents, channels, duties
from bridge.store import attempts as ledger
from bridge.store.attempts import Finish, Question
from bridge.store.engine import Database, connect
from bridge.store.lanes import Head
from bridge.store.outgoing import Carrier
from bridge.store.replies import Accepted
from bridge.store.tables import attempts
from bridge.store.writer import Writer
from tests.channels.made import sms
from tests.gateways import until
from tests.store.test_attempts import Sender
from tests.store.test_inbound import rows, take
from tests.store.test_replies import Desk

TEXT = "Il suo ordine è pronto"
NUMBER = "+393331234567"
PART = Outbound(message_id="m", part=0, urn=f"tel:{NUMBER}", text=TEXT)
# Asked so often, and so soon, that a test need not wait.
SOON = (0.01, 0.01, 0.01)


class Rig:
    """A number on a database, whoever is behind it, and who asks there."""

    def __init__(self, database: Database, number: SmsChannel, live: LiveChannel, agent_id: str) -> None:
        self.database, self.number, self.live = database, number, live
        self._agent_id = agent_id
        self.writer = Writer(database)
        self.inquiries = self.asking()

    def asking(self, ask_after: tuple[float, ...] = SOON, at_once: int = 8) -> Inquiries:
        """Whoever asks from now on."""
        self.inquiries = Inquiries(
            self.live, self.database, parts_of=self.parts_of, record=self._record,
            ask_after=ask_after, at_once=at_once,
        )  # fmt: skip
        return self.inquiries

    def parts_of(self, head: Head) -> list[Outbound]:
        """A reply without files, which is short."""
        return [Outbound(message_id=head.message_id, part=0, urn=head.urn, text=head.text)]

    async def _record(self, finish: Finish) -> None:
        await self.writer.write(ledger.finish, finish)

    async def reply(self, to: str = NUMBER, text: str = TEXT) -> Sender:
        """A reply to a customer who wrote, before it is sent; in the same words, if not told otherwise."""
        arrival = Inbound(key=new_id(), urn=f"tel:{to}", text="Salve", name=to)
        await take(self.database, self.live.id, arrival)
        query = sa.text(
            "SELECT c.id FROM conversations c JOIN addresses a ON a.id = c.address_id WHERE a.urn = :urn"
        )
        (thread,) = await self.database.read(lambda tx: tx.run(query, {"urn": arrival.urn}))
        desk = Desk(self.database, self.live.id, self._agent_id, str(thread.id))
        carriers = {self.live.id: Carrier(label="SMS", limits=self.number.limits, pulled=False)}
        (accepted,) = await desk.accept(desk.draft(text, carriers=carriers))
        assert isinstance(accepted, Accepted)
        return Sender(desk, accepted.message.id, 1)

    async def lose(self, reply: Sender) -> Question:
        """Start a reply whose answer does not come; the vendor may have it. The next one may leave."""
        attempt = await reply.start()
        assert attempt
        await reply.finish(attempt, "unknown", "unknown")
        return Question(attempt, reply.message_id, 0, now_ms())

    async def settled(self) -> None:
        """Wait until nothing is left to ask."""

        async def nothing() -> bool:
            return not self.inquiries.open

        await until(nothing)

    async def waiting(self, number: int) -> bool:
        """Whether so many questions are due, and wait for their turn."""
        return self.inquiries._due.qsize() == number

    async def known(self) -> list[tuple[str | None, str | None]]:
        """The ledger: outcomes and ids, in order."""
        found = await rows(self.database, attempts, "started_at", "id")
        return [(row.outcome, row.external_id) for row in found]


@asynccontextmanager
async def rig(database_url: str, **settings: Any) -> AsyncIterator[Rig]:
    """A number with these settings."""
    database = connect(database_url)
    row = await database.write(lambda tx: channels.register(tx, "sms", "1", "SMS"))
    agent = await database.write(
        lambda tx: agents.add(tx, email="anna@example.com", name="Anna", password_hash="")
    )
    assert await database.write(lambda tx: duties.take(tx, "send", "node-a", 60_000)) == 1
    number = sms(**settings)
    made = Rig(database, number, LiveChannel(row, number), agent.id)
    try:
        yield made
    finally:
        await made.inquiries.drop()
        await made.writer.close()
        await number.close()
        await database.close()
