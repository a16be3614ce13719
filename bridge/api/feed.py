"""The one reader of the changes in this process, for all its pages.

It looks when the bell rings and once a second besides, since a bell can get lost. Each change is
read once and each frame made once, however many pages listen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from bridge.api.frames import Frame, frames, greeting
from bridge.bus import Bus
from bridge.bus.base import wait
from bridge.channels.live import LiveChannel
from bridge.errors import Unavailable
from bridge.store import changes
from bridge.store.changes import Change, Cursor, Position
from bridge.store.engine import Database, Tx
from bridge.store.failures import Contended

log = structlog.get_logger()

# Called with (kind, conversation id, subject id) of each change.
Listener = Callable[[str, str | None, str | None], None]
FrameListener = Callable[[Sequence[Frame]], None]

_SWEEP = 1.0
# The least seconds from one look to the next: nobody sees the difference, and every write rings.
_BREATH = 0.004
# A look may be one turn of the loop, so it is short.
_BATCH = 100
# A page that was away for longer than this loads faster anew than by what it missed.
_MOST_MISSED = 2_000


class Feed:
    """Tells this process what has changed, in the order of the feed and without a gap."""

    def __init__(self, database: Database, bus: Bus, channels: Mapping[int, LiveChannel]) -> None:
        self._database = database
        self._channels = channels
        self._bell = bus.bell("changes")
        self._wanted = asyncio.Event()
        self._listeners: list[Listener] = []
        self._frame_listeners: list[FrameListener] = []
        self._cursor = Cursor("", Position(0, 0))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read, from now on; waits for the database."""
        while not self._cursor.feed:
            try:
                self._cursor = await self._database.read(_now)
            except (Unavailable, Contended):
                await asyncio.sleep(0.5)
        self._task = asyncio.create_task(self._run(), name="feed")

    async def close(self) -> None:
        """Stop reading."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def cursor(self) -> Cursor:
        """The place up to which everything has been told."""
        return self._cursor

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear of every change that commits from now on, some of them twice; returns how to stop."""
        self._listeners.append(listener)
        self._wanted.set()
        return lambda: self._listeners.remove(listener)

    def subscribe_frames(self, listener: FrameListener) -> Callable[[], None]:
        """Get the frame of every change after `cursor`; returns how to stop."""
        self._frame_listeners.append(listener)
        self._wanted.set()
        return lambda: self._frame_listeners.remove(listener)

    async def missed(self, since: Cursor, until: Cursor) -> list[Frame] | None:
        """The frames between two places; `None` if `since` is unknown or too long ago."""

        async def look(tx: Tx) -> list[Frame] | None:
            if not await changes.is_known(tx, since):
                return None
            found = await changes.after(tx, since.position, until=until.position, limit=_MOST_MISSED + 1)
            if len(found) > _MOST_MISSED:
                return None
            return await frames(tx, until.feed, found, self._channels)

        return await self._database.read(look)

    async def _run(self) -> None:
        away = False
        while True:
            try:
                await (self._catch_up() if self._is_heard else self._skip())
                away = False
            except (Unavailable, Contended):
                if not away:
                    log.warning("the live feed waits for the database")
                away = True
            except Exception:
                log.exception("the live feed could not be read")
                await self._start_over()
            await asyncio.sleep(_BREATH)
            # While nobody listens, nobody is in a hurry: the bell would ring at every webhook.
            await wait(self._bell if self._is_heard else self._wanted, _SWEEP)

    @property
    def _is_heard(self) -> bool:
        return bool(self._listeners or self._frame_listeners)

    async def _skip(self) -> None:
        """Move on unread. Whoever came meanwhile gets what was changed since: a repeat, no gap."""
        now = await self._database.read(_now)
        if not self._is_heard:
            self._cursor = now

    async def _catch_up(self) -> None:
        while True:
            found, made, more = await self._database.peek(self._next)
            if made is None and self._frame_listeners:
                continue  # the first page came while we read: read again, for it too
            self._tell(found, made or [])
            if len(found) < _BATCH:
                if not more:
                    return
                await asyncio.sleep(_BREATH)
            else:
                await asyncio.sleep(0)  # a look may wait for nothing, and others have had no turn

    async def _next(self, tx: Tx) -> tuple[list[Change], list[Frame] | None, bool]:
        """The next changes, their frames if a page listens, and whether there may be more that is held up."""
        wants_frames = bool(self._frame_listeners)
        found = await changes.after(tx, self._cursor.position, limit=_BATCH)
        made = await frames(tx, self._cursor.feed, found, self._channels) if wants_frames else None
        return found, made, await changes.may_have_more(tx, found)

    def _tell(self, found: Sequence[Change], made: Sequence[Frame]) -> None:
        if not found:
            return
        self._cursor = Cursor(self._cursor.feed, found[-1].at)
        for frame_listener in tuple(self._frame_listeners):
            frame_listener(made)
        for change in found:
            for listener in tuple(self._listeners):
                listener(change.kind, change.conversation_id, change.subject_id)

    async def _start_over(self) -> None:
        """Something cannot be shown: rather than stop for ever, let the pages load their state anew."""
        try:
            self._cursor = await self._database.read(_now)
        except (Unavailable, Contended):
            return
        reset = Frame(self._cursor.position, greeting("reset", self._cursor))
        for frame_listener in tuple(self._frame_listeners):
            frame_listener([reset])


async def _now(tx: Tx) -> Cursor:
    return Cursor(await changes.feed_id(tx), await changes.now(tx))
