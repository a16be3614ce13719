"""The way in: what customers wrote, a batch at a time, one statement per table.

Every node touches the tables in this order, with rows sorted by key, so that nodes wait for each
other and never in a circle: events → addresses → contacts → conversations → messages → changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.ids import new_id, now_ms
from bridge.models import Aside, Edit, Event, Ignored, Inbound, Receipt, Standing
from bridge.store import albums, edits, receipts, standings
from bridge.store.changes_log import note_changes
from bridge.store.engine import Batch, Tx, Upsert, to_json
from bridge.store.quotes import quoted
from bridge.store.standings import Verdict
from bridge.store.writer import ranked


@dataclass(frozen=True, slots=True)
class Intake:
    """The events of one webhook or poll, in the vendor's order."""

    channel_id: int
    events: tuple[Event, ...]


@dataclass(slots=True)
class Taken:
    """What became of an intake: how many were new, whether files wait, what to say aside."""

    new: int = 0
    media: bool = False
    asides: list[Aside] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Item:
    """One event on its way through the tables; its own message, if it makes one, has its id."""

    channel_id: int
    event: Any
    taken: Taken
    id: str = field(default_factory=new_id)
    message_id: str = ""
    address: _Address | None = None


@dataclass(frozen=True, slots=True)
class _Address:
    id: str
    contact_id: str


_EVENTS = Upsert(
    """INSERT INTO events (id, channel_id, key, body, state, error, received_at)
    SELECT id, channel_id, key, body, state, error, CAST(:now AS bigint) FROM {rows} WHERE true
    ON CONFLICT (channel_id, key) DO NOTHING""",
    "id", "SELECT e.id FROM {rows} JOIN events e ON e.id = r.id",
    id="uuid", channel_id="int", key="text", body="text", state="text", error="text",
)  # fmt: skip

# `heard_at` is empty where the customer said nothing (a block, a receipt of STOP alone). When the
# customer last wrote is what the messages say: an address that stays as it is costs no write.
_ADDRESSES = Upsert(
    """INSERT INTO addresses (id, channel_id, urn, contact_id, handle, consent_source, consent_at, created_at)
    SELECT id, channel_id, urn, contact_id, handle, CASE WHEN heard_at IS NULL THEN '' ELSE 'wrote' END,
        heard_at, CAST(:now AS bigint) FROM {rows} WHERE true
    ON CONFLICT (channel_id, urn) DO UPDATE SET
        handle = CASE WHEN excluded.handle = '' THEN addresses.handle ELSE excluded.handle END,
        state = CASE WHEN excluded.consent_at IS NOT NULL AND addresses.state IN ('blocked', 'invalid')
            THEN 'open' ELSE addresses.state END,
        consent_source = CASE WHEN addresses.consent_at IS NULL THEN excluded.consent_source
            ELSE addresses.consent_source END,
        consent_at = coalesce(addresses.consent_at, excluded.consent_at)""",
    "channel_id, urn, id, contact_id, consent_at",
    """SELECT a.channel_id, a.urn, a.id, a.contact_id, a.consent_at FROM {rows}
    JOIN addresses a ON a.channel_id = r.channel_id AND a.urn = r.urn""",
    changes="""excluded.handle NOT IN ('', addresses.handle) OR excluded.consent_at IS NOT NULL
        AND (addresses.consent_at IS NULL OR addresses.state IN ('blocked', 'invalid'))""",
    id="uuid", channel_id="int", urn="text", contact_id="uuid", handle="text", heard_at="bigint",
)  # fmt: skip

_CONTACTS = Batch(
    "INSERT INTO contacts (id, name, created_at) SELECT id, name, CAST(:now AS bigint) FROM {rows}",
    id="uuid", name="text",
)  # fmt: skip

# Who was an address before they wrote (unblocked, edited) is told by name now.
_NAMES = Batch(
    "UPDATE contacts SET name = r.name FROM {rows} WHERE contacts.id = r.id AND contacts.name = ''",
    id="uuid", name="text",
)  # fmt: skip

