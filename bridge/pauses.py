"""The pause that a vendor asks for: the whole channel rests, on every node."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from bridge.channels.live import LiveChannel
from bridge.duty import steady_clock
from bridge.errors import Throttled, Unavailable
from bridge.store import channels
from bridge.store.engine import Database

log = structlog.get_logger()

# A pause may become longer.
_LOOK_AGAIN = 1.0


def rest(live: LiveChannel, throttled: Throttled) -> float:
    """Rest here from now on; returns the pause in seconds."""
    seconds = throttled.retry_after or 1.0
    live.paused_until = max(live.paused_until, steady_clock() + seconds)
    log.warning("channel paused", channel=live.channel.type, seconds=seconds)
    return seconds


async def note(database: Database, live: LiveChannel, throttled: Throttled) -> None:
    """Rest from now on: here at once, and everywhere as soon as it is written."""
    seconds = rest(live, throttled)
    with contextlib.suppress(Unavailable):  # the others will be told by the vendor
        await database.write(lambda tx: channels.pause(tx, live.id, int(seconds * 1000)))


async def until_over(database: Database, live: LiveChannel) -> None:
    """Wait as long as the vendor wants no call, whichever node it told."""
    while True:
        noted = await database.read(lambda tx: channels.paused_for(tx, live.id))
        left = max(live.paused_until - steady_clock(), noted)
        if left <= 0:
            return
        await asyncio.sleep(min(left, _LOOK_AGAIN))
