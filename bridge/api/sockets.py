"""A page's WebSocket with a queue of its own, so that a page that does not read slows nobody down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import WSMsgType, web

# Close codes. The 4000s are ours: the page knows them.
GOING_AWAY = 1001
TRY_LATER = 1013
SIGN_IN_AGAIN = 4401
TOO_SLOW = 4408

_CLOSE_WITHIN = 3.0


class QueuedSocket:
    """One open page, and the frames that wait for it."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, most: int) -> None:
        self._ws = ws
        self._request = request
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(most)
        self._closing: asyncio.Task[None] | None = None

    def push(self, frame: bytes) -> None:
        """Hand over a frame. A page that lets too many wait is closed: it comes back and catches up."""
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self.close(TOO_SLOW)

    async def pump(self, first: Sequence[bytes] = ()) -> None:
        """Send the first frames, then whatever is pushed, as fast as the page takes it."""
        with suppress(ConnectionError):
            for frame in first:
                await self._ws.send_frame(frame, WSMsgType.TEXT)
            while True:
                await self._ws.send_frame(await self._waiting.get(), WSMsgType.TEXT)

    def close(self, code: int) -> None:
        """End the connection, by force if the page does not take part."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(code))

    async def closed(self) -> None:
        """Wait for a close that has begun."""
        if self._closing:
            await self._closing

    async def _close(self, code: int) -> None:
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._ws.close(code=code)
                return
        if self._request.transport:
            self._request.transport.abort()
