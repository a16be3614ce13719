"""One message after another of a lane, part by part: an attempt, a call, an outcome that is written down.

What may have arrived is never sent again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection
from typing import Any, Literal

import structlog

from bridge.bus import Bus
from bridge.busy import BusyLanes
from bridge.channels.http import unless
from bridge.channels.live import LiveChannel
from bridge.duty import steady_clock
from bridge.errors import NotSent, Rejected, SendError, Throttled, Unavailable, Unknown, Unreachable
from bridge.ids import new_id, now_ms
from bridge.inquiries import Inquiries
from bridge.models import File, Outbound, Sent
from bridge.outside import is_cut_off
from bridge.parts import parts_of
from bridge.reign import Reign
from bridge.retry import pause
from bridge.store import attempts, health
from bridge.store.attempts import Finish, Forsaken, Question, Start
from bridge.store.engine import Database
from bridge.store.failures import Contended
from bridge.store.lanes import Head
from bridge.store.writer import Writer
from bridge.timing import time_limit

log = structlog.get_logger()

# An unknown part holds its lane for so long, unless the vendor's look-up knows better before.
UNKNOWN_WAIT_MS = 60_000
# Seconds until the next try of what is ours to do.
_AGAIN = 1.0
CUT_OFF = "This machine reaches no vendor: see to its own connection"
Ended = Literal["sent", "rejected", "expired"]


class Delivery:
    """Sends on one channel, while this node reigns there."""

    def __init__(
        self, live: LiveChannel, reign: Reign, busy: BusyLanes, *, database: Database, writer: Writer,
        bus: Bus, file_of: Callable[[Any], File], send_timeout: float, others: Collection[LiveChannel] = (),
    ) -> None:  # fmt: skip
        self._live = live
        self._channel = live.channel
        self._reign = reign
        self._duty = reign.duty
        self._pace = reign.pace
        self._busy = busy
        self._database = database
        self._writer = writer
        self._bus = bus
        self._file_of = file_of
        self._send_timeout = send_timeout
        self._others = others
        # Lanes whose last start was refused.
        self._refused: set[str] = set()
        self.inquiries = Inquiries(live, database, parts_of=self._parts, record=self._record)

    async def run(self, head: Head, started: str = "") -> None:
        """Send the message at the head of a lane, and then those that follow it.

        `started` is the attempt of its first part, if that was written with its acceptance.
        """
        while await self._message(head, started):
            following, started = self._next(head.conversation_id), ""
            if following is None:
                break
            head = following

    def _next(self, lane: str) -> Head | None:
        if self._reign.is_ending or self._pace.paused_for or self._pace.is_stopped:
            return None
        return self._busy.next(lane)

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
                if not await self._try(head, part, started if index == 0 else "", last=part is parts[-1]):
                    return False
        except Unavailable:
            self._busy.look_again(lane)  # nothing was started: it is still due
        except Exception:
            log.exception("delivery stumbled", channel=self._channel.type)
            self._busy.look_again(lane)
            await asyncio.sleep(_AGAIN)
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

    async def _try(self, head: Head, part: Outbound, attempt: str, *, last: bool) -> bool:
        """One attempt of one part; whether the next part may follow. It may be written as started."""
        if not attempt and await self._has_turn(head.conversation_id, part):
            attempt = await self._start(head, part)
            if not attempt:
                self._refuse(head.conversation_id, part)
        if not attempt:
            self._busy.look_again(head.conversation_id)
            return False
        self._refused.discard(head.conversation_id)
        since = now_ms()
        result = await self._send(part)
        changed = self._hear(head, part, result)
        await self._record(self._finish(head, attempt, result, last=last))
        if isinstance(result, Unknown) and self._duty.held:  # else it is the next owner's to ask
            self.inquiries.ask(Question(attempt, head.message_id, part.part, since))
        if changed:
            await self.tell(result.reason if isinstance(result, SendError) else "")
        return isinstance(result, Sent)

    def a_start(self, message_id: str, part: int) -> Start:
        """The next attempt of a part, before it is written down."""
        return Start(
            id=new_id(), message_id=message_id, part=part, channel_id=self._live.id,
            duty=self._duty.name, epoch=self._duty.epoch,
        )  # fmt: skip

    def _refuse(self, lane: str, part: Outbound) -> None:
        """A part may not be started: things have changed since the look. If they then look the same, wait."""
        self._pace.give_back(part)
        if lane in self._refused:
            self._busy.rest(lane, _AGAIN)
        self._refused ^= {lane}

    async def _start(self, head: Head, part: Outbound) -> str:
        """Write an attempt down before its call; empty if the call may not be made."""
        start = self.a_start(head.message_id, part.part)
        try:
            started = await self._writer.write(attempts.start, start)
        except (Unavailable, asyncio.CancelledError):
            await self.never_made(start.id, head.message_id, head.conversation_id)
            raise
        return start.id if started else ""

    async def never_made(self, attempt: str, message_id: str, lane: str) -> None:
        """A start may be written whose call was not made, and must not look like one that arrived."""
        await self._record(
            Finish(id=attempt, message_id=message_id, conversation_id=lane, channel_id=self._live.id,
                   outcome="not_sent", reason="interrupted", status="queued", wait=int(_AGAIN * 1000))
        )  # fmt: skip

    async def never_heard_of(self, attempt: Forsaken) -> None:
        """Nobody will say what became of an attempt."""
        log.warning("an attempt was forsaken", channel=self._channel.type)
        await self._record(
            Finish(id=attempt.id, message_id=attempt.message_id, conversation_id=attempt.conversation_id,
                   channel_id=self._live.id, outcome="unknown", reason="interrupted", status="unknown",
                   wait=UNKNOWN_WAIT_MS)
        )  # fmt: skip

    async def _has_turn(self, lane: str, part: Outbound) -> bool:
        """Wait for the turn of a part; whether it still may leave then."""
        if self._reign.is_ending:
            return False
        with self._busy.patience(lane):
            await self._pace.turn(part)
        if self._pace.is_stopped and len(self._busy) > 1:
            self._pace.give_back(part)
            return False
        return True

    def _hear(self, head: Head, part: Outbound, result: Sent | SendError) -> bool:
        """What an outcome means for the next message to the same customer; whether the channel changed."""
        rest = self._pace.rest_of(part.urn)
        if rest:
            self._busy.rest(head.conversation_id, rest)
        return not isinstance(result, _Objection) and self._pace.heard(part.urn, result)

    async def tell(self, why: str) -> None:
        """Write down how the channel is, and show it."""
        channel_id, duty, watch = self._live.id, self._duty, self._pace.watch
        if watch.state == "down" and await is_cut_off(self._others, self._live):
            watch.doubt(steady_clock())
            why = CUT_OFF
        state, calm = watch.state, watch.calm
        with contextlib.suppress(Unavailable, Contended):
            await self._database.write(
                lambda tx: health.find(
                    tx, channel_id, "out", state, why, calm=calm, duty=duty.name, epoch=duty.epoch
                )
            )
            self._bus.ring("changes")

    async def _send(self, part: Outbound) -> Sent | SendError:
        """The call itself, bounded in time. Whatever is not understood may have arrived."""
        objection = self._objection()
        if objection:
            return objection
        try:
            with unless(self._objection):
                async with time_limit(self._send_timeout):
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

    def _objection(self) -> SendError | None:
        """Why nothing may leave at this moment: asked before a call and when its connection is there."""
        if not self._duty.held:
            return _Objection("the duty passed to another node")
        return _Objection("the vendor asks for a pause") if self._pace.paused_for else None

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
                              pause=int((result.retry_after or 1.0) * 1000) if throttled else 0)  # fmt: skip
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
                await asyncio.sleep(_AGAIN)
            else:
                self._bus.ring("changes")
                if goes_on:
                    self._busy.goes_on(finish.conversation_id)
                return

    async def _conclude(self, head: Head, status: Ended, reason: str) -> None:
        """End a message that is not to be tried (any more)."""
        end = Finish(
            message_id=head.message_id, conversation_id=head.conversation_id, status=status, reason=reason,
            duty=self._duty.name, epoch=self._duty.epoch,
        )  # fmt: skip
        goes_on = await self._writer.write(attempts.finish, end)
        self._bus.ring("changes")
        if goes_on:
            self._busy.goes_on(head.conversation_id)


class _Objection(NotSent):
    """It is for us, not for the vendor, that a call was not made."""


def _why_not(head: Head) -> tuple[Ended, str] | None:
    """`(status, reason)` of a message that must not be sent now, checked at the last moment."""
    if head.late:
        return "expired", "not sent in time"
    if head.state != "open":
        return "rejected", head.state
    if not head.agreed:
        return "rejected", "no_consent"
    return None
