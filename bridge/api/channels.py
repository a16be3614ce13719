"""The channels that are on, and the times in which one was down."""

from __future__ import annotations

from bridge.api.endpoint import Call
from bridge.api.shapes import Channels, Incidents


async def listed(call: Call) -> Channels:
    """Each channel with its limits and how it is now."""
    items = [live.view() for live in call.context.channels.values()]
    return Channels(items=items, business=call.context.settings.business)


async def incidents(_: Call) -> Incidents:
    """Times in which a channel was down; none are kept yet."""
    return Incidents(items=[])
