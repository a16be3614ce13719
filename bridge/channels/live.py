"""A channel that is on, with its row in the database and how it is doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bridge.channels.base import Channel
from bridge.views import ChannelView, LimitsView

State = Literal["up", "degraded", "down", "setup"]
UNREACHED = "The vendor cannot be reached"


def _nobody(_: Any) -> bool:
    return False


@dataclass(slots=True)
class LiveChannel:
    """`id` is its row's; `state` and `detail` are what agents see of it.

    Its vendor wants no call that sends before `paused_until`, by `steady_clock`. `hand_over` gives the
    sender of this process a reply that may leave at once (`lanes.Head`), and says whether it took it.
    """

    id: int
    channel: Channel
    state: State = "up"
    detail: str = ""
    paused_until: float = 0.0
    hand_over: Callable[[Any], bool] = _nobody

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
