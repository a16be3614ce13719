"""Fetching events from vendors that are asked for them, one node per account."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from bridge.channels.base import Polls, SetUpError
from bridge.channels.live import UNREACHED, LiveChannel, State
from bridge.duty import Duty, steady_clock
from bridge.errors import SendError, Unavailable
from bridge.inbox import Inbox
from bridge.retry import pause

log = structlog.get_logger()

# A vendor that does not wait for news is asked once a second: more would be a storm.
REST = 1.0
_AT_ONCE = 1.0

Say = Callable[[State, str], Awaitable[None]]


class Poller:
    """Polls one channel while this node holds the duty; a page is confirmed only after its commit.

    `say` is told how the channel is, whenever that was learned.
    """

    def __init__(self, live: LiveChannel, inbox: Inbox, duty: Duty, say: Say) -> None:
        assert isinstance(live.channel, Polls)
        self._live = live
        self._channel: Polls = live.channel
        self._inbox = inbox
        self._duty = duty
        self._say = say

    async def run(self) -> None:
        """Poll for ever."""
        try:
            while True:
                try:
                    if await self._duty.take():
                        await self._serve()
                except Unavailable:
                    pass
                await asyncio.sleep(1)
        finally:
            await self._duty.give_back()

    async def _serve(self) -> None:
        keeper = asyncio.create_task(self._duty.keep())
        after, failures = "", 0
        try:
            while self._duty.held:
                try:
                    after = await self._fetch(after)
                    failures = 0
                except (SendError, SetUpError, Unavailable) as error:
                    # The cursor is not confirmed: what was not stored comes again.
                    failures, after = failures + 1, ""
                    await self._failed(error, failures)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _fetch(self, after: str) -> str:
        """Wait for news and store them; the new cursor."""
        asked = steady_clock()
        events, reached = await self._channel.poll(after)
        await self._inbox.receive(self._live.id, events)
        await self._say("up", "")
        if reached == after and steady_clock() - asked < _AT_ONCE:
            await asyncio.sleep(REST)
        return reached

    async def _failed(self, error: Exception, failures: int) -> None:
        """Rest after a failure. The first one says nothing of the channel yet: it often ends by itself."""
        log.warning("polling failed", channel=self._live.channel.type, reason=str(error))
        if failures > 1 and isinstance(error, SetUpError):
            await self._say("setup", str(error))
        elif failures > 1 and isinstance(error, SendError):
            await self._say("degraded", UNREACHED)
        await asyncio.sleep(pause(failures, random.random(), getattr(error, "retry_after", None)))  # noqa: S311  # jitter
