"""Events that could not be read when they came: which they are, and what becomes of them.

A customer's message among them is in its thread already, as a placeholder with the event's id. What it
says by now takes the same place; what has none comes to the end of its thread, late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from bridge.ids import now_ms
from bridge.models import Aside, Edit, Event, Inbound, Standing
from bridge.store import activity, retention
from bridge.store.changes_log import note_changes
from bridge.store.engine import Batch, Lock, Statement, Tx, to_json
from bridge.store.inbound import Intake, Item, Taken, add_files, add_quotes, receive
from bridge.text import clean
from bridge.views import ParkedView, Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An event that waits, as it came at `since` (Unix ms)."""

    id: str
    channel_id: int
    key: str
    raw: str
    since: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of the list ended: after the event with this key, which came then."""

    since: int
    key: str


BEGIN = Place(0, "")

# Those of one webhook came in the same moment: of a vendor's numbers the lesser was first.
_PAGE = Statement(
    """SELECT e.id, e.channel_id, e.key, ch.type, e.received_at, e.error, m.conversation_id, m.seq,
        CASE WHEN CAST(:raw AS integer) = 1 THEN e.body END AS raw
    FROM events e JOIN channels ch ON ch.id = e.channel_id LEFT JOIN messages m ON m.id = e.id
    WHERE e.state = 'parked' AND e.received_at >= CAST(:since AS bigint)
        AND (e.received_at > CAST(:since AS bigint) OR length(e.key) > length(CAST(:key AS text))
            OR length(e.key) = length(CAST(:key AS text)) AND e.key > CAST(:key AS text))
        AND (CAST(:channel AS text) = '' OR ch.type = CAST(:channel AS text))
    ORDER BY e.received_at, length(e.key), e.key LIMIT CAST(:most AS bigint)"""
)
_COUNT = Statement(
    """SELECT count(*) AS number FROM (SELECT received_at FROM events WHERE state = 'parked'
        ORDER BY received_at LIMIT CAST(:most AS bigint)) AS waiting"""
)
_ONE = Statement(
    "SELECT id, channel_id, key, body, received_at FROM events WHERE id = :id AND state = 'parked'"
)
_CLAIM = Statement("SELECT 1 FROM events WHERE id = :id AND state = 'parked' {alone}")
_STILL = Statement("UPDATE events SET error = :why WHERE id = :id AND state = 'parked'")
_REMOVE = Statement("DELETE FROM events WHERE id = :id")

# Messages and replies hold their threads first: so does this, or they would wait in a circle.
_THREADS = Lock("conversations")
_THREADS_OF = Statement(
    """SELECT m.conversation_id AS id FROM messages m WHERE m.id = :id
    UNION SELECT c.id FROM addresses a JOIN conversations c ON c.contact_id = a.contact_id
        AND c.ended_at IS NULL WHERE a.channel_id = :channel_id AND a.urn = :urn"""
)
_SPOT = Statement(
    """SELECT m.conversation_id, m.seq, m.text, m.data, m.edited_at, a.id AS address_id, a.contact_id,
        c.id, c.status, c.last_seq, c.ended_at
    FROM messages m JOIN conversations c ON c.id = m.conversation_id JOIN addresses a ON a.id = m.address_id
    WHERE m.id = :id AND a.urn = :urn"""
)
_FILL = Batch(
    """UPDATE messages SET kind = r.kind, text = r.text, data = r.data,
        external_id = coalesce(r.external_id, messages.external_id),
        provider_at = coalesce(r.provider_at, messages.provider_at) FROM {rows} WHERE messages.id = r.id""",
    id="uuid", kind="text", text="text", data="text", external_id="text", provider_at="bigint",
)  # fmt: skip
_NAME = Statement("UPDATE contacts SET name = :name WHERE id = :id AND name = '' RETURNING id")
# As if it had come now: nobody has read what could not be read. A thread that is over stays as it is.
_UNREAD = Statement(
    """UPDATE conversations SET read_seq = {least}(read_seq, CAST(:seq AS integer) - 1),
        unread = (SELECT count(*) FROM messages m WHERE m.conversation_id = conversations.id
            AND m.direction = 'inbound'
            AND m.seq > {least}(conversations.read_seq, CAST(:seq AS integer) - 1)),
        status = 'open', resolved_at = NULL
    WHERE id = :id AND ended_at IS NULL"""
)

_EDITED_SINCE = Statement(
    """SELECT 1 FROM addresses a JOIN conversations c ON c.contact_id = a.contact_id
    JOIN messages m ON m.conversation_id = c.id AND m.seq > c.last_seq - 1000
        AND m.channel_id = a.channel_id AND m.external_id = :external_id
    WHERE a.channel_id = :channel_id AND a.urn = :urn AND m.edited_at > CAST(:since AS bigint)"""
)


async def page(
    tx: Tx, *, channel: str = "", after: Place = BEGIN, limit: int, raw: bool = False
) -> tuple[list[ParkedView], Place | None]:
    """The events that have waited longest, and where the next page begins, if there is one.

    `channel` is a type; the raw form comes only where it is asked for.
    """
    asked = {"channel": channel, "since": after.since, "key": after.key, "raw": int(raw)}
    rows = await _PAGE.run(tx, **asked, most=limit + 1)
    views = [
        ParkedView(
            id=row.id, channel=row.type, channel_id=row.channel_id, since=row.received_at, why=row.error,
            raw=row.raw, message=_spot_of(row),
        )
        for row in rows[:limit]
    ]  # fmt: skip
    last = rows[limit - 1] if len(rows) > limit else None
    return views, Place(last.received_at, last.key) if last else None


async def count(tx: Tx, most: int) -> int:
    """How many wait, counted up to `most`."""
    (row,) = await _COUNT.run(tx, most=most)
    number: int = row.number
    return number


async def find(tx: Tx, event_id: str) -> Parked | None:
    """The event, if it waits."""
    rows = await _ONE.run(tx, id=event_id)
    return Parked(
        id=rows[0].id, channel_id=rows[0].channel_id, key=rows[0].key, raw=rows[0].body,
        since=rows[0].received_at,
    ) if rows else None  # fmt: skip


async def put_right(tx: Tx, parked: Parked, events: Sequence[Event]) -> Taken | None:
    """Have what an event says by now where it belongs; nothing if it does not wait any more.

    `BadData`: the database still refuses it.
    """
    urns = {getattr(event, "urn", "") for event in events}
    held = [await _THREADS_OF.run(tx, id=parked.id, channel_id=parked.channel_id, urn=urn) for urn in urns]
    await _THREADS.take(tx, {row.id for rows in held for row in rows})
    if not await _CLAIM.run(tx, id=parked.id):
        return None
    taken, rest = Taken(), []
    for event in events:
        spot = await _SPOT.run(tx, id=parked.id, urn=event.urn) if isinstance(event, Inbound) else ()
        if spot:
            await _fill(tx, Item(parked.channel_id, event, taken, id=parked.id), spot[0])
        elif not await _is_overtaken(tx, parked, event):
            rest.append(_late(event, parked.since))
    if any(getattr(event, "key", "") == parked.key for event in rest):
        await _REMOVE.run(tx, id=parked.id)  # the key is needed for what comes in its stead
    else:
        await retention.settle(tx, parked.id)
    (received,) = await receive(tx, [Intake(parked.channel_id, tuple(rest))])
    taken.media |= received.media
    return taken


async def stays(tx: Tx, event_id: str, why: str) -> None:
    """It waits on, and this is why."""
    await _STILL.run(tx, id=event_id, why=clean(why))


async def give_up(tx: Tx, event_id: str) -> bool:
    """Wait no longer for it; whether it did. Its placeholder stays."""
    waits = bool(await _CLAIM.run(tx, id=event_id))
    if waits:
        await retention.settle(tx, event_id)
    return waits


async def _fill(tx: Tx, item: Item, spot: Any) -> None:
    """Give a placeholder what its event says. What the customer wrote over it since is newer."""
    now, event = now_ms(), item.event
    if spot.edited_at is not None:
        data = {name: value for name, value in orjson.loads(spot.data).items() if name != "quote"}
        event = item.event = replace(event, text=spot.text, data=data)
    item.message_id, item.conversation_id = item.id, spot.conversation_id
    item.address_id, item.contact_id = spot.address_id, spot.contact_id
    filled = {
        "id": item.id, "kind": event.kind, "text": event.text, "data": to_json(dict(event.data)),
        "external_id": event.external_id or None, "provider_at": event.provider_at,
    }  # fmt: skip
    await _FILL.run_all(tx, [filled])
    await add_files(tx, [item], {}, now)
    if event.reply_to or event.quote:
        await add_quotes(tx, [item])
    named = await _NAME.run(tx, id=spot.contact_id, name=event.name)
    await _UNREAD.run(tx, id=spot.conversation_id, seq=spot.seq)
    if spot.status != "open" and spot.ended_at is None:
        await activity.add(tx, spot, "reopened", now=now)
    await note_changes(tx, [("contact", None, row.id) for row in named], now)
    await note_changes(tx, [("message", spot.conversation_id, item.id)], now)


async def _is_overtaken(tx: Tx, parked: Parked, event: Event) -> bool:
    """Whether it says how things were then, and there are later words on it, or will be.

    That an address is closed, its vendor says at the next send; that it is open, its owner's next message.
    A word of consent is not overtaken here: it has its time.
    """
    if isinstance(event, Edit):
        since = {"urn": event.urn, "external_id": event.external_id, "since": parked.since}
        return bool(await _EDITED_SINCE.run(tx, channel_id=parked.channel_id, **since))
    return isinstance(event, Aside) or (isinstance(event, Standing) and not event.is_word)


def _late(event: Event, since: int) -> Event:
    """A message at the end of its thread shows when it came, and a word of consent counts from then."""
    if isinstance(event, Standing) and event.at is None:
        return replace(event, at=since)
    if isinstance(event, Inbound) and event.provider_at is None:
        return replace(event, provider_at=since)
    return event


def _spot_of(row: Any) -> Spot | None:
    return None if row.seq is None else Spot(conversation_id=row.conversation_id, seq=row.seq)
