"""A channel that is on, with its row in the database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from bridge.channels.base import Channel
from bridge.views import ChannelView, LimitsView, UnderWay

State = Literal["up", "degraded", "down", "recovering", "setup"]
# Whether messages travel, where a state's own word says something else.
_HEALTH: dict[str, Any] = {"setup": "down", "recovering": "degraded"}
_OFF_ELSEWHERE = "A process of Bridge was started without this channel: give all of them the same settings"


class Sender(Protocol):
    """Who hands replies to the vendor, as far as the inbox of this process must know (`outbox.py`).

    A reply that may leave at once has its first attempt written with its acceptance: `reserve`, and then
    `depart`, `cancel` or `take_back`. `start` is a `store.attempts.Start`, `head` a `store.lanes.Head`.
    """

    def reserve(self, message_id: str, conversation_id: str, urn: str, text: str) -> Any | None:
        """Keep a place for a reply without files; `None` if it has to wait its turn."""
        ...

    def depart(self, head: Any, start: Any) -> None:
        """It was accepted, and its start is written: send it."""
        ...

    def cancel(self, start: Any) -> None:
        """Its start was not written."""
        ...

    def take_back(self, start: Any) -> None:
        """Its start may have been written, and nothing was sent."""
        ...

    def offer(self, head: Any, *, waits: bool) -> bool:
        """Take a reply without a look at the lanes; `False`: ring for it. `waits`: something is before it."""
        ...


@dataclass(slots=True)
class LiveChannel:
    """`id` is its row's, which also says how it is.

    Its vendor wants no call that sends before `paused_until`, by `steady_clock`, and an administrator none
    at all where it is `switched_off`: they treat it as down. It has no `sender` where customers fetch their
    messages. `missed` is set when something that its vendor brought could not be stored here, and may not
    come again by itself.
    """

    id: int
    channel: Channel
    paused_until: float = 0.0
    switched_off: bool = False
    sender: Sender | None = None
    missed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def unreached(self) -> str:
        """The words for a vendor that gives no answer."""
        return f"{self.channel.label} cannot be reached"

    def view(self, state: State | Literal["off"], detail: str, incident: UnderWay | None) -> ChannelView:
        """The channel as the API shows it. It can be off only for another process."""
        if state == "off":
            state, detail = "setup", _OFF_ELSEWHERE
        channel, limits = self.channel, self.channel.limits
        return ChannelView(
            id=self.id, type=channel.type, label=channel.label, identity=channel.identity,
            state=state, health=_HEALTH.get(state, state), detail=detail,
            incident=incident, limits=LimitsView(
                text=limits.text, caption=limits.caption, files=limits.files, file_size=limits.file_size,
                highest=limits.highest, segments=limits.segments,
            ),
        )  # fmt: skip
