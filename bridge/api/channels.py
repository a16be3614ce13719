"""The channels that are on, the times in which one was down, and the switch above what is found."""

from __future__ import annotations

from bridge.api.cursors import ID, cursor_of, parts_of
from bridge.api.endpoint import Call
from bridge.api.frames import channel_views
from bridge.api.shapes import Channels, IncidentFilter, IncidentPage, Switch
from bridge.errors import NotFound
from bridge.store import health
from bridge.views import ChannelView, IncidentView


async def listed(call: Call) -> Channels:
    """Each channel with its limits and how it is now."""
    context = call.context
    items = await context.database.read(lambda tx: channel_views(tx, context.channels))
    return Channels(items=items, business=context.settings.business)


async def switch(call: Call, channel_id: int, body: Switch) -> ChannelView:
    """Have a channel treated as down or as up for what we send, or as it is found."""
    context = call.context
    live = context.channels.get(channel_id)
    if live is None:
        raise NotFound("There is no such channel")
    to: health.Switch = "" if body.treat_as == "automatic" else body.treat_as
    await context.database.write(lambda tx: health.switch(tx, live.id, "out", to, call.agent.id))
    context.bus.ring("changes", f"lanes:{live.id}")
    views = await context.database.read(lambda tx: channel_views(tx, context.channels))
    return next(view for view in views if view.id == live.id)


async def incidents(call: Call, query: IncidentFilter) -> IncidentPage:
    """Times in which a channel was down, the newest first, each with what happened."""
    before = parts_of(query.cursor, f"({ID})")[0] if query.cursor else ""
    found = await call.context.database.read(
        lambda tx: health.newest(tx, before=before, limit=query.limit + 1)
    )
    more = len(found) > query.limit
    items = found[: query.limit]
    return IncidentPage(items=items, next_cursor=cursor_of(items[-1].id) if more else None)


async def incident(call: Call, incident_id: str) -> IncidentView:
    """One of them."""
    return await call.context.database.read(lambda tx: health.incident(tx, incident_id))
