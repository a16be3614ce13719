"""What agents write: replies and notes, a batch at a time.

A reply is accepted in one transaction: its place in the conversation, its files, its lane. The same
`client_id` again is the same message; with another body it is a conflict.

What a draft meets is read first, or known from the reply before it, and nothing is held meanwhile. The
call that accepts it demands that it still is so: a draft that this leaves out has to look again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.errors import BridgeError, Conflict, NotFound
from bridge.ids import now_ms
from bridge.store import messages
from bridge.store.attempts import FENCE, IS_SWITCHED_OFF, LANES_HELD
from bridge.store.changes_log import messages_changed
from bridge.store.engine import Batch, Lock, Tx
from bridge.store.lanes import Head
from bridge.store.outgoing import Draft, is_plain, refusal
from bridge.store.procedure import Hold, Once, Procedure, SkipIf
from bridge.store.writer import ranked
from bridge.views import MessageView


@dataclass(frozen=True, slots=True)
class Accepted:
    """The message made or found for a draft; `channel_id` is set when a lane has to run.

    `head` is the message as its lane sees it, if it has no files; `waits` says that something is before
    it, `started` that its first attempt is written.
    """

    message: MessageView
    new: bool
    channel_id: int | None
    head: Head | None = None
    waits: bool = False
    started: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """As `Accepted`, before the message is written."""

    message_id: str
    new: bool
    channel_id: int | None = None
    head: Head | None = None
    waits: bool = False
    started: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """The thread changed meanwhile, or is not as the draft's route says: ask again, without a route."""


Outcome = Accepted | Changed | BridgeError

ADDRESSES = Lock("addresses", "contact_id")
_FILES = Lock("attachments")
_THREADS = Lock("conversations")
# The newest thread of a customer, seen from an ended one `c` that is older. Of threads that have ended only
# the last one goes on: the customer's page shows them in the order in which they ended.
NEWEST = """CASE WHEN c.ended_at IS NOT NULL THEN (SELECT n.id FROM conversations n
        WHERE n.contact_id = c.contact_id AND (n.ended_at IS NULL OR n.ended_at > c.ended_at)
        ORDER BY n.ended_at IS NULL DESC, n.ended_at DESC LIMIT 1) END"""
# What a draft meets: its conversation, the address that it would take, what it quotes, and itself.
_LOOK = Batch(
    f"""SELECT r.id AS draft_id, s.id AS same_id, s.data AS same_data, c.contact_id, c.ended_at,
        {NEWEST} AS newest_id, a.id AS address_id, a.channel_id, a.urn, a.state,
        a.consent_at, a.contact_id AS owner_id, q.text AS quote_text,
        coalesce(q.external_id, (SELECT max(t.external_id) FROM attempts t
            WHERE t.message_id = q.id AND t.part = 0 AND t.outcome = 'accepted')) AS quote_external_id,
        q.channel_id AS quote_channel_id
    FROM {{rows}} JOIN conversations c ON c.id = r.conversation_id
    LEFT JOIN messages s ON s.conversation_id = r.conversation_id AND s.client_id = r.client_id
    LEFT JOIN addresses a ON a.id = coalesce(r.via, c.address_id)
    LEFT JOIN messages q ON q.conversation_id = r.conversation_id AND q.seq = r.reply_to""",
    id="uuid", conversation_id="uuid", client_id="text", via="uuid", reply_to="int",
)  # fmt: skip
_UPLOADS = Batch(
    """SELECT f.id, f.name, f.size FROM {rows} JOIN attachments f ON f.id = r.id
    WHERE f.owner = r.owner AND f.message_id IS NULL""",
    id="uuid", owner="text",
)  # fmt: skip
_ATTACH = Batch(
    """UPDATE attachments SET message_id = r.message_id, position = r.position FROM {rows}
    WHERE attachments.id = r.id AND attachments.message_id IS NULL""",
    id="uuid", message_id="uuid", position="int",
)  # fmt: skip
# A lane that is busy or backing off keeps its time: this message waits its turn.
_LATER = """ON CONFLICT (conversation_id) DO UPDATE SET
        channel_id = CASE WHEN lanes.due_at IS NULL THEN excluded.channel_id ELSE lanes.channel_id END,
        due_at = coalesce(lanes.due_at, excluded.due_at)"""
