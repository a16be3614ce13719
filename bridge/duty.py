"""Holding a duty: what exactly one node does at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time

from bridge.errors import Unavailable
from bridge.store import duties
from bridge.store.engine import Database

LEASE_MS = 10_000


def steady_clock() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine sleeps."""
    # CLOCK_MONOTONIC stands still in a suspended machine on Linux, where a lease does not.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Duty:
    """A lease on a name, extended in the background while it is held."""

    def __init__(self, database: Database, name: str, owner: str, lease_ms: int = LEASE_MS) -> None:
        self.name = name
        self.epoch = 0
        self._lease_ms = lease_ms
        self._owner = owner
        self._database = database
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether the lease still runs, by our own clock and on the safe side."""
        return steady_clock() < self._until

    async def take(self) -> bool:
        """Take it if it is free."""
        asked = steady_clock()
        epoch = await self._database.write(lambda tx: duties.take(tx, self.name, self._owner, self._lease_ms))
        if epoch is not None:
            self.epoch = epoch
            self._extended(asked)
        return epoch is not None

    def _extended(self, asked: float) -> None:
        """The lease runs from `asked`, the time before the statement that extended it."""
        # A fifth is kept back for what lies between the look at the clock and the vendor's door.
        self._until = max(self._until, asked + self._lease_ms / 1000 * 0.8)

    async def keep(self) -> None:
        """Extend the lease as long as it is ours; returns when it was lost."""
        while True:
            await asyncio.sleep(self._lease_ms / 1000 / 4)
            if not self.held:  # run out, or given back
                break
            asked = steady_clock()
            try:
                kept = await self._database.write(
                    lambda tx: duties.keep(tx, self.name, self._owner, self.epoch, self._lease_ms)
                )
            except Unavailable:
                continue  # the lease may outlive a short absence of the database
            if not kept:
                break
            self._extended(asked)
        self._until = 0.0

    async def give_back(self) -> None:
        """Let another node take over at once."""
        self._until = 0.0
        with contextlib.suppress(Unavailable):  # it runs out by itself
            await self._database.write(lambda tx: duties.give_back(tx, self.name, self._owner, self.epoch))
