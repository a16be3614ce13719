"""What has to be tidied now and then, by one node."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from bridge.duty import Duty, steady_clock
from bridge.errors import Unavailable
from bridge.ids import now_ms
from bridge.rota import on_duty
from bridge.store import attempts, changes, clock, handling, media, retention, tokens
from bridge.store.engine import Database, Tx
from bridge.store.files import Files
from bridge.store.retention import Step

log = structlog.get_logger()

_EVERY = 300.0
_LOOK_AT_CLOCK = 5.0
_DAY = 24 * 3600.0
_DAY_MS = int(_DAY * 1000)
# A thread that has been resolved for so long is over: the next message of its contact starts a new one.
_THREAD_ENDS_MS = 7 * _DAY_MS
# The least seconds between two short transactions: others write there.
_BREATH = 0.02


class Housekeeper:
    """Forgets what has served: old events and changes, expired sessions, uploads that were never sent."""

    def __init__(self, database: Database, files: Files, duty: Duty, *, raw_days: int) -> None:
        self._database = database
        self._files = files
        self._duty = duty
        self._steps = retention.steps(raw_days)
        self._daily_at = 0.0

    async def run(self) -> None:
        """Tidy for ever, whenever the duty is ours."""
        await on_duty(self._duty, self._work)

    async def _work(self) -> None:
        while True:
            try:
                await self._tidy()
            except Unavailable:
                log.info("housekeeping waits for the database")
            await asyncio.sleep(_EVERY)

    async def _tidy(self) -> None:
        await self._database.write(tokens.prune)
        await self._database.write(lambda tx: handling.end_old(tx, _THREAD_ENDS_MS))
        await self._database.write(attempts.end_stranded)
        before = now_ms() - _DAY_MS
        await self._database.write(lambda tx: media.forget_loose(tx, before))
        for step in (_prune_changes, *self._steps):
            await self._bit_by_bit(step)
        if steady_clock() >= self._daily_at:
            await self._bit_by_bit(retention.forget_receipts)
            await self._sweep()
            self._daily_at = steady_clock() + _DAY

    async def _bit_by_bit(self, step: Step) -> None:
        """Go on until nothing is left, resting as long as each step took: others want to write, too."""
        more = True
        while more:
            began = steady_clock()
            more = await self._database.write(step)
            await asyncio.sleep(max(steady_clock() - began, _BREATH))

    async def _sweep(self) -> None:
        """Delete files that no row names: left by a crash, by an upload that was never sent, by a demo."""
        await asyncio.to_thread(self._files.remove_broken, older_than=_DAY)
        for folder in range(256):
            found = await asyncio.to_thread(self._files.old, folder, older_than=_DAY)
            for sha256 in await self._database.read(lambda tx: media.unnamed(tx, found)):  # noqa: B023  # awaited at once
                await asyncio.to_thread(self._files.remove, sha256, older_than=_DAY)


async def _prune_changes(tx: Tx) -> bool:
    return await changes.prune(tx) == retention.AT_ONCE


async def watch_clock(database: Database) -> None:
    """Have nobody wait longer because the database's clock was set back. Any node may do it, and all do."""
    while True:
        with contextlib.suppress(Unavailable):
            back = await database.write(clock.watch)
            if back:
                log.warning("the database's clock was set back", seconds=back / 1000)
        await asyncio.sleep(_LOOK_AT_CLOCK)