LANES = Batch(
    f"""INSERT INTO lanes (conversation_id, channel_id, due_at)
    SELECT conversation_id, channel_id, {{now}} FROM {{rows}} WHERE true {_LATER}""",
    conversation_id="uuid", channel_id="int",
)  # fmt: skip
# Nothing is before it, by the words of the thread and of its lane, its sender still has the duty, and no
# node was told to rest.
_MAY_START = f"""new.attempt IS NOT NULL
    AND EXISTS (SELECT 1 FROM duties d WHERE d.name = new.duty AND d.epoch = new.epoch)
    AND NOT EXISTS (SELECT 1 FROM messages e WHERE e.conversation_id = c.id
        AND e.status IN ('queued', 'sending'))
    AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.conversation_id = c.id AND l.due_at > {{now}})
    AND NOT EXISTS (SELECT 1 FROM channels p WHERE p.id = new.channel_id AND p.paused_until > {{now}})
    AND NOT {IS_SWITCHED_OFF.format(channel="new.channel_id")}"""
_ACCEPT = Procedure(
    "accept", Hold("JOIN conversations t ON t.id = r.conversation_id", by="t.id"), LANES_HELD, FENCE,
    f"""INSERT INTO messages (id, conversation_id, seq, direction, channel_id, address_id, agent_id,
        client_id, text, data, status, created_at, deadline_at)
    SELECT new.id, c.id, c.last_seq + 1, new.direction, new.channel_id, new.address_id, new.agent_id,
        new.client_id, new.text, new.data, CASE WHEN {_MAY_START} THEN 'sending' ELSE new.status END, :now,
        {{now}} + new.lifetime
    FROM conversations c WHERE c.id = new.conversation_id AND (new.direction = 'note'
        OR (c.ended_at IS NULL OR new.revives = 1) AND (new.named = 1 OR c.address_id = new.address_id)
        AND EXISTS (SELECT 1 FROM addresses a WHERE a.id = new.address_id AND a.contact_id = c.contact_id
            AND a.channel_id = new.channel_id AND a.urn = new.urn AND a.state = 'open'
            AND a.consent_at IS NOT NULL))
    ON CONFLICT DO NOTHING""",
    SkipIf("NOT {touched}"),
    # A reply answers the customer: nobody waits any more, and what was above it has been read. Into a
    # thread that had ended it brings it back: it is where the customer's answer belongs, for another week.
    """UPDATE conversations SET last_seq = last_seq + 1, last_message_at = :now,
        waiting_since = CASE WHEN new.direction = 'outbound' THEN NULL ELSE waiting_since END,
        unread = CASE WHEN new.direction = 'outbound' THEN 0 ELSE unread END,
        read_seq = CASE WHEN new.direction = 'outbound' THEN last_seq + 1 ELSE read_seq END,
        ended_at = CASE WHEN new.direction = 'outbound' THEN NULL ELSE ended_at END,
        resolved_at = CASE WHEN new.direction = 'outbound' AND status = 'resolved' THEN :now
            ELSE resolved_at END
    WHERE id = new.conversation_id""",
    SkipIf("new.status <> 'queued'"),
    f"""INSERT INTO lanes (conversation_id, channel_id, due_at)
    VALUES (new.conversation_id, new.channel_id, {{now}}) {_LATER}""",
    Once(
        """INSERT INTO attempts (id, message_id, part, channel_id, epoch, started_at)
        SELECT r.attempt, m.id, 0, m.channel_id, r.epoch, {now} FROM {rows} JOIN messages m ON m.id = r.id
        WHERE r.attempt IS NOT NULL AND m.status = 'sending'
            AND NOT EXISTS (SELECT 1 FROM attempts t WHERE t.message_id = m.id)"""
    ),
    messages_changed("{rows} JOIN messages m ON m.id = r.id"),
    found=f"{messages.COLUMNS}, started",
    query=f"""{messages.SELECT}, (SELECT count(*) FROM attempts t WHERE t.id = r.attempt) AS started
        {messages.OF_ROWS}""",
    id="uuid", conversation_id="uuid", direction="text", channel_id="int", address_id="uuid",
    agent_id="uuid", client_id="text", text="text", data="text", status="text", lifetime="bigint",
    urn="text", named="int", revives="int", attempt="uuid", duty="text", epoch="int",
)  # fmt: skip


