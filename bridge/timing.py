"""A limit of time that is fair to who slept through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Who was frozen finds what arrived meanwhile still unread, and has so many seconds to read it.
_GRACE = 1.0


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """`TimeoutError` after so many seconds, like `asyncio.timeout`.

    A process that was stopped for longer than that finds the limit over and the answer there, both at
    once: then the answer is heard first.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds
    async with asyncio.timeout(None) as limit:

        def end() -> None:
            now = loop.time()
            limit.reschedule(now + _GRACE if now - due > _GRACE else now)

        timer = loop.call_at(due, end)
        try:
            yield
        finally:
            timer.cancel()
