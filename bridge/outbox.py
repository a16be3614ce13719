"""The way out: one sender per channel, which takes due lanes and hands their messages to the vendor.

Each part is a written attempt: started under the duty's epoch, ended with an outcome whatever
happens. What may have arrived is never sent again by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import structlog

from bridge.bus import Bus
from bridge.bus.base import wait
from bridge.channels.base import Costs, Loads, LooksUp
from bridge.channels.live import LiveChannel
from bridge.duty import Duty, steady_clock
from bridge.errors import NotSent, Rejected, SendError, Throttled, Unavailable, Unknown, Unreachable
from bridge.ids import new_id, now_ms
from bridge.models import File, Outbound, Outcome, Sent
from bridge.parts import parts_of
from bridge.retry import AddressRates, Bucket, pause
from bridge.store import attempts, lanes
from bridge.store import channels as channel_rows
from bridge.store.attempts import Finish, Start
from bridge.store.engine import Database
from bridge.store.lanes import Head
from bridge.store.writer import Writer

log = structlog.get_logger()

# Lanes on their way at once. One node outruns every vendor's limit with fewer.
MAX_BUSY = 64
# An unknown part holds its lane for so long, unless the vendor's look-up knows better before.
UNKNOWN_WAIT_MS = 60_000
LOOK_UP_AFTER = (1.0, 4.0, 10.0, 20.0, 20.0)
SWEEP = 1.0


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
        self._look_ups: set[asyncio.Task[None]] = set()
        self._closing = False
        rates = self._channel.rates
        self._tokens = Bucket(rates.overall, rates.burst, steady_clock())
        self._addresses = AddressRates(rates.address, rates.address_burst)
        self._turn = 0

    # ── the loop ────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Send until closed, whenever the duty is ours."""
        if isinstance(self._channel, Loads):
            await self._channel.load()
        while not self._closing:
            try:
                if await self._duty.take():
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
        for task in [*self._busy.values(), *self._look_ups]:
            task.cancel()
        await asyncio.gather(*self._busy.values(), *self._look_ups, return_exceptions=True)
        await self._duty.give_back()

    @property
    def busy(self) -> int:
        """How many lanes are on their way."""
        return len(self._busy)

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
        left = await self._database.write(lambda tx: attempts.abandoned(tx, channel_id, epoch))
        paused = await self._database.read(lambda tx: channel_rows.paused_for(tx, channel_id))
        self._live.paused_until = steady_clock() + paused
        if left:
            log.warning("sends were interrupted", channel=self._channel.type, count=len(left))
            self._bus.ring("changes")
        for row in left:
            await self._look_up_later(row.message_id, row.id, row.part, row.started_at)

    async def _round(self) -> None:
        """Claim what there is room and rate for; then wait for a bell, a token or a due time."""
        now = steady_clock()
        if now < self._live.paused_until:
            await wait(self._bell, min(self._live.paused_until - now, SWEEP))
            return
        room = min(MAX_BUSY - len(self._busy), self._tokens.available(now))
        claimed, patience = await self._claim(room) if room > 0 else (0, SWEEP)
        if claimed == room or room <= 0:  # there may be more
            patience = min(patience, self._until_there_is_room())
        if patience > 0:
            await wait(self._bell, patience)
        else:
            await asyncio.sleep(0)

    def _until_there_is_room(self) -> float:
        """How long to wait when nobody rings: a send that ends rings, a token that is there does not."""
        return SWEEP if len(self._busy) >= MAX_BUSY else self._tokens.wait(steady_clock())

    async def _claim(self, room: int) -> tuple[int, float]:
        """Take up to `room` due lanes; how many, and in how many seconds to look again if nobody rings."""
        channel_id, busy = self._live.id, frozenset(self._busy)
        # Half for the newest; of a single place, or an odd one, every other time.
        self._turn = 1 - self._turn
        fresh = (room + self._turn) // 2

        async def look(tx: Any) -> tuple[float | None, list[str], list[Head]]:
            later = await lanes.next_due(tx, channel_id)
            due = await lanes.due(tx, channel_id, busy, room, fresh)
            return later, due, await lanes.heads(tx, channel_id, due)

        later, due, heads = await self._database.read(look)
        empty = set(due) - {head.conversation_id for head in heads}
        if empty:
            await self._database.write(lambda tx: lanes.tidy(tx, sorted(empty)))
        for head in heads:
            self._tokens.take(steady_clock())
            task = asyncio.create_task(self._deliver(head))
            self._busy[head.conversation_id] = task
        return len(heads), SWEEP if later is None else min(max(later, 0.001), SWEEP)

    # ── one message ─────────────────────────────────────────────────────────────────────────────

    async def _deliver(self, head: Head) -> None:
        """Send the message at the head of a lane, part by part, and record what came of it."""
        try:
            closed = _why_not(head)
            if closed:
                await self._conclude(head, *closed)
                return
            parts = self._parts_left(head)
            if not parts:  # the last one that was unclear has arrived
                await self._conclude(head, "sent", "")
            for index, part in enumerate(parts):
                if not await self._try(head, part, first=index == 0, last=part is parts[-1]):
                    return
        except Unavailable:
            pass  # nothing was started: the lane is still due
        except Exception:
            log.exception("delivery stumbled", channel=self._channel.type)
        finally:
            self._busy.pop(head.conversation_id, None)
            self._bell.set()

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

    async def _try(self, head: Head, part: Outbound, *, first: bool, last: bool) -> bool:
        """One attempt of one part; whether the next part may follow."""
        await self._wait_for_rate(part, first=first)
        attempt = new_id()
        asked = steady_clock()
        started = await self._writer.write(
            attempts.start,
            Start(id=attempt, message_id=head.message_id, part=part.part, channel_id=self._live.id,
                  duty=self._duty.name, epoch=self._duty.epoch, lease=self._duty.lease_ms),
        )  # fmt: skip
        if not started:
            return False
        self._duty.extended(asked)
        since = now_ms()
        result = await self._send(part)
        finish = self._finish(head, attempt, result, last=last)
        if isinstance(result, Throttled):
            await self._pause(result.retry_after or 1.0)
        await self._record(finish)
        await self._learn(head, result)
        if isinstance(result, Unknown):
            await self._look_up_later(head.message_id, attempt, part.part, since, part)
        return isinstance(result, Sent)

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
        }  # fmt: skip
        match result:
            case Sent():
                status = "sent" if last else ""
                return Finish(**common, outcome="accepted", external_id=result.external_id, status=status)
            case Rejected():  # and Unreachable
                return Finish(**common, outcome="rejected", reason=result.reason, status="rejected")
            case Throttled() | NotSent():
                outcome: Outcome = "throttled" if isinstance(result, Throttled) else "not_sent"
                rest = pause(head.tries, random.random(), result.retry_after)  # noqa: S311  # jitter
                return Finish(**common, outcome=outcome, reason=result.reason, status="queued",
                              wait=int(rest * 1000) + 1)  # fmt: skip
            case _:
                return Finish(**common, outcome="unknown", reason=result.reason, status="unknown",
                              wait=UNKNOWN_WAIT_MS)  # fmt: skip

    async def _record(self, finish: Finish) -> None:
        """An outcome is evidence: it is written down however long the database is away."""
        while True:
            try:
                await self._writer.write(attempts.finish, finish)
            except Unavailable:
                await asyncio.sleep(SWEEP)
            else:
                self._bus.ring("changes")
                return

    async def _learn(self, head: Head, result: Sent | SendError) -> None:
        """What an outcome says of the address."""
        if isinstance(result, Unreachable):
            state, reason = result.state, result.reason
            await self._database.write(
                lambda tx: channel_rows.close_address(tx, head.address_id, state, reason)
            )
            self._bus.ring("changes")
        elif isinstance(result, Sent) and result.moved_to:
            moved_to = result.moved_to
            await self._database.write(lambda tx: channel_rows.move_address(tx, head.address_id, moved_to))

    async def _conclude(self, head: Head, status: str, reason: str) -> None:
        """End a message that is not to be tried (any more)."""
        await self._writer.write(
            attempts.finish,
            Finish(id=new_id(), message_id=head.message_id, conversation_id=head.conversation_id,
                   outcome="rejected", status=status, reason=reason),
        )  # fmt: skip
        self._bus.ring("changes")

    async def _pause(self, seconds: float) -> None:
        """The vendor asked for a pause: the whole channel rests, here at once and on every node."""
        self._live.paused_until = max(self._live.paused_until, steady_clock() + seconds)
        channel_id = self._live.id
        log.warning("channel paused", channel=self._channel.type, seconds=seconds)
        await self._database.write(lambda tx: channel_rows.pause(tx, channel_id, int(seconds * 1000)))

    # ── was it sent? ────────────────────────────────────────────────────────────────────────────

    async def _look_up_later(
        self, message_id: str, attempt: str, index: int, since: int, part: Outbound | None = None
    ) -> None:
        if not isinstance(self._channel, LooksUp):
            return
        task = asyncio.create_task(self._look_up(message_id, attempt, index, since, part))
        self._look_ups.add(task)
        task.add_done_callback(self._look_ups.discard)

    async def _look_up(
        self, message_id: str, attempt: str, index: int, since: int, part: Outbound | None
    ) -> None:
        """Ask the vendor until it has the part, or until the agent is better asked."""
        channel = self._channel
        assert isinstance(channel, LooksUp)
        head = await self._database.read(lambda tx: lanes.unsettled(tx, message_id))
        if head is None:
            return
        parts = self._parts(head)
        for seconds in LOOK_UP_AFTER:
            await asyncio.sleep(seconds)
            try:
                sent = await channel.look_up(part or parts[index], since)
            except SendError as error:
                log.info("look-up failed", channel=channel.type, reason=type(error).__name__)
                continue
            if sent and not await self._is_another(sent, attempt):
                left = {each.part for each in parts} - head.sent - {index}
                status = "queued" if left else "sent"
                await self._record(
                    Finish(id=attempt, message_id=message_id, conversation_id=head.conversation_id,
                           outcome="accepted", external_id=sent.external_id, status=status)
                )  # fmt: skip
                self._bell.set()
                return

    async def _is_another(self, sent: Sent, attempt: str) -> bool:
        """The same words may have been sent twice: what is known to be another is no evidence."""
        channel_id, external_id = self._live.id, sent.external_id
        return await self._database.read(lambda tx: attempts.is_taken(tx, channel_id, external_id, attempt))


def _one(_: Outbound) -> int:
    """What a part costs where all cost the same."""
    return 1


def _why_not(head: Head) -> tuple[str, str] | None:
    """`(status, reason)` of a message that must not be sent now, checked at the last moment."""
    if head.late:
        return "expired", "not sent in time"
    if head.state != "open":
        return "rejected", head.state
    if not head.agreed:
        return "rejected", "no_consent"
    return None
