"""Was it sent? A vendor that can be asked is, until it has the part or a person is better asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from bridge.channels.base import LooksUp
from bridge.channels.live import LiveChannel
from bridge.duty import steady_clock
from bridge.errors import SendError, Throttled, Unavailable
from bridge.ids import now_ms
from bridge.models import Outbound
from bridge.retry import pause
from bridge.store import attempts, lanes
from bridge.store.attempts import ASKED_FOR_MS, Finish, Question
from bridge.store.engine import Database
from bridge.store.lanes import Head

log = structlog.get_logger()

# Seconds before each question that may be answered with no; all of them are asked while the lane waits.
ASK_AFTER = (1.0, 4.0, 10.0, 20.0, 20.0)
# Questions at once: a vendor has its limits, and sending comes first.
AT_ONCE = 8
# What began so many seconds ago the vendor has by now, or never will: one no is enough.
LONG_AGO = 120.0
# Seconds that whoever is told to ask no more has to end.
_PATIENCE = 5.0
# A vendor that wants a pause, and does not say for how long, is asked nothing for so many seconds.
PAUSE = 10.0


@dataclass(slots=True)
class _Open:
    """A question that is open: when its call began by `steady_clock`, and how often it was asked."""

    question: Question
    began: float
    denied: int = 0
    failed: int = 0

    @property
    def ago(self) -> float:
        """How many seconds ago the call began."""
        return steady_clock() - self.began

    def __lt__(self, other: _Open) -> bool:
        """The latest comes first: there somebody waits."""
        return self.began > other.began


class Inquiries:
    """The questions about one channel's attempts that are open."""

    def __init__(
        self, live: LiveChannel, database: Database, *,
        parts_of: Callable[[Head], list[Outbound]], record: Callable[[Finish], Awaitable[None]],
        ask_after: Sequence[float] = ASK_AFTER, at_once: int = AT_ONCE,
    ) -> None:  # fmt: skip
        self._live = live
        self._channel = live.channel if isinstance(live.channel, LooksUp) else None
        self._database = database
        self._parts_of = parts_of
        self._record = record
        self._ask_after = ask_after
        self._at_once = at_once
        self._open: set[str] = set()
        self._due: asyncio.PriorityQueue[_Open] = asyncio.PriorityQueue()
        self._askers: list[asyncio.Task[None]] = []
        self._rests_until = 0.0

    @property
    def possible(self) -> bool:
        """Whether this vendor can be asked at all."""
        return self._channel is not None

    @property
    def open(self) -> int:
        """How many questions are open."""
        return len(self._open)

    async def resume(self) -> None:
        """Ask what an earlier owner of the channel, or this one before an outage, did not get to know."""
        if self._channel:
            channel_id = self._live.id
            for question in await self._database.read(lambda tx: attempts.questions(tx, channel_id)):
                self.ask(question)

    def ask(self, question: Question) -> None:
        """Begin to ask about an attempt."""
        if self._channel is None or question.id in self._open:
            return
        self._open.add(question.id)
        # From here on by a clock that nobody sets.
        began = steady_clock() - (now_ms() - question.started_at) / 1000
        self._put(_Open(question, began), self._ask_after[0])
        while len(self._askers) < self._at_once:
            self._askers.append(asyncio.create_task(self._keep_asking(self._channel)))

    async def drop(self) -> None:
        """Ask nothing any more, until told to `ask` or `resume`. What is open stays so in the database."""
        askers, self._askers, self._open, self._due = self._askers, [], set(), asyncio.PriorityQueue()
        for asker in askers:
            asker.cancel()
        if askers:
            await asyncio.wait(askers, timeout=_PATIENCE)

    def _put(self, asked: _Open, after: float) -> None:
        """Have a question asked in so many seconds."""
        asyncio.get_running_loop().call_later(after, self._due.put_nowait, asked)

    async def _keep_asking(self, channel: LooksUp) -> None:
        """Ask what is due, one question after the other."""
        while True:
            asked = await self._due.get()
            await self._rest()
            again = await self._ask(channel, asked)
            if again is None:
                self._open.discard(asked.question.id)
            else:
                self._put(asked, again)

    async def _rest(self) -> None:
        """Wait while the vendor wants a pause, which may become longer."""
        while (left := max(self._rests_until, self._live.paused_until) - steady_clock()) > 0:  # noqa: ASYNC110  # time passes, nothing rings
            await asyncio.sleep(left)

    async def _ask(self, channel: LooksUp, asked: _Open) -> float | None:
        """Ask once; in how many seconds to ask again, or `None` if nothing is left to ask."""
        try:
            if await self._is_settled(channel, asked):
                return None
        except Exception as error:  # noqa: BLE001  # whatever it is, the others are still to be asked
            return self._failed(asked, error)
        asked.denied += 1
        if asked.denied == len(self._ask_after) or asked.ago > LONG_AGO:
            return None
        return self._ask_after[asked.denied]

    def _failed(self, asked: _Open, error: Exception) -> float | None:
        """No answer is not a no: the vendor is asked again, for an hour if need be."""
        expected = isinstance(error, SendError | Unavailable)
        say = log.info if expected else log.error
        say("look-up failed", channel=self._live.channel.type, reason=type(error).__name__)
        retry_after = error.retry_after if isinstance(error, SendError) else None
        if isinstance(error, Throttled):
            self._rests_until = max(self._rests_until, steady_clock() + (retry_after or PAUSE))
        if asked.ago * 1000 > ASKED_FOR_MS:
            return None
        asked.failed += 1
        return pause(asked.failed, random.random(), retry_after)  # noqa: S311  # jitter

    async def _is_settled(self, channel: LooksUp, asked: _Open) -> bool:
        """Whether nothing is left to ask: the vendor has the part, or an agent has decided."""
        question = asked.question
        head = await self._database.read(lambda tx: lanes.unsettled(tx, question.id))
        if head is None:
            return True
        parts = self._parts_of(head)
        left = {part.part for part in parts} - head.sent - {question.part}
        for sent in await channel.look_up(parts[question.part], asked.ago):
            # What is another's is not recorded: the database knows.
            await self._record(
                Finish(id=question.id, message_id=head.message_id, conversation_id=head.conversation_id,
                       outcome="accepted", external_id=sent.external_id, looked_up=True,
                       status="sending" if left else "sent")
            )  # fmt: skip
            if await self._database.read(lambda tx: attempts.is_accepted(tx, question.id)):
                return True
        return False
