"""Was it sent? A vendor that can be asked is, until it has the part or a person is better asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from bridge.channels.base import LooksUp
from bridge.channels.live import LiveChannel
from bridge.errors import SendError, Unavailable
from bridge.models import Outbound
from bridge.store import attempts, lanes
from bridge.store.attempts import Finish, Question
from bridge.store.engine import Database
from bridge.store.lanes import Head

log = structlog.get_logger()

# Seconds before each question; all of them are asked while the lane waits.
ASK_AFTER = (1.0, 4.0, 10.0, 20.0, 20.0)


class Inquiries:
    """The questions about one channel's attempts that are under way."""

    def __init__(
        self, live: LiveChannel, database: Database, *,
        parts_of: Callable[[Head], list[Outbound]], record: Callable[[Finish], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._live = live
        self._channel = live.channel if isinstance(live.channel, LooksUp) else None
        self._database = database
        self._parts_of = parts_of
        self._record = record
        self._asking: dict[str, asyncio.Task[None]] = {}

    @property
    def possible(self) -> bool:
        """Whether this vendor can be asked at all."""
        return self._channel is not None

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What is under way."""
        return [*self._asking.values()]

    async def resume(self) -> None:
        """Ask what an earlier owner of the channel, or this one before an outage, did not get to know."""
        if self._channel:
            channel_id = self._live.id
            for question in await self._database.read(lambda tx: attempts.questions(tx, channel_id)):
                self.ask(question)

    def ask(self, question: Question) -> None:
        """Begin to ask about an attempt."""
        if self._channel and question.id not in self._asking:
            task = asyncio.create_task(self._keep_asking(self._channel, question))
            self._asking[question.id] = task
            task.add_done_callback(lambda _: self._asking.pop(question.id))

    async def _keep_asking(self, channel: LooksUp, question: Question) -> None:
        for seconds in ASK_AFTER:
            await asyncio.sleep(seconds)
            try:
                if await self._is_settled(channel, question):
                    return
            except (SendError, Unavailable) as error:
                log.info("look-up failed", channel=self._live.channel.type, reason=type(error).__name__)

    async def _is_settled(self, channel: LooksUp, question: Question) -> bool:
        """Whether nothing is left to ask: the vendor has the part, or an agent has decided."""
        head = await self._database.read(lambda tx: lanes.unsettled(tx, question.message_id))
        if head is None:
            return True
        parts = self._parts_of(head)
        sent = await channel.look_up(parts[question.part], question.started_at)
        if sent is None or await self._is_another(sent.external_id, question.id):
            return False
        left = {part.part for part in parts} - head.sent - {question.part}
        await self._record(
            Finish(id=question.id, message_id=head.message_id, conversation_id=head.conversation_id,
                   outcome="accepted", external_id=sent.external_id, status="sending" if left else "sent")
        )  # fmt: skip
        return True

    async def _is_another(self, external_id: str, attempt: str) -> bool:
        """The same words may have been sent twice: what is known to be another is no evidence."""
        channel_id = self._live.id
        return await self._database.read(lambda tx: attempts.is_taken(tx, channel_id, external_id, attempt))
