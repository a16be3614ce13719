"""A channel that is on, with its row in the database and how it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bridge.channels.base import Channel
from bridge.views import ChannelView, LimitsView

State = Literal["up", "degraded", "down", "setup"]
UNREACHED = "The vendor cannot be reached"


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
    """`id` is its row's; `state` and `detail` are what agents see of it.

    Its vendor wants no call that sends before `paused_until`, by `steady_clock`. It has no
    `sender` where customers fetch their messages.
    """

    id: int
    channel: Channel
    state: State = "up"
    detail: str = ""
    paused_until: float = 0.0
    sender: Sender | None = None

    def view(self) -> ChannelView:
        """The channel as the API shows it."""
        channel, limits = self.channel, self.channel.limits
        return ChannelView(
            id=self.id, type=channel.type, label=channel.label, identity=channel.identity,
            state=self.state, health="down" if self.state == "setup" else self.state, detail=self.detail,
            limits=LimitsView(
                text=limits.text, caption=limits.caption, files=limits.files, file_size=limits.file_size,
                highest=limits.highest, segments=limits.segments,
            ),
        )  # fmt: skip
