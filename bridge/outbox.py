"""The way out: one sender per channel, which takes due lanes and hands their messages to the vendor.

What becomes of one message is in `delivery.py`, at which lanes it is at work in `busy.py`, and when a
message may leave in `pace.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bridge.bus import Bus
from bridge.bus.base import wait
from bridge.busy import BusyLanes
from bridge.channels.base import Loads
from bridge.channels.live import LiveChannel
from bridge.delivery import UNKNOWN_WAIT_MS, Delivery
from bridge.duty import Duty, steady_clock
from bridge.errors import Unavailable
from bridge.models import File, Outbound
from bridge.pace import Pace
from bridge.parts import parts_of
from bridge.reign import Reign
from bridge.store import attempts, health, lanes
from bridge.store import channels as channel_rows
from bridge.store.attempts import Start
from bridge.store.engine import Database, Tx
from bridge.store.failures import Contended
from bridge.store.lanes import Due, Head
from bridge.store.writer import Writer

log = structlog.get_logger()

SWEEP = 1.0
# How often a node that does not send looks whether it should.
_STANDBY = 0.5
# The least seconds from one look at the lanes to the next.
BREATH = 0.003
# A node that reached nobody does not ask for the duty for so long.
_REST = 600.0
# An attempt without an outcome for so many seconds, beside those that its vendor has, will not get one.
_FORSAKEN = 60.0
# What is cut off at the end has so many seconds to be written down.
LAST_WORDS = 5.0


class Outbox:
    """Sends what is due on one channel, while this node holds the channel's duty."""

    def __init__(
        self, live: LiveChannel, duty: Duty, *, database: Database, writer: Writer, bus: Bus,
        file_of: Callable[[Any], File], send_timeout: float, others: Collection[LiveChannel] = (),
    ) -> None:  # fmt: skip
        """`others` are asked whether it is this machine that reaches nobody."""
        self._live = live
        self._channel = live.channel
        self.duty = duty
        self._database = database
        self._bus = bus
        self._send_timeout = send_timeout
        self._bell = bus.bell(f"lanes:{live.id}")
        self._pace = Pace(live)
        self._reign = Reign(duty, self._pace, is_alone=database.engine == "sqlite")
        self._busy = BusyLanes(self._bell)
        self._delivery = Delivery(
            live, self._reign, self._busy, database=database, writer=writer, bus=bus, file_of=file_of,
            send_timeout=send_timeout, others=others,
        )  # fmt: skip
        self._is_first = True
        self._switch_seen = 0.0
        self._running: asyncio.Task[None] | None = None
        self._turn = 0
        # Places kept for replies that are being accepted.
        self._reserved: dict[str, _Place] = {}
        live.sender = self

    # ── replies of this process ─────────────────────────────────────────────────────────────────

    def reserve(self, message_id: str, conversation_id: str, urn: str, text: str) -> Start | None:
        """The first attempt of a reply without files, if it may leave as soon as it is accepted."""
        if not self._is_free or conversation_id in self._busy:
            return None
        first = next((piece for piece, _ in parts_of(text, (), self._channel.limits)), "")
        part = Outbound(message_id=message_id, part=0, urn=urn, text=first)
        if not self._pace.reserve(part):
            return None
        start = self._delivery.a_start(message_id, 0)
        self._reserved[start.id] = _Place(conversation_id, part)
        return start

    def depart(self, head: Head, start: Start) -> None:
        """Send what was accepted with its start."""
        del self._reserved[start.id]
        self._busy.occupy(head.conversation_id, self._delivery.run(head, start.id))

    def cancel(self, start: Start) -> None:
        """The place is free again: the start was not written."""
        self._pace.give_back(self._reserved.pop(start.id).part)

    def take_back(self, start: Start) -> None:
        """It may be written all the same, and must not look like a call that may have arrived."""
        lane = self._reserved.pop(start.id).conversation_id
        self._busy.occupy(lane, self._delivery.never_made(start.id, start.message_id, lane))

    def offer(self, head: Head, *, waits: bool) -> bool:
        """Take a reply without a look at the lanes; `False`: ring for it.

        What `waits` is taken if what it waits for is on its way. A backlog has its own order, and only the
        owner of the duty sends.
        """
        if not self._is_free:
            return False
        if head.conversation_id in self._busy:
            self._busy.add(head)
        elif waits or self._busy.rests(head.conversation_id):
            return False
        else:
            self._send_off(head)
        return True

    @property
    def _is_free(self) -> bool:
        if self._busy.has_backlog or self._reign.is_ending:
            return False
        return self.duty.held and self._room() > 0

    # ── the loop ────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Send until closed, whenever the duty is ours."""
        self._running = asyncio.current_task()
        if isinstance(self._channel, Loads):
            await self._load(self._channel)
        self.duty.welcome()
        while not self._reign.closing:
            try:
                # Held still after a hiccup of the database: a new epoch would give up what is on the wire.
                if not self.duty.held:
                    await self._delivery.inquiries.drop()
                    if not await self.duty.take():
                        await asyncio.sleep(_STANDBY)
                        continue
                await self._serve()
            except Unavailable:
                await asyncio.sleep(SWEEP)
            except Exception:  # the one loop that must not end: say what happened, then go on
                log.exception("sender stumbled", channel=self._channel.type)
                await asyncio.sleep(SWEEP)

    async def _load(self, channel: Loads) -> None:
        """Get ready, and watch meanwhile whether another node sends: it may die in these seconds."""
        loading = asyncio.create_task(channel.load())
        try:
            while not loading.done():
                with contextlib.suppress(Unavailable):
                    await self.duty.look()
                await asyncio.wait([loading], timeout=_STANDBY)
            await loading
        finally:
            loading.cancel()

    async def close(self, patience: float) -> None:
        """Start nothing more, wait for what is on its way, give the duty back."""
        self._reign.closing = True
        self._bell.set()
        self._busy.let_go()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._come_to_rest()
        for _ in range(2):  # the first ends calls, and what became of them is still written down
            await _cancel(self._busy.tasks)
        await self._delivery.inquiries.drop()
        if self._running:  # it may be about to take the duty, or have taken it
            self._bell.set()
            await asyncio.wait([self._running], timeout=LAST_WORDS)
            await _cancel([self._running])
        await self.duty.give_back()

    async def _come_to_rest(self) -> None:
        """Wait until no call is on its way, and the last ones are paid for."""
        if self._busy.tasks:
            await asyncio.wait(self._busy.tasks)
        if self.duty.held:
            await asyncio.sleep(self._pace.debt)

    @property
    def busy(self) -> int:
        """How many lanes are on their way, with the places kept for those that may soon be."""
        return len(self._busy) + len(self._reserved)

    async def _serve(self) -> None:
        beside = [asyncio.create_task(work) for work in (self.duty.keep(), self._find_forsaken())]
        try:
            await self._recover()
            self._is_first = False
            while self.duty.held and not self._reign.may_end(self.busy):
                await self._round()
        finally:
            await _cancel(beside)
            await self._delivery.inquiries.drop()  # the next owner asks, like all that the vendor is asked
        if self._reign.may_end(self.busy):
            await self._leave()

    async def _leave(self) -> None:
        hopeless = self._reign.is_hopeless
        if hopeless:
            log.warning("sender steps aside", channel=self._channel.type)
            self.duty.welcome(after=_REST)
        await self.duty.give_back()
        if hopeless and not self._reign.closing:
            await asyncio.sleep(3 * SWEEP)

    async def _recover(self) -> None:
        """What an earlier owner left open is unknown now; the vendor is asked where it can be."""
        epoch, channel_id = self.duty.epoch, self._live.id
        wait = UNKNOWN_WAIT_MS if self._delivery.inquiries.possible else self._last_calls_ms()
        left = await self._database.write(lambda tx: attempts.abandoned(tx, channel_id, epoch, wait))
        paused = await self._database.read(lambda tx: channel_rows.paused_for(tx, channel_id))
        self._pace.begin(await self._database.read(lambda tx: health.known(tx, channel_id, "out")))
        self._live.paused_until = max(self._live.paused_until, steady_clock() + paused)
        if left:
            log.warning("sends were interrupted", channel=self._channel.type, count=left)
            self._bus.ring("changes")
        await self._delivery.inquiries.resume()

    async def _find_forsaken(self) -> None:
        """See to it that every attempt gets an outcome, also one whose outcome can be written by nobody.

        Such a one is left where a write that was given up comes to pass after all: a start that is
        overtaken by the word that it was never made.
        """
        channel_id, age = self._live.id, int((self._send_timeout + _FORSAKEN) * 1000)
        while True:
            await asyncio.sleep(_FORSAKEN)
            with contextlib.suppress(Unavailable, Contended):
                for attempt in await self._database.read(lambda tx: attempts.forsaken(tx, channel_id, age)):
                    if attempt.conversation_id not in self._busy:  # else its outcome is about to be written
                        self._busy.occupy(attempt.conversation_id, self._delivery.never_heard_of(attempt))

    def _last_calls_ms(self) -> int:
        """How long calls of an earlier owner may still be under way, whose messages must not be overtaken.

        On SQLite that is this process, or one that is gone.
        """
        is_gone = self._is_first and self._database.engine == "sqlite"
        return 1 if is_gone else int(self._send_timeout * 1000)

    async def _round(self) -> None:
        """Claim what there is room for; then wait for a bell or a due time."""
        if self._reign.is_ending:
            self._busy.let_go()
        now = steady_clock()
        if now - self._switch_seen >= SWEEP:
            await self._look_at_switch()
        room = 0 if self._reign.is_ending else self._room()
        self._busy.has_backlog, patience = await self._claim(room) if room > 0 else (True, SWEEP)
        if self._pace.watch.tick(steady_clock()):
            await self._delivery.tell("")
        if patience > 0:
            await wait(self._bell, min(patience, self._pace.paused_for or SWEEP))
        # In a backlog each send that ends rings: a look for each would cost more than the sends.
        await asyncio.sleep(max(now + BREATH - steady_clock(), 0))

    async def _look_at_switch(self) -> None:
        """Whether an administrator has the channel treated as down."""
        channel_id = self._live.id
        found = await self._database.peek(lambda tx: health.switched(tx, channel_id, "out"))
        self._live.switched_off = found == "down"
        self._switch_seen = steady_clock()

    def _room(self) -> int:
        """How many more lanes may be on their way."""
        return self._pace.room(self.busy, self._busy.ahead)

    async def _claim(self, room: int) -> tuple[bool, float]:
        """Take up to `room` due lanes.

        Returns whether there may be more, and in how many seconds to look again if nobody rings.
        """
        channel_id, resting = self._live.id, self._busy.resting()
        busy = self._busy.lanes | resting.keys()
        # Half for the newest; of a single place, or an odd one, every other time.
        self._turn = 1 - self._turn
        fresh = (room + self._turn) // 2

        async def look(tx: Tx) -> tuple[Due, list[Head]]:
            due = await lanes.due(tx, channel_id, busy, room, fresh)
            return due, await lanes.heads(tx, channel_id, due.lanes)

        due, heads = await self._database.peek(look)
        empty = set(due.lanes) - {head.conversation_id for head in heads}
        if empty:
            await self._database.write(lambda tx: lanes.tidy(tx, sorted(empty)))
        if self._reign.is_ending:  # what was found is the next owner's
            return True, 0.0
        for head in heads:
            if self._room() <= 0:  # offers took it meanwhile
                return True, 0.0
            if head.conversation_id not in self._busy:
                self._send_off(head)
        patience = min([SWEEP, *resting.values(), *([] if due.wait is None else [due.wait])])
        return len(heads) == room, patience

    def _send_off(self, head: Head) -> None:
        self._busy.take(head.conversation_id, self._delivery.run(head))


@dataclass(frozen=True, slots=True)
class _Place:
    """What is kept for a reply that is being accepted."""

    conversation_id: str
    part: Outbound


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=LAST_WORDS)