@ranked(2, "replies")
async def accept(tx: Tx, drafts: Sequence[Draft]) -> list[Outcome]:
    """Accept what can be accepted; the others get the error that says why, or `Changed`.

    One call, and so one commit. Done again after an error, perhaps of other work of its batch, it finds what
    is there already by its id, and makes the same of it.
    """
    shown: dict[str, MessageView] = {}
    places = await _places(tx, drafts, shown)
    missing = {place.message_id for place in places.values() if isinstance(place, _Place)} - shown.keys()
    if missing:
        shown |= await messages.views(tx, missing)
    return [_outcome(places, draft, shown) for draft in drafts]


async def _places(
    tx: Tx, drafts: Sequence[Draft], shown: dict[str, MessageView]
) -> dict[str, _Place | BridgeError]:
    """What becomes of each draft by its id, but for those that must look again."""
    known = {draft.id: draft.route for draft in drafts if draft.route and is_plain(draft)}
    routes = {**known, **await _look(tx, [draft for draft in drafts if draft.id not in known])}
    if any(draft.attachments for draft in drafts) or any(_has_ended(route) for route in routes.values()):
        known, routes = {}, await _look_closely(tx, drafts)
    repeats = _repeats(drafts, routes)
    # Nobody is refused for what is known only from before.
    places = {of: place for of, place in repeats.items() if isinstance(place, _Place) or of not in known}
    fresh = [draft for draft in drafts if draft.id not in places]
    uploads = await _uploads(tx, fresh)
    rows: dict[str, dict[str, Any]] = {}
    for draft in fresh:
        route = routes.get(draft.id)
        is_there = route is not None and route.same_id == draft.id
        error = None if is_there else refusal(draft, route, uploads)
        if error or route is None:
            if draft.id not in known:
                places[draft.id] = error or NotFound("There is no such conversation")
            continue
        rows[draft.id] = _row(draft, route)
        for upload in draft.attachments:
            uploads.pop(upload, None)
    # Stable, so that drafts of one conversation keep their order.
    in_order = sorted(rows.values(), key=lambda row: row["conversation_id"])
    made = {found.id: found for found in await _ACCEPT.call(tx, in_order, now_ms())}
    with_files = {draft.id: draft for draft in fresh if draft.attachments and draft.id in made}
    await _attach(tx, [*with_files.values()])
    for message_id, found in made.items():
        row = rows[message_id]
        channel_id = row["channel_id"] if row["status"] == "queued" else None
        if message_id in with_files:  # what was found is from before they were attached
            places[message_id] = _Place(message_id, True, channel_id)
        else:
            shown[message_id] = messages.view(found)
            head = _head(routes[message_id], found) if channel_id is not None else None
            waits, started = bool(found.behind or found.paused), bool(found.started)
            places[message_id] = _Place(message_id, True, channel_id, head, waits, started)
    return places


def _head(route: Any, found: Any) -> Head:
    return Head(
        message_id=found.id, conversation_id=found.conversation_id, text=found.text,
        reply_to=orjson.loads(found.data).get("reply_to", ""), urn=route.urn, address_id=route.address_id,
        state="open", agreed=True, late=False, tries=0, sent=frozenset(), files=(),
    )  # fmt: skip


def _has_ended(route: Any) -> bool:
    return route.ended_at is not None


def _outcome(
    places: Mapping[str, _Place | BridgeError], draft: Draft, shown: Mapping[str, MessageView]
) -> Outcome:
    """A repeat of another draft of this batch becomes what that one did."""
    place = places.get(draft.id)
    if not isinstance(place, _Place):
        return place or Changed()
    first = places.get(place.message_id)
    if isinstance(first, BridgeError):
        return first
    message = shown.get(first.message_id if first else place.message_id)
    if message is None:
        return Changed()
    return Accepted(message, place.new, place.channel_id, place.head, place.waits, place.started)