# A customer's message opens the thread again, whoever had closed it.
_CONVERSATIONS = Upsert(
    """INSERT INTO conversations (id, contact_id, status, address_id, last_seq, unread, last_message_at,
        waiting_since, created_at)
    SELECT id, contact_id, 'open', address_id, n, n, CAST(:now AS bigint), CAST(:now AS bigint),
        CAST(:now AS bigint) FROM {rows} WHERE true
    ON CONFLICT (contact_id) WHERE ended_at IS NULL DO UPDATE SET
        last_seq = conversations.last_seq + excluded.last_seq,
        unread = conversations.unread + excluded.unread,
        reopened_at = CASE WHEN conversations.status = 'open' THEN conversations.reopened_at
            ELSE excluded.last_message_at END,
        status = 'open', resolved_at = NULL, address_id = excluded.address_id,
        last_message_at = excluded.last_message_at,
        waiting_since = coalesce(conversations.waiting_since, excluded.waiting_since)""",
    "contact_id, id, last_seq, reopened_at",
    """SELECT c.contact_id, c.id, c.last_seq, c.reopened_at FROM {rows}
    JOIN conversations c ON c.contact_id = r.contact_id AND c.ended_at IS NULL""",
    id="uuid", contact_id="uuid", address_id="uuid", n="int",
)  # fmt: skip

_MESSAGES = Batch(
    """INSERT INTO messages (id, conversation_id, seq, direction, kind, channel_id, address_id, text, data,
        status, external_id, album, provider_at, created_at)
    SELECT id, conversation_id, seq, 'inbound', kind, channel_id, address_id, text, data,
        'received', external_id, album, provider_at, CAST(:now AS bigint) FROM {rows}""",
    id="uuid", conversation_id="uuid", seq="int", kind="text", channel_id="int", address_id="uuid",
    text="text", data="text", external_id="text", album="text", provider_at="bigint",
)  # fmt: skip

# Each file of an album may have a caption of its own.
_ATTACHMENTS = Batch(
    """INSERT INTO attachments (id, message_id, position, kind, name, mime, size, width, height, duration,
        channel_id, ref, state, due_at, created_at)
    SELECT id, message_id, position, kind, name, mime, size, width, height, duration, channel_id, ref,
        'pending', {now}, CAST(:now AS bigint) FROM {rows}""",
    id="uuid", message_id="uuid", position="int", kind="text", name="text", mime="text", size="bigint",
    width="int", height="int", duration="int", channel_id="int", ref="text",
)  # fmt: skip

# A visitor's upload is in place already: it only gets its message.
_UPLOADS = Batch(
    """UPDATE attachments SET message_id = r.message_id, position = r.position FROM {rows}
    WHERE attachments.id = r.id AND attachments.owner = r.owner AND attachments.message_id IS NULL""",
    id="uuid", message_id="uuid", position="int", owner="text",
)  # fmt: skip

_REOPENED = Batch(
    """INSERT INTO activity (id, conversation_id, after_seq, kind, at)
    SELECT id, conversation_id, after_seq, 'reopened', CAST(:now AS bigint) FROM {rows}""",
    id="uuid", conversation_id="uuid", after_seq="int",
)  # fmt: skip


