"""What the outcomes of its calls say of a channel: that it is up, in doubt, or down. Pure.

Times are seconds on any clock that only goes forward; `chance` is in [0, 1).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from bridge.retry import pause

State = Literal["up", "degraded", "down", "recovering"]
# What came of a call: the vendor answered, whatever it said of the message; it gave no answer or said that
# it is not working; or it refused our account, which tells nothing of the vendor.
Said = Literal["answered", "failed", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a channel is in doubt, when down, and when up again.

    In doubt: `row` failures in a row, or `share` of at least `sends` calls to at least `people` people within
    `window` seconds. Down: `confirm` more in a row, one at a time. While it is down there is one call after
    `probe` seconds, and then twice as long after each failure, up to `probe_most`. After `answers` in a row
    it recovers: calls are made as ever. It is up when it did so for `calm` seconds; each time it is down
    again before, it has to for twice as long, up to `calm_most`.
    """

    row: int = 5
    share: float = 0.5
    sends: int = 10
    people: int = 3
    window: float = 60.0
    confirm: int = 4
    probe: float = 5.0
    probe_most: float = 300.0
    answers: int = 3
    calm: float = 60.0
    calm_most: float = 600.0


# Between the calls that confirm a doubt: it shall be short, and no storm.
_DOUBT_REST = 0.45


class Watch:
    """The health of one direction of a channel, from one call to the next.

    Until the first answer there are `row` calls at a time: those of a vendor that hangs may all have arrived.
    In doubt, and while the channel is down, there is one.
    """

    __slots__ = ("_answers", "_has_answered", "_in_row", "_of_ours", "_probe", "_recent", "_rests_until",
                 "_t", "calm", "since", "state")  # fmt: skip

    def __init__(
        self,
        thresholds: Thresholds,
        now: float,
        state: State = "up",
        *,
        since: float = 0.0,
        calm: float = 0.0,
    ) -> None:
        """Begin at `now`; the rest is what an earlier owner of the channel knew."""
        self._t = thresholds
        self.state: State = state
        self.since = since or now
        # For how long it has to be well before it is up again.
        self.calm = calm or thresholds.calm
        self._has_answered = False
        self._in_row = self._of_ours = self._answers = 0
        self._rests_until = now
        self._probe = thresholds.probe
        self._recent = _Recent(thresholds)

    @property
    def is_open(self) -> bool:
        """Whether calls are made as ever."""
        return self.state in ("up", "recovering")

    def room(self, now: float, under_way: int) -> float:
        """How many more calls may begin beside those under way; `inf` while all is well."""
        if self.is_open:
            return math.inf if self._has_answered else max(self._t.row - under_way, 0)
        return 1 if not under_way and now >= self._rests_until else 0

    def wait(self, now: float) -> float:
        """Seconds until another call may begin, as far as the rest goes."""
        return 0.0 if self.is_open else max(self._rests_until - now, 0.0)

    def heard(self, now: float, urn: str, said: Said, chance: float) -> bool:
        """Learn from a call to an address; whether the state is another one now."""
        before = self.state
        if said == "answered":
            self._answered(now, urn)
        else:
            self._failed(now, urn, said, chance)
        return self.state != before

    def tick(self, now: float) -> bool:
        """Time has passed; whether the state is another one now."""
        if self.state != "recovering" or now - self.since < self.calm:
            return False
        self.calm = self._t.calm
        self._becomes("up", now)
        return True

    def _answered(self, now: float, urn: str) -> None:
        self._has_answered, self._in_row, self._of_ours = True, 0, 0
        if self.is_open:
            self._recent.add(now, urn, failed=False)
            return
        self._rests_until = now
        self._answers += 1
        if self._answers >= self._t.answers:
            self._becomes("up" if self.state == "degraded" else "recovering", now)

    def _failed(self, now: float, urn: str, said: Said, chance: float) -> None:
        self._answers = 0
        if said == "refused":
            self._of_ours += 1
        else:
            self._in_row += 1
        if self.is_open:
            self._recent.add(now, urn, failed=said == "failed")
            if self._in_row + self._of_ours >= self._t.row or self._recent.is_bad(now):
                self._doubt(now)
        elif self.state == "degraded":
            if self._in_row >= self._t.confirm:
                self._becomes("down", now)
            elif said == "failed":
                self._rests_until = now + _DOUBT_REST
            else:  # it is for a person to mend, who needs minutes
                self._rests_until = now + pause(self._of_ours, chance)
        elif now >= self._rests_until:  # what began before the channel was down says nothing new
            self._probe = min(self._probe * 2, self._t.probe_most)
            self._rests_until = now + self._probe

    def doubt(self, now: float) -> None:
        """It is not the channel that is down, as far as anybody can tell."""
        self._becomes("degraded", now)

    def _doubt(self, now: float) -> None:
        """Too many calls failed: of a channel that was down a moment ago, that is no doubt."""
        if self.state == "up":
            self._becomes("degraded", now)
        else:
            self.calm = min(self.calm * 2, self._t.calm_most)
            self._becomes("down", now)

    def _becomes(self, state: State, now: float) -> None:
        self.state, self.since = state, now
        self._in_row = self._of_ours = self._answers = 0
        self._recent.clear()
        self._probe = self._t.probe
        self._rests_until = now + (self._probe if state == "down" else _DOUBT_REST)


@dataclass(slots=True)
class _Second:
    """The calls of one second: how many, how many failed, and to whom."""

    at: int
    calls: int = 0
    failed: int = 0
    urns: set[str] = field(default_factory=set)


class _Recent:
    """The calls of the last seconds, by the second."""

    __slots__ = ("_calls", "_failed", "_seconds", "_t")

    def __init__(self, thresholds: Thresholds) -> None:
        self._t = thresholds
        self._seconds: deque[_Second] = deque()
        self._calls = self._failed = 0

    def add(self, now: float, urn: str, *, failed: bool) -> None:
        """Count a call."""
        if not self._seconds or self._seconds[-1].at != int(now):
            self._forget(now)
            self._seconds.append(_Second(int(now)))
        second = self._seconds[-1]
        second.calls += 1
        self._calls += 1
        if failed:
            second.failed += 1
            self._failed += 1
        if len(second.urns) < self._t.people:
            second.urns.add(urn)

    def is_bad(self, now: float) -> bool:
        """Whether too many of them failed, to too many people for one of them to be the cause."""
        self._forget(now)
        if self._calls < self._t.sends or self._failed < self._calls * self._t.share:
            return False
        return len(set().union(*(second.urns for second in self._seconds))) >= self._t.people

    def clear(self) -> None:
        """Forget them all."""
        self._seconds.clear()
        self._calls = self._failed = 0

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0].at < now - self._t.window:
            second = self._seconds.popleft()
            self._calls -= second.calls
            self._failed -= second.failed