async def _look(tx: Tx, drafts: Sequence[Draft]) -> dict[str, Any]:
    """What each draft meets, by its id; nothing for one whose conversation does not exist."""
    rows = [
        {"id": d.id, "conversation_id": d.conversation_id, "client_id": d.client_id, "via": d.via,
         "reply_to": d.reply_to}
        for d in drafts
    ]  # fmt: skip
    return {found.draft_id: found for found in await _LOOK.run_all(tx, rows)}


async def _look_closely(tx: Tx, drafts: Sequence[Draft]) -> dict[str, Any]:
    """The same, and it stays so until the end of the transaction.

    The customer of a thread that has ended may begin a newer one at this moment: their addresses are
    held for that.
    """
    await tx.begin()
    await _THREADS.take(tx, [draft.conversation_id for draft in drafts])
    routes = await _look(tx, drafts)
    ended = [route.contact_id for route in routes.values() if _has_ended(route)]
    if ended:
        await ADDRESSES.take(tx, ended)
        routes = await _look(tx, drafts)
    return routes


def _repeats(drafts: Sequence[Draft], routes: Mapping[str, Any]) -> dict[str, _Place | BridgeError]:
    """Drafts whose `client_id` was seen before, in the database or earlier in this batch."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    places: dict[str, _Place | BridgeError] = {}
    for draft in drafts:
        key = (draft.conversation_id, draft.client_id)
        route = routes.get(draft.id)
        if route is not None and route.same_id:
            seen[key] = (route.same_id, orjson.loads(route.same_data).get("request"))
        if key not in seen:
            seen[key] = (draft.id, draft.fingerprint)
        elif seen[key][1] != draft.fingerprint:
            places[draft.id] = Conflict("Another message was sent under this client_id")
        elif seen[key][0] != draft.id:
            places[draft.id] = _Place(seen[key][0], False)
    return places


async def _uploads(tx: Tx, drafts: Sequence[Draft]) -> dict[str, Any]:
    rows = [
        {"id": upload, "owner": f"agent:{draft.agent_id}"} for draft in drafts for upload in draft.attachments
    ]
    await _FILES.take(tx, (row["id"] for row in rows))
    return {row.id: row for row in await _UPLOADS.run_all(tx, rows)}


def _row(draft: Draft, route: Any) -> dict[str, Any]:
    is_note = draft.kind == "note"
    data: dict[str, Any] = {"request": draft.fingerprint}
    if draft.reply_to is not None and route.quote_text is not None:
        data["quote"] = {"seq": draft.reply_to, "text": route.quote_text, "author": ""}
        if route.quote_channel_id == route.channel_id and route.quote_external_id:
            data["reply_to"] = route.quote_external_id
    pulled = not is_note and draft.carriers[route.channel_id].pulled
    may_start = not is_note and not pulled and not draft.attachments
    start = draft.reserve(route.channel_id, route.urn) if may_start else None
    return {
        "id": draft.id, "conversation_id": draft.conversation_id,
        "direction": "note" if is_note else "outbound",
        "channel_id": None if is_note else route.channel_id,
        "address_id": None if is_note else route.address_id,
        "agent_id": draft.agent_id, "client_id": draft.client_id, "text": draft.text,
        "data": orjson.dumps(data).decode(),
        "status": "noted" if is_note else "sent" if pulled else "queued",
        "lifetime": None if is_note or pulled else draft.lifetime,
        "urn": None if is_note else route.urn, "named": int(draft.via is not None),
        "revives": int(_has_ended(route)),
        "attempt": start and start.id, "duty": start and start.duty, "epoch": start and start.epoch,
    }  # fmt: skip


async def _attach(tx: Tx, drafts: Sequence[Draft]) -> None:
    await _ATTACH.run_all(
        tx,
        [
            {"id": upload, "message_id": draft.id, "position": index}
            for draft in drafts
            for index, upload in enumerate(draft.attachments)
        ],
    )