@ranked(1, "messages")
async def receive(tx: Tx, intakes: Sequence[Intake]) -> list[Taken]:
    """Store every event that is new; a repeat changes nothing. One result per intake."""
    now = now_ms()
    taken = [Taken() for _ in intakes]
    items = [
        _Item(intake.channel_id, event, result)
        for intake, result in zip(intakes, taken, strict=True)
        for event in intake.events
    ]
    fresh = await _new_events(tx, [item for item in items if not isinstance(item.event, Receipt)], now)
    for item in fresh:
        item.taken.new += 1
        if isinstance(item.event, Aside):
            item.taken.asides.append(item.event)
    await _addresses(tx, fresh, now)
    await _messages(tx, [item for item in fresh if isinstance(item.event, Inbound)], now)
    edited = [i for i in fresh if isinstance(i.event, Edit)]
    await edits.apply(tx, [(_address(i).contact_id, i.channel_id, i.event) for i in edited], now)
    verdicts = [
        Verdict(i.address.id, i.event.state, i.event.reason, i.event.opt_in)
        for i in fresh
        if i.address and isinstance(i.event, Standing)
    ]
    await standings.apply(tx, verdicts, now)
    await receipts.record(tx, [(i.channel_id, i.event) for i in items if isinstance(i.event, Receipt)], now)
    return taken


async def _new_events(tx: Tx, items: list[_Item], now: int) -> list[_Item]:
    """The items whose key this channel has not seen, in their order."""
    rows = [
        {
            "id": item.id, "channel_id": item.channel_id, "key": item.event.key,
            "body": getattr(item.event, "raw", ""),
            "state": "parked" if getattr(item.event, "parked", "") else "done",
            "error": getattr(item.event, "parked", ""),
        }
        for item in items
        if not isinstance(item.event, Ignored) or item.event.parked
    ]  # fmt: skip
    rows.sort(key=lambda row: (row["channel_id"], row["key"]))
    won = {row.id for row in await _EVENTS.run_all(tx, rows, now=now)}
    return [item for item in items if item.id in won]


async def _addresses(tx: Tx, items: list[_Item], now: int) -> None:
    """Find or make each item's address, and a contact for each new one."""
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    names: dict[str, str] = {}
    for item in items:
        if not isinstance(item.event, Inbound | Edit | Standing):
            continue
        event, key = item.event, (item.channel_id, item.event.urn)
        row = rows.setdefault(
            key,
            {"id": new_id(), "channel_id": key[0], "urn": key[1], "contact_id": new_id(), "handle": "",
             "heard_at": None},
        )  # fmt: skip
        if isinstance(event, Inbound):
            row["heard_at"] = now
            row["handle"] = event.handle or row["handle"]
            names[row["contact_id"]] = event.name or names.get(row["contact_id"], "")
    found: dict[tuple[int, str], _Address] = {}
    made: list[dict[str, str]] = []
    named: list[dict[str, str]] = []
    for known in await _ADDRESSES.run_all(tx, [rows[key] for key in sorted(rows)], now=now):
        key = (known.channel_id, known.urn)
        found[key] = _Address(known.id, known.contact_id)
        contact = {"id": known.contact_id, "name": names.get(rows[key]["contact_id"], "")}
        if known.contact_id == rows[key]["contact_id"]:
            made.append(contact)
        elif known.consent_at == now:  # heard for the first time
            named.append(contact)
    await _CONTACTS.run_all(tx, made, now=now)
    await _NAMES.run_all(tx, named)
    for item in items:
        item.address = found.get((item.channel_id, getattr(item.event, "urn", "")))


async def _messages(tx: Tx, items: list[_Item], now: int) -> None:
    """Give each message its place in its conversation; files of an album join the first's message."""
    begun = await albums.known(tx, [(_address(i).id, i.event.album) for i in items if i.event.album])
    new: list[_Item] = []
    joined: list[_Item] = []
    for item in items:
        key = (_address(item).id, item.event.album)
        if item.event.album and key in begun:
            item.message_id = begun[key].message_id
            joined.append(item)
            continue
        item.message_id = item.id
        new.append(item)
        if item.event.album:
            begun[key] = albums.Album(item.message_id)
    placed = await _place(tx, new, now)
    answers = [item for item in new if item.event.reply_to]
    quotes = await quoted(tx, [(_address(i).contact_id, i.channel_id, i.event.reply_to) for i in answers])
    if answers:  # by what came with it
        for i in new:
            own = {"seq": placed[i.message_id][1], "text": i.event.text, "author": ""}
            quotes[i.channel_id, i.event.external_id] = own
    await _MESSAGES.run_all(tx, [_row(i, placed, quotes) for i in new], now=now)
    for item in joined:
        await albums.add_caption(tx, item.message_id, item.event.text)
    await _files(tx, items, {album.message_id: album.files for album in begun.values()}, now)
    where = {album.message_id: album.conversation_id for album in begun.values()}
    where |= {message_id: place[0] for message_id, place in placed.items()}
    await note_changes(
        tx, [("message", where[m], m) for m in dict.fromkeys(i.message_id for i in items)], now
    )


