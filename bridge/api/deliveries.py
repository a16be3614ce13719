"""Replies that wait or that need a person, over all conversations."""

from __future__ import annotations

from bridge.api.cursors import ID, MS, cursor_of, parts_of
from bridge.api.endpoint import Call
from bridge.api.shapes import DeliveryFilter, DeliveryPage
from bridge.errors import BadRequest
from bridge.store import deliveries
from bridge.store.deliveries import Failed, Place, Unknown, Waiting
from bridge.store.engine import Tx


async def listed(call: Call, query: DeliveryFilter) -> DeliveryPage:
    """What waits, why and since when; without a state, what may have arrived and what waits.

    Those on their way or `waiting` come in the order in which they are due, the `failed` ones of the last
    `hours` the newest first. What can be done about one is done to its message: retry, settle, cancel,
    give up.
    """
    after = _place(query.cursor, query.state) if query.cursor else None

    async def look(tx: Tx) -> DeliveryPage:
        items, following = await deliveries.page(
            tx, state=query.state, channel=query.channel, hours=query.hours, after=after, limit=query.limit
        )
        return DeliveryPage(
            items=items, next_cursor=cursor_of(*following) if following else None,
            channels=await deliveries.queues(tx),
        )  # fmt: skip

    return await call.context.database.read(look)


def _place(cursor: str, state: str) -> Place:
    due_at, lane, seq, failed = parts_of(cursor, rf"(?:(?:({MS}) )?({ID}) (\d{{1,9}}))|({ID})")
    if failed and state == "failed":
        return Failed(failed)
    if due_at and state in ("", "waiting"):
        return Waiting(int(due_at), lane, int(seq))
    if lane and not due_at and state in ("", "unknown"):
        return Unknown(lane, int(seq))
    raise BadRequest("This cursor is not from a page of this list")
