"""Fetching events from a vendor that is asked for them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from bridge.channels.base import InUse, Polls, SetUpError
from bridge.channels.live import LiveChannel, State
from bridge.duty import steady_clock
from bridge.errors import SendError, Unavailable
from bridge.inbox import Inbox
from bridge.retry import pause

log = structlog.get_logger()

# A vendor that does not wait for news is asked once a second: more would be a storm.
REST = 1.0
_AT_ONCE = 1.0
# Two who fetch from one account disturb each other at least so often, and each works in between.
_RIVALRY = 180.0

Say = Callable[[State, str], Awaitable[None]]


class Poller:
    """Polls one channel; a page is confirmed only after its commit.

    `say` is told how the channel is, whenever that was learned.
    """

    def __init__(self, live: LiveChannel, inbox: Inbox, say: Say) -> None:
        assert isinstance(live.channel, Polls)
        self._live = live
        self._channel: Polls = live.channel
        self._inbox = inbox
        self._say = say
        self._disturbed_at: float | None = None

    async def run(self) -> None:
        """Poll for ever."""
        after, failures = "", 0
        while True:
            try:
                after = await self._fetch(after)
                failures = 0
            except (SendError, SetUpError, Unavailable) as error:
                # The cursor is not confirmed: what was not stored comes again.
                failures, after = failures + 1, ""
                await self._failed(error, failures)

    async def _fetch(self, after: str) -> str:
        """Wait for news and store them; the new cursor."""
        asked = steady_clock()
        events, reached = await self._channel.poll(after)
        await self._inbox.receive(self._live.id, events)
        if not self._is_rivalled():
            await self._say("up", "")
        if reached == after and steady_clock() - asked < _AT_ONCE:
            await asyncio.sleep(REST)
        return reached

    async def _failed(self, error: Exception, failures: int) -> None:
        """Rest after a failure. The first one says nothing of the channel yet: it often ends by itself."""
        log.warning("polling failed", channel=self._live.channel.type, reason=str(error))
        if isinstance(error, InUse):
            await self._disturbed(error)
        elif failures > 1 and isinstance(error, SetUpError):
            await self._say("setup", str(error))
        elif failures > 1 and isinstance(error, SendError):
            await self._say("degraded", self._live.unreached)
        await asyncio.sleep(pause(failures, random.random(), getattr(error, "retry_after", None)))  # noqa: S311  # jitter

    async def _disturbed(self, error: InUse) -> None:
        """Somebody else fetches too. Once is what a change of nodes looks like, twice is a rival."""
        if self._is_rivalled():
            await self._say("setup", str(error))
        self._disturbed_at = steady_clock()

    def _is_rivalled(self) -> bool:
        return self._disturbed_at is not None and steady_clock() - self._disturbed_at < _RIVALRY
