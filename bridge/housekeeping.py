"""What has to be tidied now and then, by one node."""

from __future__ import annotations

import asyncio

import structlog

from bridge.duty import Duty, steady_clock
from bridge.errors import Unavailable
from bridge.ids import now_ms
from bridge.store import attempts, changes, events, handling, media, tokens
from bridge.store.engine import Database
from bridge.store.files import Files

log = structlog.get_logger()

_EVERY = 300.0
_DAY = 24 * 3600.0
_DAY_MS = int(_DAY * 1000)
# A thread that has been resolved for so long is over: the next message of its contact starts a new one.
_THREAD_ENDS_MS = 7 * _DAY_MS


class Housekeeper:
    """Forgets what has served: old changes, expired sessions, uploads that were never sent."""

    def __init__(self, database: Database, files: Files, duty: Duty) -> None:
        self._database = database
        self._files = files
        self._duty = duty
        self._daily_at = 0.0

    async def run(self) -> None:
        """Tidy for ever."""
        while True:
            try:
                if await self._duty.take():
                    await self._tidy()
            except Unavailable:
                log.info("housekeeping waits for the database")
            await asyncio.sleep(_EVERY)

    async def _tidy(self) -> None:
        await self._database.write(changes.prune)
        await self._database.write(tokens.prune)
        await self._database.write(lambda tx: handling.end_old(tx, _THREAD_ENDS_MS))
        await self._database.write(attempts.end_stranded)
        before = now_ms() - _DAY_MS
        await self._database.write(lambda tx: media.forget_loose(tx, before))
        if steady_clock() >= self._daily_at:
            while await self._database.write(events.forget_raw) or await self._database.write(events.forget):
                pass
            await self._sweep()
            self._daily_at = steady_clock() + _DAY

    async def _sweep(self) -> None:
        """Delete files that no row names: left by a crash, by an upload that was never sent, by a demo."""
        await asyncio.to_thread(self._files.remove_broken, older_than=_DAY)
        for folder in range(256):
            found = await asyncio.to_thread(self._files.old, folder, older_than=_DAY)
            for sha256 in await self._database.read(lambda tx: media.unnamed(tx, found)):  # noqa: B023  # awaited at once
                await asyncio.to_thread(self._files.remove, sha256, older_than=_DAY)