async def _place(tx: Tx, items: list[_Item], now: int) -> dict[str, tuple[str, int]]:
    """`{message id: (conversation id, seq)}` for new messages, in their order."""
    counts = Counter(_address(item).contact_id for item in items)
    last = {_address(item).contact_id: _address(item).id for item in items}
    rows = [
        {"id": new_id(), "contact_id": contact, "address_id": last[contact], "n": counts[contact]}
        for contact in sorted(counts)
    ]
    found = {row.contact_id: row for row in await _CONVERSATIONS.run_all(tx, rows, now=now)}
    reopened = [
        {"id": new_id(), "conversation_id": row.id, "after_seq": row.last_seq - counts[row.contact_id]}
        for row in found.values()
        if row.reopened_at == now
    ]
    await _REOPENED.run_all(tx, reopened, now=now)
    await note_changes(tx, [("activity", row["conversation_id"], row["id"]) for row in reopened], now)
    seqs = {contact: row.last_seq - counts[contact] for contact, row in found.items()}
    placed = {}
    for item in items:
        contact = _address(item).contact_id
        seqs[contact] += 1
        placed[item.message_id] = (found[contact].id, seqs[contact])
    return placed


def _row(
    item: _Item, placed: dict[str, tuple[str, int]], quotes: dict[tuple[int, str], dict[str, Any]]
) -> dict[str, Any]:
    event: Inbound = item.event
    conversation_id, seq = placed[item.message_id]
    data = dict(event.data)
    if event.reply_to or event.quote:
        known = quotes.get((item.channel_id, event.reply_to), {"seq": None, "text": "", "author": ""})
        data["quote"] = {**known, "text": event.quote or known["text"]}
    return {
        "id": item.message_id, "conversation_id": conversation_id, "seq": seq, "kind": event.kind,
        "channel_id": item.channel_id, "address_id": _address(item).id,
        "text": event.text, "data": to_json(data) if data else "{}",
        "external_id": event.external_id or None, "album": event.album or None,
        "provider_at": event.provider_at,
    }  # fmt: skip


async def _files(tx: Tx, items: list[_Item], before: Mapping[str, int], now: int) -> None:
    """The files of messages; those of an album come after the ones it has already."""
    rows: list[dict[str, Any]] = []
    uploads: list[dict[str, Any]] = []
    there = Counter(before)
    for item in items:
        event: Inbound = item.event
        item.taken.media |= bool(event.media)
        rows += [
            {
                "id": new_id(), "message_id": item.message_id, "position": there[item.message_id] + index,
                "kind": media.kind, "name": media.name, "mime": media.mime, "size": media.size,
                "width": media.width, "height": media.height, "duration": media.duration,
                "channel_id": item.channel_id, "ref": media.ref,
            }
            for index, media in enumerate(event.media)
        ]  # fmt: skip
        there[item.message_id] += len(event.media)
        uploads += [
            {"id": upload, "message_id": item.message_id, "position": index, "owner": event.urn}
            for index, upload in enumerate(event.uploads)
        ]
    await _ATTACHMENTS.run_all(tx, rows, now=now)
    await _UPLOADS.run_all(tx, uploads)


def _address(item: _Item) -> _Address:
    assert item.address is not None
    return item.address
