"""What vendors sent and nobody could read: for administrators, since it may be any customer's words."""

from __future__ import annotations

from bridge.api.cursors import MS, cursor_of, parts_of
from bridge.api.endpoint import Call
from bridge.api.shapes import Forgotten, ParkedFilter, ParkedPage, Replay, ReplayedView, Replays, Unwanted
from bridge.replay import Replayer
from bridge.store import parked
from bridge.store.engine import Tx
from bridge.store.parked import BEGIN, Place

# Of one request, which an impatient client would not wait for.
_AT_ONCE = 100


async def listed(call: Call, query: ParkedFilter) -> ParkedPage:
    """The events that could not be read, those first that have waited longest."""
    items, following = await call.context.database.read(
        lambda tx: parked.page(
            tx, channel=query.channel, after=_place(query.cursor), limit=query.limit, raw=query.raw
        )
    )
    return ParkedPage(items=items, next_cursor=_cursor(following))


async def replay(call: Call, body: Replay) -> Replays:
    """Read events again with what the channels know by now, and say what became of each.

    `done`: it is in its thread, or says nothing that is shown there. `parked`: it still cannot be read,
    and `why`. `gone`: it waits no more. Without `ids` it is a page of all that wait, or of a channel's.
    """
    context, following = call.context, None
    event_ids: list[str] = body.ids or []
    if body.ids is None:
        found, following = await context.database.read(
            lambda tx: parked.page(tx, channel=body.channel, after=_place(body.cursor), limit=_AT_ONCE)
        )
        event_ids = [event.id for event in found]
    channels = {live.id: live.channel for live in context.channels.values()}
    replayer = Replayer(context.database, channels)
    ended = [await replayer.replay(event_id) for event_id in event_ids]
    context.bus.ring("changes", *(["media"] if any(one.media for one in ended) else []))
    items = [ReplayedView(id=one.id, outcome=one.outcome, why=one.why) for one in ended]
    return Replays(items=items, next_cursor=_cursor(following))


async def give_up(call: Call, body: Unwanted) -> Forgotten:
    """Wait no longer for events; what is shown of them stays. Says which of them waited."""

    async def forget(tx: Tx) -> list[str]:
        return [event_id for event_id in sorted(set(body.ids)) if await parked.give_up(tx, event_id)]

    return Forgotten(ids=await call.context.database.write(forget))


def _cursor(place: Place | None) -> str | None:
    return cursor_of(place.since, place.key) if place else None


def _place(cursor: str) -> Place:
    if not cursor:
        return BEGIN
    since, key = parts_of(cursor, rf"({MS}) ([^\0]*)")
    return Place(int(since), key)
