"""The time in which this node is the one that sends on a channel, and when it is to end."""

from __future__ import annotations

from bridge.duty import Duty
from bridge.pace import Pace


class Reign:
    """A channel's duty, and the pace at which this node sends while it holds it.

    `is_alone`: there is no other node that could send (SQLite).
    """

    def __init__(self, duty: Duty, pace: Pace, *, is_alone: bool) -> None:
        self.duty = duty
        self.pace = pace
        self.closing = False
        self._is_alone = is_alone

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is to be begun: what waits is the next owner's."""
        return self.closing or self.duty.asked.is_set() or self.is_hopeless

    @property
    def is_hopeless(self) -> bool:
        """Whether another node may reach those whom this one does not."""
        return self.pace.is_hopeless and not self._is_alone

    def may_end(self, busy: int) -> bool:
        """Not with a call on its way, or a long one to be paid for: the next owner would not know of it."""
        return self.is_ending and not busy and not self.pace.debt
