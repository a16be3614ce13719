"""Fetching events from vendors that are asked for them, one node per account."""

from __future__ import annotations

import asyncio
import random

import structlog

from bridge.channels.base import Polls, SetUpError
from bridge.channels.live import LiveChannel
from bridge.duty import Duty
from bridge.errors import SendError, Unavailable
from bridge.inbox import Inbox
from bridge.retry import pause

log = structlog.get_logger()


class Poller:
    """Polls one channel while this node holds the duty; a page is confirmed only after its commit."""

    def __init__(self, live: LiveChannel, inbox: Inbox, duty: Duty) -> None:
        assert isinstance(live.channel, Polls)
        self._live = live
        self._channel: Polls = live.channel
        self._inbox = inbox
        self._duty = duty

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
                    events, after = await self._channel.poll(after)
                    await self._inbox.receive(self._live.id, events)
                    failures = 0
                except (SendError, SetUpError, Unavailable) as error:
                    # The cursor is not confirmed: what was not stored comes again.
                    failures, after = failures + 1, ""
                    retry_after = getattr(error, "retry_after", None)
                    log.warning("polling failed", channel=self._live.channel.type, reason=str(error))
                    await asyncio.sleep(pause(failures, random.random(), retry_after))  # noqa: S311
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
