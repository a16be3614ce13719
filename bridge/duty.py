"""Holding a duty: what exactly one node does at a time."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time

from bridge.errors import Unavailable
from bridge.store import duties
from bridge.store.engine import Database

LEASE_MS = 10_000
# Of a lease, since it was asked for: so long its owner believes in it, and so long others see no sign of
# life before they take over. What is between lies before a vendor's door, and in clocks that run unevenly.
_BELIEF = 0.8
_SILENCE = 0.9
# For so much of a lease a duty that was given back is left to who asked for it.
_COURTESY = 0.3


def steady_clock() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine sleeps."""
    # CLOCK_MONOTONIC stands still in a suspended machine on Linux, where a lease does not.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Duty:
    """A lease on a name, renewed in the background while it is held.

    No clock that can be set decides over it: we believe in it for less than a lease since we asked, and
    others wait for longer than that without a sign of us (`duties`).
    """

    def __init__(self, database: Database, name: str, owner: str, lease_ms: int = LEASE_MS) -> None:
        self.name = name
        self.epoch = 0
        # Set when another node asks for it: it is to be given back as soon as it can.
        self.asked = asyncio.Event()
        self._welcome_from = math.inf
        self._lease_ms = lease_ms
        self._owner = owner
        self._database = database
        self._until = 0.0
        # What its row said when we last looked, and since when it says so.
        self._beat: duties.Beat | None = None
        self._since = 0.0

    @property
    def held(self) -> bool:
        """Whether the lease still runs, by our own clock and on the safe side."""
        return steady_clock() < self._until

    @property
    def is_welcome(self) -> bool:
        """Whether this node may ask another for it: it is ready for it, and expects it to go well here."""
        return steady_clock() >= self._welcome_from

    def welcome(self, after: float = 0.0) -> None:
        """Ask for it from now on, or after so many seconds."""
        self._welcome_from = steady_clock() + after

    async def take(self) -> bool:
        """Take it if it is free, ours, or was not renewed for most of a lease while we looked."""
        beat = await self.look()
        begun = steady_clock()
        if beat and self._is_anothers(beat, (begun - self._since) * 1000 / self._lease_ms):
            return False
        epoch = await self._database.urgent(
            lambda tx: duties.take(tx, self.name, self._owner, self._lease_ms, beat)
        )
        if epoch is not None:
            self.epoch = epoch
            self.asked.clear()
            self._extended(begun)
        return epoch is not None

    async def look(self) -> duties.Beat | None:
        """See what its owner does: its silence counts from the first look that found it silent."""
        beat = await self._database.peek(lambda tx: duties.look(tx, self.name))
        if beat != self._beat:
            self._beat, self._since = beat, steady_clock()
        return beat

    def _is_anothers(self, beat: duties.Beat, silent_for: float) -> bool:
        """Whether it is another node's, or will be, after so many leases without a sign."""
        if beat.until:
            return beat.owner != self._owner and silent_for < _SILENCE
        return beat.asked_by not in ("", self._owner) and silent_for < _COURTESY

    def _extended(self, begun: float) -> None:
        """The lease runs from `begun`, the time before the statement that extended it."""
        self._until = max(self._until, begun + self._lease_ms / 1000 * _BELIEF)

    async def keep(self) -> None:
        """Extend the lease as long as it is ours; returns when it was lost."""
        while True:
            await asyncio.sleep(self._lease_ms / 1000 / 4)
            if not self.held:  # run out, or given back
                break
            begun = steady_clock()
            try:
                asked_by = await self._database.urgent(
                    lambda tx: duties.keep(tx, self.name, self._owner, self.epoch, self._lease_ms)
                )
            except Unavailable:
                continue  # the lease may outlive a short absence of the database
            if asked_by is None:
                break
            if asked_by:
                self.asked.set()
            self._extended(begun)
        self._until = 0.0

    async def give_back(self) -> None:
        """Let another node take over at once."""
        self._until = 0.0
        with contextlib.suppress(Unavailable):  # it runs out by itself
            await self._database.urgent(lambda tx: duties.give_back(tx, self.name, self._owner))
