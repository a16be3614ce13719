"""The lanes of one channel in which this process is at work, and what is to be done there afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

from bridge.duty import steady_clock
from bridge.store.lanes import Head


class BusyLanes:
    """At most one task for each lane, one after another. `bell` has the lanes looked at that are due."""

    def __init__(self, bell: asyncio.Event) -> None:
        self._bell = bell
        # Whether more is due than there was room for: then each lane that gets free makes room.
        self.has_backlog = True
        self._tasks: dict[str, asyncio.Task[None]] = {}  # the last one of each
        self._all: set[asyncio.Task[None]] = set()
        # Those that were taken ahead of their turn, and tasks that wait for one.
        self._ahead: set[str] = set()
        self._patient: set[asyncio.Task[None]] = set()
        # Lanes whose customer may be written to again only then.
        self._resting: dict[str, float] = {}
        # Busy lanes to look at again when what is on its way has ended.
        self._again: set[str] = set()
        # Replies that follow in busy lanes.
        self._following: dict[str, deque[Head]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, lane: str) -> bool:
        return lane in self._tasks

    @property
    def lanes(self) -> frozenset[str]:
        """Which they are."""
        return frozenset(self._tasks)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The work of all of them."""
        return [*self._all]

    @property
    def ahead(self) -> int:
        """How many were taken ahead of their turn, which has not come yet."""
        return len(self._ahead)

    # ── work ────────────────────────────────────────────────────────────────────────────────────

    def take(self, lane: str, work: Coroutine[Any, Any, None]) -> None:
        """Have work done in a free lane when its turn comes."""
        self._ahead.add(lane)
        self.occupy(lane, work)

    def occupy(self, lane: str, work: Coroutine[Any, Any, None]) -> None:
        """Have work done in a lane, after what is under way there."""
        task = asyncio.create_task(self._in_lane(work, self._tasks.get(lane)))
        self._tasks[lane] = task
        self._all.add(task)
        task.add_done_callback(partial(self._ended, lane, work))

    @staticmethod
    async def _in_lane(work: Coroutine[Any, Any, None], before: asyncio.Task[None] | None) -> None:
        if before:
            await asyncio.wait([before])
        await work

    def _ended(self, lane: str, work: Coroutine[Any, Any, None], task: asyncio.Task[None]) -> None:
        work.close()  # it may not have begun
        self._all.discard(task)
        if self._tasks[lane] is task:  # nothing has come after it
            self._free(lane)

    def _free(self, lane: str) -> None:
        del self._tasks[lane]
        self._ahead.discard(lane)
        if self._following.pop(lane, None):
            self._again.add(lane)
        if self.has_backlog or lane in self._again:
            self._bell.set()
        self._again.discard(lane)

    @contextlib.contextmanager
    def patience(self, lane: str) -> Iterator[None]:
        """Around the wait of a lane for its turn, of which `let_go` makes an end."""
        task = asyncio.current_task()
        assert task
        self._patient.add(task)
        try:
            yield
        finally:
            self._patient.remove(task)
        self._ahead.discard(lane)
        if self.has_backlog:
            self._bell.set()

    def let_go(self) -> None:
        """Cancel what waits for its turn: its next part has not been started, and a pause may last."""
        for task in self._patient:
            task.cancel()

    # ── what comes afterwards ───────────────────────────────────────────────────────────────────

    def add(self, head: Head) -> None:
        """A reply that follows in a busy lane."""
        self._following.setdefault(head.conversation_id, deque()).append(head)

    def next(self, lane: str) -> Head | None:
        """The reply that was accepted while the one before it was on its way."""
        following = self._following.get(lane)
        if not following:
            return None
        self._again.discard(lane)
        return following.popleft()

    def look_again(self, lane: str) -> None:
        """Have a busy lane looked at when it is free."""
        self._again.add(lane)

    def goes_on(self, lane: str) -> None:
        """Have a lane looked at that has more to send: at once, or when it is free."""
        if lane in self._tasks:
            self._again.add(lane)
        else:
            self._bell.set()

    def rest(self, lane: str, seconds: float) -> None:
        """Its customer may be written to again only then."""
        self._resting[lane] = steady_clock() + seconds

    def resting(self) -> dict[str, float]:
        """The lanes that rest, and for how many seconds."""
        now = steady_clock()
        self._resting = {lane: until for lane, until in self._resting.items() if until > now}
        return {lane: until - now for lane, until in self._resting.items()}

    def rests(self, lane: str) -> bool:
        """Whether a lane rested when it was looked at last."""
        return lane in self._resting
