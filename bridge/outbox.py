"""The way out: one sender per channel, which takes due lanes and hands their messages to the vendor.

Each part is a written attempt: started under the duty's epoch, ended with an outcome whatever
happens. What may have arrived is never sent again by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from bridge.bus import Bus
from bridge.bus.base import wait
from bridge.channels.base import Costs, Loads
from bridge.channels.live import LiveChannel
from bridge.duty import Duty, steady_clock
from bridge.errors import NotSent, Rejected, SendError, Throttled, Unavailable, Unknown, Unreachable
from bridge.ids import new_id, now_ms
from bridge.inquiries import Inquiries
from bridge.models import File, Outbound, Sent
from bridge.parts import parts_of
from bridge.retry import AddressRates, Bucket, pause
from bridge.store import attempts, lanes
from bridge.store import channels as channel_rows
from bridge.store.attempts import Finish, Question, Start
from bridge.store.engine import Database, Tx
from bridge.store.lanes import Due, Head
from bridge.store.writer import Writer

log = structlog.get_logger()

# Lanes on their way at once. A vendor's client opens as many connections, and has no limit of its own.
MAX_BUSY = 256
# An unknown part holds its lane for so long, unless the vendor's look-up knows better before.
UNKNOWN_WAIT_MS = 60_000
SWEEP = 1.0
# The least seconds from one look at the lanes to the next.
BREATH = 0.003
Ended = Literal["sent", "rejected", "expired"]
# What is cut off at the end has so many seconds to be written down.
LAST_WORDS = 5.0


class Outbox:
    """Sends what is due on one channel, while this node holds the channel's duty."""

    def __init__(
        self, live: LiveChannel, *, database: Database, writer: Writer, bus: Bus, node: str,
        file_of: Callable[[Any], File], send_timeout: float,
    ) -> None:  # fmt: skip
        self._live = live
        self._channel = live.channel
        self._cost = live.channel.cost if isinstance(live.channel, Costs) else _one
        self._database = database
        self._writer = writer
        self._file_of = file_of
        self._send_timeout = send_timeout
        self._duty = Duty(database, f"send:{live.id}", node)
        self._bell = bus.bell(f"lanes:{live.id}")
        self._bus = bus
        self._busy: dict[str, asyncio.Task[None]] = {}
        # Busy lanes to look at again when what is on its way has ended.
        self._again: set[str] = set()
        # Replies that follow in busy lanes.
        self._following: dict[str, deque[Head]] = {}
        self._backlog = True
        self._inquiries = Inquiries(live, database, parts_of=self._parts, record=self._record)
        self._closing = False
        rates = self._channel.rates
        self._tokens = Bucket(rates.overall, rates.burst, steady_clock())
        self._addresses = AddressRates(rates.address, rates.address_burst)
        self._turn = 0
        # Places kept for replies that are being accepted.
        self._reserved: dict[str, _Place] = {}
        live.sender = self

    # ── replies of this process ─────────────────────────────────────────────────────────────────

    def reserve(self, message_id: str, conversation_id: str, urn: str, text: str) -> Start | None:
        """The first attempt of a reply without files, if it may leave as soon as it is accepted."""
        now = steady_clock()
        if not self._is_free(now) or conversation_id in self._busy or self._addresses.wait(urn, now) > 0:
            return None
        first = next((piece for piece, _ in parts_of(text, (), self._channel.limits)), "")
        cost = self._cost(Outbound(message_id=message_id, part=0, urn=urn, text=first))
        if cost > self._tokens.available(now):
            return None
        self._tokens.take(now, cost)
        self._addresses.reserve(urn, now)
        start = self._a_start(message_id, 0)
        self._reserved[start.id] = _Place(conversation_id, urn, cost)
        return start

    def depart(self, head: Head, start: Start) -> None:
        """Send what was accepted with its start."""
        del self._reserved[start.id]
        self._occupy(head.conversation_id, self._deliver(head, start.id))

    def cancel(self, start: Start) -> None:
        """The place is free again: the start was not written."""
        place, now = self._reserved.pop(start.id), steady_clock()
        self._tokens.take(now, -place.cost)
        self._addresses.give_back(place.urn, now)

    def take_back(self, start: Start) -> None:
        """It may be written all the same, and must not look like a call that may have arrived."""
        lane = self._reserved.pop(start.id).conversation_id
        self._occupy(lane, self._never_made(start.id, start.message_id, lane))

    def offer(self, head: Head, *, waits: bool) -> bool:
        """Take a reply without a look at the lanes; `False`: ring for it.

        What `waits` is taken if what it waits for is on its way. A backlog has its own order, and only the
        owner of the duty sends.
        """
        if not self._is_free(steady_clock()):
            return False
        if head.conversation_id in self._busy:
            self._following.setdefault(head.conversation_id, deque()).append(head)
        elif waits:
            return False
        else:
            self._send_off(head)
        return True

    def _is_free(self, now: float) -> bool:
        return not self._closing and not self._backlog and self._duty.held and self._room(now) > 0

    # ── the loop ────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Send until closed, whenever the duty is ours."""
        if isinstance(self._channel, Loads):
            await self._channel.load()
        while not self._closing:
            try:
                # Held still after a hiccup of the database: a new epoch would give up what is on the wire.
                if self._duty.held or await self._duty.take():
                    await self._serve()
                else:
                    await wait(self._bell, SWEEP)
            except Unavailable:
                await asyncio.sleep(SWEEP)
            except Exception:  # the one loop that must not end: say what happened, then go on
                log.exception("sender stumbled", channel=self._channel.type)
                await asyncio.sleep(SWEEP)

    async def close(self, patience: float) -> None:
        """Start nothing more, wait for what is on its way, give the duty back."""
        self._closing = True
        self._bell.set()
        tasks = [*self._busy.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        for _ in range(2):  # the first ends calls, and what became of them is still written down
            await _cancel([*self._busy.values(), *self._inquiries.tasks])
        await self._duty.give_back()

    @property
    def busy(self) -> int:
        """How many lanes are on their way, with the places kept for those that may soon be."""
        return MAX_BUSY - self._places()

    async def _serve(self) -> None:
        keeper = asyncio.create_task(self._duty.keep())
        try:
            await self._recover()
            while self._duty.held and not self._closing:
                await self._round()
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _recover(self) -> None:
        """What an earlier owner left open is unknown now; the vendor is asked where it can be."""
        epoch, channel_id = self._duty.epoch, self._live.id
        wait = UNKNOWN_WAIT_MS if self._inquiries.possible else 1
        left = await self._database.write(lambda tx: attempts.abandoned(tx, channel_id, epoch, wait))
        paused = await self._database.read(lambda tx: channel_rows.paused_for(tx, channel_id))
        self._live.paused_until = steady_clock() + paused
        if left:
            log.warning("sends were interrupted", channel=self._channel.type, count=left)
            self._bus.ring("changes")
        await self._inquiries.resume()

    async def _round(self) -> None:
        """Claim what there is room and rate for; then wait for a bell, a token or a due time."""
        now = steady_clock()
        if now < self._live.paused_until:
            await wait(self._bell, min(self._live.paused_until - now, SWEEP))
            return
        room = self._room(now)
        claimed, patience = await self._claim(room) if room > 0 else (0, SWEEP)
        self._backlog = claimed >= room  # there may be more
        if self._backlog:
            patience = min(patience, self._until_there_is_room())
        if patience > 0:
            await wait(self._bell, patience)
        # In a backlog each send that ends rings: a look for each would cost more than the sends.
        await asyncio.sleep(max(now + BREATH - steady_clock(), 0))

    def _room(self, now: float) -> int:
        """How many more lanes may be on their way; none while the vendor wants a pause."""
        if now < self._live.paused_until:
            return 0
        return min(self._places(), self._tokens.available(now))

    def _until_there_is_room(self) -> float:
        """How long to wait when nobody rings: a send that ends rings, a token that is there does not."""
        return SWEEP if self._places() <= 0 else self._tokens.wait(steady_clock())

    def _places(self) -> int:
        return MAX_BUSY - len(self._busy) - len(self._reserved)

    async def _claim(self, room: int) -> tuple[int, float]:
        """Take up to `room` due lanes; how many, and in how many seconds to look again if nobody rings."""
        channel_id, busy = self._live.id, frozenset(self._busy)
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
        if self._closing:  # what was found is the next owner's
            return 0, 0.0
        for head in heads:
            if self._room(steady_clock()) <= 0:  # offers took it meanwhile
                return room, 0.0
            if head.conversation_id not in self._busy:
                self._send_off(head)
        return len(heads), SWEEP if due.wait is None else min(due.wait, SWEEP)

    def _send_off(self, head: Head) -> None:
        self._tokens.take(steady_clock())
        self._occupy(head.conversation_id, self._deliver(head))

    def _occupy(self, lane: str, work: Coroutine[Any, Any, None]) -> None:
        """Have work done in a lane, after what is under way there."""
        self._busy[lane] = asyncio.create_task(self._in_lane(lane, work, self._busy.get(lane)))

    async def _in_lane(
        self, lane: str, work: Coroutine[Any, Any, None], before: asyncio.Task[None] | None
    ) -> None:
        try:
            if before:
                await asyncio.wait([before])
            await work
        finally:
            work.close()
            if self._busy[lane] is asyncio.current_task():  # nothing has come after it
                self._free(lane)

    def _free(self, lane: str) -> None:
        del self._busy[lane]
        if self._following.pop(lane, None):
            self._again.add(lane)
        if self._backlog or lane in self._again:
            self._bell.set()
        self._again.discard(lane)

    # ── one message ─────────────────────────────────────────────────────────────────────────────

    async def _deliver(self, head: Head, started: str = "") -> None:
        """Send the message at the head of a lane, and then those that follow it.

        `started` is the attempt of its first part, if that was written with its acceptance.
        """
        while await self._message(head, started):
            following, started = self._next(head.conversation_id), ""
            if following is None:
                break
            head = following

    def _next(self, lane: str) -> Head | None:
        """The reply that was accepted while the one before it was on its way."""
        following, now = self._following.get(lane), steady_clock()
        if not following or self._closing or now < self._live.paused_until or self._tokens.available(now) < 1:
            return None
        self._tokens.take(now)
        self._again.discard(lane)
        return following.popleft()

    async def _message(self, head: Head, started: str) -> bool:
        """Send a message, part by part, and record what came of it; whether it has come to its end."""
        lane = head.conversation_id
        try:
            closed = _why_not(head)
            if closed:
                await self._conclude(head, *closed)
                return True
            parts = self._parts_left(head)
            if not parts:  # the last one that was unclear has arrived
                await self._conclude(head, "sent", "")
            for index, part in enumerate(parts):
                attempt = started if index == 0 else ""
                if not await self._try(head, part, attempt, first=index == 0, last=part is parts[-1]):
                    return False
        except Unavailable:
            self._again.add(lane)  # nothing was started: it is still due
        except Exception:
            log.exception("delivery stumbled", channel=self._channel.type)
            self._again.add(lane)
            await asyncio.sleep(SWEEP)
        else:
            return True
        return False

    def _parts_left(self, head: Head) -> list[Outbound]:
        return [part for part in self._parts(head) if part.part not in head.sent]

    def _parts(self, head: Head) -> list[Outbound]:
        files = [self._file_of(row) for row in head.files]
        return [
            Outbound(
                message_id=head.message_id, part=index, urn=head.urn, text=text, files=bundle,
                reply_to=head.reply_to if index == 0 else "",
            )
            for index, (text, bundle) in enumerate(parts_of(head.text, files, self._channel.limits))
        ] or [Outbound(message_id=head.message_id, part=0, urn=head.urn)]  # fmt: skip

    async def _try(self, head: Head, part: Outbound, attempt: str, *, first: bool, last: bool) -> bool:
        """One attempt of one part; whether the next part may follow. It may be written as started."""
        if not attempt:
            await self._wait_for_rate(part, first=first)
            attempt = await self._start(head, part)
        if not attempt:
            self._again.add(head.conversation_id)
            return False
        since = now_ms()
        result = await self._send(part)
        if isinstance(result, Throttled):
            self._pause(result)
        await self._record(self._finish(head, attempt, result, last=last))
        if isinstance(result, Unknown):
            self._inquiries.ask(Question(attempt, head.message_id, part.part, since))
        return isinstance(result, Sent)

    def _a_start(self, message_id: str, part: int) -> Start:
        return Start(
            id=new_id(), message_id=message_id, part=part, channel_id=self._live.id,
            duty=self._duty.name, epoch=self._duty.epoch,
        )  # fmt: skip

    async def _start(self, head: Head, part: Outbound) -> str:
        """Write an attempt down before its call; empty if the call may not be made."""
        start = self._a_start(head.message_id, part.part)
        try:
            started = await self._writer.write(attempts.start, start)
        except (Unavailable, asyncio.CancelledError):
            await self._never_made(start.id, head.message_id, head.conversation_id)
            raise
        return start.id if started else ""

    async def _never_made(self, attempt: str, message_id: str, lane: str) -> None:
        """A start may be written whose call was not made, and must not look like one that arrived."""
        await self._record(
            Finish(id=attempt, message_id=message_id, conversation_id=lane, channel_id=self._live.id,
                   outcome="not_sent", reason="interrupted", status="queued", wait=int(SWEEP * 1000))
        )  # fmt: skip

    async def _wait_for_rate(self, part: Outbound, *, first: bool) -> None:
        """The claim took one token; whatever more a part costs is taken here, before its start."""
        now, cost, rest = steady_clock(), self._cost(part), 0.0
        if first:
            self._tokens.take(now, cost - 1)
        else:
            rest = self._tokens.reserve(now, cost)
        rest = max(rest, self._addresses.reserve(part.urn, now))
        if rest:
            await asyncio.sleep(rest)
        await self._wait_for_pause()

    async def _wait_for_pause(self) -> None:
        """Rest until the vendor's pause is over, which another send may have made longer meanwhile."""
        left = self._live.paused_until - steady_clock()
        if left > 0:
            await asyncio.sleep(left)
            await self._wait_for_pause()

    async def _send(self, part: Outbound) -> Sent | SendError:
        """The call itself, bounded in time. Whatever is not understood may have arrived."""
        if not self._duty.held:
            return NotSent("the duty passed to another node")
        if steady_clock() < self._live.paused_until:
            return NotSent("the vendor asks for a pause")
        try:
            async with asyncio.timeout(self._send_timeout):
                return await self._channel.send(part)
        except SendError as error:
            return error
        except TimeoutError:
            return Unknown("no answer in time")
        except asyncio.CancelledError:
            return Unknown("interrupted")
        except Exception as error:
            log.exception("channel stumbled", channel=self._channel.type)
            return Unknown(type(error).__name__)

    def _finish(self, head: Head, attempt: str, result: Sent | SendError, *, last: bool) -> Finish:
        """What an outcome means for the message and its lane: the one place that decides."""
        common: dict[str, Any] = {
            "id": attempt, "message_id": head.message_id, "conversation_id": head.conversation_id,
            "channel_id": self._live.id, "address_id": head.address_id,
        }  # fmt: skip
        match result:
            case Sent():
                return Finish(**common, outcome="accepted", status="sent" if last else "sending",
                              external_id=result.external_id, moved_to=result.moved_to)  # fmt: skip
            case Rejected():
                closes = result.state if isinstance(result, Unreachable) else None
                return Finish(**common, outcome="rejected", reason=result.reason, status="rejected",
                              closes=closes)  # fmt: skip
            case Throttled() | NotSent():
                throttled = isinstance(result, Throttled)
                rest = pause(head.tries, random.random(), result.retry_after)  # noqa: S311  # jitter
                return Finish(**common, outcome="throttled" if throttled else "not_sent",
                              reason=result.reason, status="queued", wait=int(rest * 1000) + 1,
                              pause=int(_rest(result) * 1000) if throttled else 0)  # fmt: skip
            case _:
                return Finish(**common, outcome="unknown", reason=result.reason, status="unknown",
                              wait=UNKNOWN_WAIT_MS)  # fmt: skip

    async def _record(self, finish: Finish) -> None:
        """An outcome is evidence: it is written down however long the database is away.

        Until then its lane goes nowhere: what it holds would be sent again.
        """
        while True:
            try:
                goes_on = await self._writer.write(attempts.finish, finish)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is no reason to forget
                if not isinstance(error, Unavailable):
                    log.error("outcome not written", channel=self._channel.type, reason=type(error).__name__)
                await asyncio.sleep(SWEEP)
            else:
                self._bus.ring("changes")
                self._follow(finish.conversation_id, goes_on)
                return

    async def _conclude(self, head: Head, status: Ended, reason: str) -> None:
        """End a message that is not to be tried (any more)."""
        end = Finish(
            message_id=head.message_id, conversation_id=head.conversation_id, status=status, reason=reason
        )
        goes_on = await self._writer.write(attempts.finish, end)
        self._bus.ring("changes")
        self._follow(head.conversation_id, goes_on)

    def _follow(self, lane: str, goes_on: bool) -> None:
        """Have a lane looked at again that has more to send: when it is free."""
        if goes_on and lane in self._busy:
            self._again.add(lane)
        elif goes_on:
            self._bell.set()

    def _pause(self, throttled: Throttled) -> None:
        """The vendor asked for a pause: the whole channel rests, here at once, and its next owner too."""
        seconds = _rest(throttled)
        self._live.paused_until = max(self._live.paused_until, steady_clock() + seconds)
        log.warning("channel paused", channel=self._channel.type, seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Place:
    """What is kept for a reply that is being accepted."""

    conversation_id: str
    urn: str
    cost: int


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=LAST_WORDS)


def _rest(throttled: SendError) -> float:
    """Seconds that a channel rests whose vendor asks for a pause, with or without saying how long."""
    return throttled.retry_after or 1.0


def _one(_: Outbound) -> int:
    """What a part costs where all cost the same."""
    return 1


def _why_not(head: Head) -> tuple[Ended, str] | None:
    """`(status, reason)` of a message that must not be sent now, checked at the last moment."""
    if head.late:
        return "expired", "not sent in time"
    if head.state != "open":
        return "rejected", head.state
    if not head.agreed:
        return "rejected", "no_consent"
    return None
