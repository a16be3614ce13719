"""The way in: what customers wrote, a batch at a time, all of what nearly every message needs in one call.

Every node takes the conversations of a batch first, in the order of their ids as replies do, and then
goes through the customers in one order: so nodes wait for each other and never in a circle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.ids import new_id, now_ms
from bridge.models import Aside, Edit, Event, Ignored, Inbound, Receipt, Standing
from bridge.store import albums, edits, receipts, standings
from bridge.store.changes_log import INTO_CHANGES, messages_changed, note_changes
from bridge.store.engine import Batch, Tx, to_json
from bridge.store.procedure import Hold, Once, Procedure, SkipIf
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
class Item:
    """One event on its way through the tables; its own message, if it makes one, has its id.

    What is empty at first is known once it has been looked up.
    """

    channel_id: int
    event: Any
    taken: Taken
    id: str = field(default_factory=new_id)
    address_id: str = ""
    contact_id: str = ""
    message_id: str = ""
    conversation_id: str = ""
    # The event as which an edit waited for this message.
    edit_id: str = ""


_EVENTS = """INSERT INTO events (id, channel_id, key, body, state, error, received_at)
    VALUES (new.id, new.channel_id, new.key, new.body, new.state, new.error, :now)
    ON CONFLICT (channel_id, key) DO NOTHING"""
_KNOWN_OR_NOBODY = SkipIf("NOT {touched} OR new.urn = ''")

# `says` where the customer said something (not a block, or a receipt of STOP alone). When the customer
# last wrote is what the messages say: an address that stays as it is costs no write.
_ADDRESSES = """INSERT INTO addresses (id, channel_id, urn, contact_id, handle, consent_source, consent_at,
        created_at)
    VALUES (new.address_id, new.channel_id, new.urn, new.contact_id, new.handle,
        CASE WHEN new.says = 1 THEN 'wrote' ELSE '' END, CASE WHEN new.says = 1 THEN :now END, :now)
    ON CONFLICT (channel_id, urn) DO UPDATE SET
        handle = CASE WHEN excluded.handle = '' THEN addresses.handle ELSE excluded.handle END,
        state = CASE WHEN excluded.consent_at IS NOT NULL AND addresses.state IN ('blocked', 'invalid')
            THEN 'open' ELSE addresses.state END,
        consent_source = CASE WHEN addresses.consent_at IS NULL THEN excluded.consent_source
            ELSE addresses.consent_source END,
        consent_at = coalesce(addresses.consent_at, excluded.consent_at)
    WHERE excluded.handle NOT IN ('', addresses.handle) OR excluded.consent_at IS NOT NULL
        AND (addresses.consent_at IS NULL OR addresses.state IN ('blocked', 'invalid'))"""

# Who was an address before they wrote (unblocked, edited) is told by name now.
_CONTACTS = """INSERT INTO contacts (id, name, created_at)
    SELECT a.contact_id, new.name, :now FROM (SELECT 1 WHERE {touched}) AS t CROSS JOIN addresses a
    WHERE a.channel_id = new.channel_id AND a.urn = new.urn
        AND (a.id = new.address_id OR a.consent_at = :now)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE contacts.name = ''"""

_SILENT = SkipIf("new.says = 0")

# A customer's message opens the thread again, whoever had closed it. The files of an album that has
# begun join its message, and make none of their own.
_CONVERSATIONS = """INSERT INTO conversations (id, contact_id, status, address_id, last_seq, unread,
        last_message_at, waiting_since, created_at)
    SELECT new.conversation_id, a.contact_id, 'open', a.id, 1, 1, :now, :now, :now FROM addresses a
    WHERE a.channel_id = new.channel_id AND a.urn = new.urn AND (new.album IS NULL OR NOT EXISTS (
        SELECT 1 FROM messages m WHERE m.address_id = a.id AND m.album = new.album))
    ON CONFLICT (contact_id) WHERE ended_at IS NULL DO UPDATE SET
        last_seq = conversations.last_seq + 1, unread = conversations.unread + 1,
        reopened_at = CASE WHEN conversations.status = 'open' THEN conversations.reopened_at
            ELSE excluded.last_message_at END,
        status = 'open', resolved_at = NULL, address_id = excluded.address_id,
        last_message_at = excluded.last_message_at,
        waiting_since = coalesce(conversations.waiting_since, excluded.waiting_since)"""

_JOINS = SkipIf("NOT {touched}")

_MESSAGES = """INSERT INTO messages (id, conversation_id, seq, direction, kind, channel_id, address_id, text,
        data, status, external_id, album, provider_at, created_at)
    SELECT new.id, c.id, c.last_seq, 'inbound', new.kind, new.channel_id, a.id, new.text,
        new.data, 'received', new.external_id, new.album, new.provider_at, :now
    FROM addresses a JOIN conversations c ON c.contact_id = a.contact_id AND c.ended_at IS NULL
    WHERE a.channel_id = new.channel_id AND a.urn = new.urn"""

_CHANGES = messages_changed("{rows} JOIN messages m ON m.id = r.id")

# A line in the thread before the message that opened it again: the first one of this moment.
_REOPENED = Once(
    """INSERT INTO activity (id, conversation_id, after_seq, kind, at)
    SELECT r.line_id, c.id, m.seq - 1, 'reopened', :now FROM {rows} JOIN messages m ON m.id = r.id
    JOIN conversations c ON c.id = m.conversation_id AND c.reopened_at = :now
    WHERE NOT EXISTS (SELECT 1 FROM messages e WHERE e.conversation_id = c.id AND e.seq = m.seq - 1
        AND e.direction = 'inbound' AND e.created_at = :now)"""
)
_SAID = Once(
    f"""{INTO_CHANGES} SELECT 'activity', a.conversation_id, a.id, :now
    FROM {{rows}} JOIN activity a ON a.id = r.line_id WHERE {{touched}}"""
)

_THREADS = Hold(
    """JOIN addresses a ON a.channel_id = r.channel_id AND a.urn = r.urn
    JOIN conversations t ON t.contact_id = a.contact_id AND t.ended_at IS NULL""",
    by="t.id",
)

_TAKE = Procedure(
    "take", _THREADS, _EVENTS, _KNOWN_OR_NOBODY, _ADDRESSES, _CONTACTS, _SILENT, _CONVERSATIONS, _JOINS,
    _MESSAGES, _CHANGES, _REOPENED, _SAID,
    found="n, is_new, edit_id",
    # A repeat too: the vendor may not know yet that its message is here, which was written by itself.
    query=f"""SELECT r.n, CASE WHEN e.id IS NULL THEN 0 ELSE 1 END AS is_new, w.id AS edit_id FROM {{rows}}
        LEFT JOIN events e ON e.id = r.id
        LEFT JOIN events w ON w.channel_id = r.channel_id AND w.key = '{edits.EARLY}' || r.external_id
        WHERE e.id IS NOT NULL OR w.id IS NOT NULL""",
    n="int", id="uuid", channel_id="int", key="text", body="text", state="text", error="text", urn="text",
    says="int", address_id="uuid", contact_id="uuid", conversation_id="uuid", line_id="uuid", name="text",
    handle="text", kind="text", text="text", data="text", external_id="text", album="text",
    provider_at="bigint",
)  # fmt: skip

_PLACES = Batch(
    """SELECT r.id, a.id AS address_id, a.contact_id, m.conversation_id FROM {rows}
    JOIN addresses a ON a.channel_id = r.channel_id AND a.urn = r.urn LEFT JOIN messages m ON m.id = r.id""",
    id="uuid", channel_id="int", urn="text",
)  # fmt: skip

_QUOTES = Batch(
    "UPDATE messages SET data = r.data FROM {rows} WHERE messages.id = r.id", id="uuid", data="text"
)

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


@ranked(1, "messages")
async def receive(tx: Tx, intakes: Sequence[Intake]) -> list[Taken]:
    """Store every event that is new; a repeat changes nothing. One result per intake."""
    now = now_ms()
    taken = [Taken() for _ in intakes]
    items = [
        Item(intake.channel_id, event, result)
        for intake, result in zip(intakes, taken, strict=True)
        for event in intake.events
    ]
    if not all(_is_simple(item.event) for item in items):
        await tx.begin()
    fresh = await _take(tx, [item for item in items if _is_kept(item.event)], now)
    rest = [item for item in fresh if not _is_simple(item.event)]
    awaited = {item.edit_id: item for item in items if item.edit_id}
    if awaited:
        await tx.begin()
    await _place(tx, [*rest, *awaited.values()])
    messages = [item for item in rest if isinstance(item.event, Inbound)]
    await add_quotes(tx, [i for i in messages if i.message_id and (i.event.reply_to or i.event.quote)])
    files = await _join_albums(tx, [item for item in messages if item.event.album], now)
    await add_files(tx, messages, files, now)
    early = await edits.come(tx, [*awaited])
    edited = [(awaited[each], edit) for each, edit in early.items()]
    edited += [(item, item.event) for item in rest if isinstance(item.event, Edit)]
    await edits.apply(tx, [(item.contact_id, item.channel_id, edit) for item, edit in edited], now)
    verdicts = [
        Verdict(i.address_id, i.event.state, i.event.reason, i.event.opt_in, i.event.at)
        for i in rest
        if isinstance(i.event, Standing)
    ]
    await standings.apply(tx, verdicts, now)
    await receipts.record(tx, [(i.channel_id, i.event) for i in items if isinstance(i.event, Receipt)], now)
    return taken


def _is_kept(event: Event) -> bool:
    """Receipts have a table of their own, and what is ignored is no event of ours unless it is parked."""
    return not isinstance(event, Receipt) and (not isinstance(event, Ignored) or bool(event.parked))


def _is_simple(event: Event) -> bool:
    """Whether the procedure does all that there is to do."""
    if isinstance(event, Inbound):
        return not (event.media or event.album or event.reply_to or event.quote or event.uploads)
    return isinstance(event, Aside | Ignored)


async def _take(tx: Tx, items: list[Item], now: int) -> list[Item]:
    """Write what is new, with its address, contact, conversation and message; the items that were."""
    rows = [_row(n, item) for n, item in enumerate(items)]
    rows.sort(key=lambda row: (row["channel_id"], row["urn"], row["n"]))
    found = sorted(await _TAKE.call(tx, rows, now), key=lambda each: each.n)
    for each in found:
        items[each.n].edit_id = each.edit_id or ""
    fresh = [items[each.n] for each in found if each.is_new]
    for item in fresh:
        item.taken.new += 1
        if isinstance(item.event, Aside):
            item.taken.asides.append(item.event)
    return fresh


async def _place(tx: Tx, items: list[Item]) -> None:
    """Find out where in the tables items went."""
    urns = {item.id: getattr(item.event, "urn", "") for item in items}
    rows = [{"id": item.id, "channel_id": item.channel_id, "urn": urns[item.id]} for item in items]
    found = {row.id: row for row in await _PLACES.run_all(tx, rows)}
    for item in items:
        place = found[item.id]
        item.address_id, item.contact_id = place.address_id, place.contact_id
        if place.conversation_id:
            item.message_id, item.conversation_id = item.id, place.conversation_id


def _row(n: int, item: Item) -> dict[str, Any]:
    """An event as the procedure takes it, with the ids of whatever it may have to make."""
    event = item.event
    parked = getattr(event, "parked", "")
    row: dict[str, Any] = {
        "n": n, "id": item.id, "channel_id": item.channel_id, "key": event.key,
        "body": getattr(event, "raw", ""), "state": "parked" if parked else "done", "error": parked,
        "urn": "", "says": 0,
    }  # fmt: skip
    if isinstance(event, Inbound | Edit | Standing):
        # As good as new ones, and cheaper to make: each is the only one like it in its table.
        stem = item.id[:-1]
        row |= {
            "urn": event.urn, "address_id": stem + "a", "contact_id": stem + "b",
            "conversation_id": stem + "c", "line_id": stem + "d", "name": "", "handle": "",
        }  # fmt: skip
    if isinstance(event, Inbound):
        row |= {
            "says": 1, "name": event.name, "handle": event.handle,
            "kind": event.kind, "text": event.text, "data": to_json(event.data) if event.data else "{}",
            "external_id": event.external_id or None, "album": event.album or None,
            "provider_at": event.provider_at,
        }  # fmt: skip
    return row


async def _join_albums(tx: Tx, items: Sequence[Item], now: int) -> dict[str, int]:
    """Bring the files of albums to the message of their first one.

    Returns how many files such a message has already, `{message id: count}`.
    """
    begun = await albums.known(tx, [(item.address_id, item.event.album) for item in items])
    joined: dict[str, albums.Album] = {}
    for item in items:
        album = begun[item.address_id, item.event.album]
        if item.message_id != album.message_id:
            item.message_id, item.conversation_id = album.message_id, album.conversation_id
            album.join(item.event.external_id or item.event.key, item.event.text)
            joined[album.message_id] = album
    await albums.save(tx, joined.values())
    await note_changes(tx, [("message", one.conversation_id, one.message_id) for one in joined.values()], now)
    return {album.message_id: album.files for album in begun.values()}


async def add_quotes(tx: Tx, items: Sequence[Item]) -> None:
    """Show what messages answer, as far as it is known."""
    answers = [(i.contact_id, i.channel_id, i.event.reply_to) for i in items if i.event.reply_to]
    known = await quoted(tx, answers)
    rows = []
    for item in items:
        event: Inbound = item.event
        found = known.get((item.channel_id, event.reply_to), {"seq": None, "text": "", "author": ""})
        quote = {**found, "text": event.quote or found["text"]}
        rows.append({"id": item.message_id, "data": to_json({**event.data, "quote": quote})})
    await _QUOTES.run_all(tx, rows)


async def add_files(tx: Tx, items: list[Item], before: Mapping[str, int], now: int) -> None:
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
