"""The heart: what comes in from customers, and what agents do with it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from bridge import pauses
from bridge.bus import Bus
from bridge.channels.base import ShowsTyping
from bridge.channels.live import LiveChannel, Sender
from bridge.duty import steady_clock
from bridge.errors import BridgeError, NotFound, SendError, Throttled, Unavailable
from bridge.ids import new_id
from bridge.models import Aside, Event, Ignored, Inbound, Outbound, Receipt
from bridge.store import conversations, handling, messages, replies
from bridge.store.attempts import Start
from bridge.store.engine import Database
from bridge.store.failures import BadData
from bridge.store.handling import KEEP, Keep
from bridge.store.inbound import Intake, Taken, receive
from bridge.store.outgoing import Carrier, Draft, Route
from bridge.store.replies import Accepted
from bridge.store.writer import Writer
from bridge.views import ConversationView, MessageView, Person

log = structlog.get_logger()

# How often a reply is tried whose conversation changes at the very moment in which it is accepted.
_TRIES = 3
# Of about 400 bytes each.
_MOST_ROUTES = 10_000


class Inbox:
    """Receives for every channel, and replies for every agent."""

    def __init__(
        self, database: Database, writer: Writer, bus: Bus, channels: Mapping[int, LiveChannel],
        reply_deadline: float,
    ) -> None:  # fmt: skip
        self._database = database
        self._writer = writer
        self._bus = bus
        self._channels = channels
        self._lifetime_ms = int(reply_deadline * 1000)
        self._asides: set[asyncio.Task[None]] = set()
        self._accepting: set[asyncio.Task[Accepted]] = set()
        # By conversation, of those that were answered lately.
        self._routes: dict[str, Route] = {}
        self.received = 0
        self.replied = 0

    # ── from customers ──────────────────────────────────────────────────────────────────────────

    async def receive(self, channel_id: int, events: Sequence[Event]) -> None:
        """Store events; returns after the commit. A repeat is a success that changes nothing.

        `Unavailable`: whether they were stored is not known, the vendor shall send them again.
        """
        if not events:
            return
        try:
            taken = await self._store(Intake(channel_id, tuple(events)))
        except Unavailable:
            if channel_id in self._channels:
                self._channels[channel_id].missed.set()
            raise
        self.received += taken.new
        if taken.new or any(isinstance(event, Receipt) for event in events):
            self._bus.ring("changes", *(["media"] if taken.media else []))
        for aside in taken.asides:
            task = asyncio.create_task(self._say_aside(self._channels[channel_id], aside))
            self._asides.add(task)
            task.add_done_callback(self._asides.discard)

    async def _store(self, intake: Intake) -> Taken:
        try:
            share = _share(intake.channel_id)
            return await self._writer.write(receive, intake, size=_weight(intake.events), share=share)
        except BadData:
            return await self._store_one_by_one(intake)

    async def _store_one_by_one(self, intake: Intake) -> Taken:
        """One event cannot be stored: it is parked with a placeholder, the others go on."""
        total = Taken()
        for event in intake.events:
            one = await self._store_one(intake.channel_id, event, *_parked(event))
            total.new += one.new
            total.media |= one.media
            total.asides += one.asides
        return total

    async def _store_one(self, channel_id: int, event: Event, *instead: Event) -> Taken:
        try:
            return await self._writer.write(receive, Intake(channel_id, (event,)), share=_share(channel_id))
        except BadData:
            if not instead:
                raise
        log.warning("event not stored as it is", channel_id=channel_id)
        return await self._store_one(channel_id, *instead)

    async def _say_aside(self, live: LiveChannel, aside: Aside) -> None:
        try:
            await pauses.until_over(self._database, live)
            await live.channel.send(Outbound(message_id=aside.key, part=0, urn=aside.urn, text=aside.text))
        except (SendError, Unavailable) as error:
            if isinstance(error, Throttled):
                await pauses.note(self._database, live, error)
            log.info("courtesy not sent", channel=live.channel.type, reason=type(error).__name__)

    # ── from agents ─────────────────────────────────────────────────────────────────────────────

    async def reply(
        self, conversation_id: str, *, agent: Person, text: str, client_id: str,
        kind: Literal["reply", "note"] = "reply", attachments: Sequence[str] = (),
        reply_to: int | None = None, via: str | None = None,
    ) -> tuple[MessageView, bool]:  # fmt: skip
        """Accept a reply or a note: the message, and whether it is new.

        `NotFound`, `Conflict` (closed address, other body under the same `client_id`), `Invalid`
        (over the channel's limit, a file that is not there).
        """
        message_id = new_id()
        departure = _Departure(self._channels, message_id, conversation_id, text)
        draft = Draft(
            id=message_id, conversation_id=conversation_id, agent_id=agent.id, kind=kind, text=text,
            client_id=client_id, attachments=tuple(attachments), reply_to=reply_to, via=via,
            lifetime=self._lifetime_ms, carriers=self._carriers(), reserve=departure.reserve,
            route=self._routes.get(conversation_id),
        )  # fmt: skip
        # To its end, also for an agent who has gone: what is written as started must be sent.
        accepting = asyncio.create_task(self._accept(draft, departure))
        self._accepting.add(accepting)
        accepting.add_done_callback(self._accepting.discard)
        accepted = await asyncio.shield(accepting)
        return accepted.message, accepted.new

    async def _accept(self, draft: Draft, departure: _Departure) -> Accepted:
        for _ in range(_TRIES):
            try:
                outcome = await self._writer.write(
                    replies.accept, draft, size=len(draft.text) + 500, share="agents"
                )
            except BaseException:
                departure.take_back()
                raise
            self._remember(draft, outcome)
            if isinstance(outcome, Accepted):
                bells = departure.leave(outcome)
                if outcome.new:
                    self.replied += 1
                    self._bus.ring("changes", *bells)
                return outcome
            departure.cancel()
            if isinstance(outcome, BridgeError):
                raise outcome
            draft = replace(draft, route=None)
        raise Unavailable("This conversation changes too fast")

    def _remember(self, draft: Draft, accepted: replies.Outcome) -> None:
        """Where the next reply of this conversation is likely to go."""
        if not isinstance(accepted, Accepted):
            self._routes.pop(draft.conversation_id, None)
        elif accepted.head and accepted.channel_id is not None and draft.via is None:
            if len(self._routes) >= _MOST_ROUTES:  # one look for each is all that they save
                self._routes.clear()
            head = accepted.head
            self._routes[draft.conversation_id] = Route(
                address_id=head.address_id, channel_id=accepted.channel_id, urn=head.urn
            )

    async def close(self, patience: float) -> None:
        """Wait for the replies that are being accepted."""
        if self._accepting:
            await asyncio.wait([*self._accepting], timeout=patience)

    async def conversation(self, conversation_id: str) -> ConversationView:
        """One conversation as the API shows it."""
        found = await self._database.read(lambda tx: conversations.views(tx, [conversation_id]))
        if conversation_id not in found:
            raise NotFound("There is no such conversation")
        return found[conversation_id]

    async def update(
        self, conversation_id: str, *, agent_id: str,
        status: Literal["open", "resolved"] | None = None, assignee: str | Keep | None = KEEP,
    ) -> ConversationView:  # fmt: skip
        """Open, resolve or assign a conversation."""
        await self._database.write(
            lambda tx: handling.update(tx, conversation_id, agent_id, status=status, assignee=assignee)
        )
        self._bus.ring("changes")
        return await self.conversation(conversation_id)

    async def read(self, conversation_id: str, seq: int) -> ConversationView:
        """An agent has seen everything up to `seq`."""
        await self._database.write(lambda tx: handling.read(tx, conversation_id, seq))
        self._bus.ring("changes")
        return await self.conversation(conversation_id)

    async def settle(
        self, message_id: str, agent_id: str, verdict: Literal["arrived", "again"]
    ) -> MessageView:
        """An agent says what became of a reply whose fate is unknown."""
        carriers, lifetime = self._carriers(), self._lifetime_ms
        channel_id = await self._database.write(
            lambda tx: handling.settle(
                tx, message_id, agent_id, verdict, carriers=carriers, lifetime=lifetime
            )
        )
        return await self._after(message_id, channel_id)

    async def retry(self, message_id: str) -> MessageView:
        """Send a reply again that was refused, failed or expired."""
        lifetime = self._lifetime_ms
        channel_id = await self._database.write(lambda tx: handling.retry(tx, message_id, lifetime))
        return await self._after(message_id, channel_id)

    async def cancel(self, message_id: str) -> MessageView:
        """Take back a reply that still waits."""
        await self._database.write(lambda tx: handling.cancel(tx, message_id))
        return await self._after(message_id, None)

    async def give_up(self, message_id: str) -> MessageView:
        """Try a reply no more that waits, or whose fate nobody knows."""
        channel_id = await self._database.write(lambda tx: handling.give_up(tx, message_id))
        return await self._after(message_id, channel_id)

    async def typing(self, conversation_id: str, agent: Person) -> None:
        """Show colleagues, and the customer where the channel can, that an agent is writing."""
        self._bus.tell(
            "typing",
            {
                "conversation_id": conversation_id,
                "who": {"id": agent.id, "name": agent.name, "kind": "agent"},
            },
        )
        route = await self._database.read(lambda tx: conversations.route(tx, conversation_id))
        live = self._channels.get(route.channel_id) if route else None
        if not route or not live or route.paused or live.paused_until > steady_clock():
            return
        if isinstance(live.channel, ShowsTyping):
            try:
                await live.channel.typing(route.urn)
            except Throttled as error:
                await pauses.note(self._database, live, error)

    async def _after(self, message_id: str, channel_id: int | None) -> MessageView:
        self._bus.ring("changes", *([] if channel_id is None else [f"lanes:{channel_id}"]))
        found = await self._database.read(lambda tx: messages.views(tx, [message_id]))
        if message_id not in found:
            raise NotFound("There is no such message")
        return found[message_id]

    def _carriers(self) -> dict[int, Carrier]:
        return {
            live.id: Carrier(label=live.channel.label, limits=live.channel.limits, pulled=live.channel.pulled)
            for live in self._channels.values()
        }


@dataclass(slots=True)
class _Departure:
    """What the sender of its channel is told of a reply: before it is accepted, and after."""

    channels: Mapping[int, LiveChannel]
    message_id: str
    conversation_id: str
    text: str
    _sender: Sender | None = None
    _start: Start | None = None

    def reserve(self, channel_id: int, urn: str) -> Start | None:
        """See `Draft`."""
        if self._start and self._start.channel_id != channel_id:  # the customer changed it meanwhile
            self.cancel()
        self._sender = self.channels[channel_id].sender
        if self._sender and not self._start:
            self._start = self._sender.reserve(self.message_id, self.conversation_id, urn, self.text)
        return self._start

    def leave(self, accepted: Accepted) -> list[str]:
        """Have it sent; the bell of the sender that has to look for it, if none here took it."""
        if accepted.started and self._sender:
            self._sender.depart(accepted.head, self._start)
            return []
        self.cancel()
        if accepted.channel_id is None:
            return []
        if accepted.head and self._sender and self._sender.offer(accepted.head, waits=accepted.waits):
            return []
        return [f"lanes:{accepted.channel_id}"]

    def cancel(self) -> None:
        """Nothing was started."""
        if self._sender and self._start:
            self._sender.cancel(self._start)
            self._start = None

    def take_back(self) -> None:
        """Nobody knows whether it was accepted."""
        if self._sender and self._start:
            self._sender.take_back(self._start)


def _share(channel_id: int) -> str:
    """Each channel has a share of the queue of its own: Twilio brings a message only twice."""
    return f"channel {channel_id}"


def _weight(events: Sequence[Event]) -> int:
    """About how many bytes events add to a batch."""
    return sum(300 + len(getattr(event, "raw", "")) for event in events)


def _parked(event: Event) -> list[Event]:
    """What is kept of an event that the database refuses: its words as a placeholder, else its raw form.

    The last one is free of all that came from outside, but for the raw text.
    """
    reason, raw = "the database refused it", getattr(event, "raw", "")
    digest = hashlib.sha256(repr(event).encode()).hexdigest()
    kept: list[Event] = [Ignored(key=f"refused:{digest}", raw=raw, parked=reason)]
    if isinstance(event, Inbound):
        words = Inbound(
            key=event.key, urn=event.urn, external_id=event.external_id, kind="unsupported",
            text=event.text, name=event.name, handle=event.handle, raw=raw, parked=reason,
        )  # fmt: skip
        kept.insert(0, words)
    return kept
