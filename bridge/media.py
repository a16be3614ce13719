"""Fetching customers' files, after their messages are stored and never in their way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence

import structlog

from bridge import pauses
from bridge.bus import Bus
from bridge.bus.base import wait
from bridge.channels.base import FetchesMedia
from bridge.channels.live import LiveChannel
from bridge.errors import MediaError, Throttled, TooLarge, Unavailable
from bridge.retry import pause
from bridge.store import media
from bridge.store.engine import Database, Row
from bridge.store.files import Files

log = structlog.get_logger()

_AT_ONCE = 4
# About an hour, a minute apart in the end: vendors' outages end, and they keep files for days.
_TRIES = 60
_HOLD_MS = 180_000
_TIME = 120.0


class MediaFetcher:
    """Fetches what is due: at once when the bell `media` rings, else every few seconds."""

    def __init__(
        self, database: Database, bus: Bus, files: Files, channels: Mapping[int, LiveChannel], limit: int
    ) -> None:
        self._database = database
        self._bus = bus
        self._files = files
        self._channels = channels
        self._limit = limit
        self._bell = bus.bell("media")
        self._fetching: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Fetch for ever, a few at once: a slow server keeps nobody else waiting."""
        try:
            while True:
                for row in await self._claim(_AT_ONCE - len(self._fetching)):
                    task = asyncio.create_task(self._fetch(row))
                    self._fetching.add(task)
                    task.add_done_callback(self._ended)
                await wait(self._bell, 5.0)
        finally:
            for task in self._fetching:
                task.cancel()
            await asyncio.gather(*self._fetching, return_exceptions=True)

    async def _claim(self, room: int) -> Sequence[Row]:
        try:
            return await self._database.write(lambda tx: media.claim(tx, room, _HOLD_MS)) if room else ()
        except Unavailable:
            return ()

    async def _fetch(self, row: Row) -> None:
        try:
            await self._try(row)
        except Unavailable:
            return  # the want of room or database is ours: the hold runs out, and it is due again
        except Exception:
            log.exception("fetching stumbled")
        self._bus.ring("changes")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._fetching.discard(task)
        self._bell.set()  # there is room for the next

    async def _try(self, row: Row) -> None:
        live = self._channels.get(row.channel_id)
        if live is None or not isinstance(live.channel, FetchesMedia):
            await self._database.write(lambda tx: media.gave_up(tx, row.id, "failed"))
            return
        try:
            async with asyncio.timeout(_TIME):
                file = await self._files.put(live.channel.fetch(row.ref), limit=self._limit, claimed=row.mime)
        except TooLarge:
            await self._database.write(lambda tx: media.gave_up(tx, row.id, "too_big"))
        except Throttled as error:
            await pauses.note(self._database, live, error)
            await self._failed(row, retry_after=error.retry_after)
        except MediaError as error:
            await self._failed(row, final=error.final, retry_after=error.retry_after)
        except (TimeoutError, OSError):
            await self._failed(row)
        else:
            await self._database.write(lambda tx: media.stored(tx, row.id, file))

    async def _failed(self, row: Row, *, final: bool = False, retry_after: float | None = None) -> None:
        tries = row.tries + 1
        log.info("file not fetched", tries=tries, final=final)
        if final or tries >= _TRIES:
            await self._database.write(lambda tx: media.gave_up(tx, row.id, "failed"))
        else:
            ms = int(pause(tries, random.random(), retry_after) * 1000)  # noqa: S311  # jitter, no secret
            await self._database.write(lambda tx: media.later(tx, row.id, ms))
