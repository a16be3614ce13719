"""Whether this machine reaches anybody: when it does not, it knows nothing of how a vendor is."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from yarl import URL

from bridge.channels.base import HasServer
from bridge.channels.live import LiveChannel

# Seconds in which a connection is made, or is not.
_PATIENCE = 3.0


async def is_cut_off(channels: Collection[LiveChannel], but: LiveChannel) -> bool:
    """Whether no other vendor's server can be reached either; never where there is no other to ask.

    A connection is made and closed: no call, so that nobody's limits or credentials matter.
    """
    own = _server(but)
    others = {_server(live) for live in channels} - {own, None}
    if not others:
        return False
    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(_connects(*server)) for server in others if server]
    return not any(each.result() for each in tries)


def _server(live: LiveChannel) -> tuple[str, int] | None:
    if not isinstance(live.channel, HasServer):
        return None
    url = URL(live.channel.api)
    return (url.host or "", url.port or 443)


async def _connects(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
