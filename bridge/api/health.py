"""For operators and balancers: is it alive, is it ready, what are the figures."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from bridge.api.context import CONTEXT, Context
from bridge.errors import NotFound, Unavailable
from bridge.store import changes
from bridge.store.failures import Contended

# The database gets so long to answer, and its answer is good for so long.
_PATIENCE = 3.0
_GOOD_FOR = 1.0


class Readiness:
    """Whether this process can work now; the database is asked at most once a second."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked_at = 0.0
        self._why_not = ""
        self._asking = asyncio.Lock()

    async def why_not(self) -> str:
        """Empty when it is ready."""
        if self._context.stopping.is_set():
            return "stopping"
        async with self._asking:
            if time.monotonic() - self._asked_at > _GOOD_FOR:
                self._why_not = await self._ask()
                self._asked_at = time.monotonic()
        return self._why_not

    async def _ask(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._context.database.read(changes.feed_id)
        except (Unavailable, Contended, TimeoutError):
            return "the database does not answer"
        return ""


READINESS = web.AppKey("readiness", Readiness)


async def alive(_: web.Request) -> web.Response:
    """The process runs and answers."""
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """200 once it works, 503 while it does not: the database is away, or the process is ending."""
    why_not = await request.app[READINESS].why_not()
    if why_not:
        raise Unavailable(f"Not ready: {why_not}")
    return web.json_response({"status": "ready"})


async def metrics(request: web.Request) -> web.Response:
    """Figures for Prometheus, unless the setting closes them."""
    context = request.app[CONTEXT]
    if not context.settings.metrics:
        raise NotFound
    return context.metrics.response()
