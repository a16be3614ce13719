"""What a visitor of the site sees: the messages of their address, as one thread.

The thread runs through the conversations in which the address took part: the ended ones in the
order in which they ended, then the current one. A visitor's `seq` is the place of the conversation
in that order, times 2^32, plus the message's own `seq` there: it only grows, and it stays what it
was when a conversation ends and the next one begins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import sqlalchemy as sa

from bridge.ids import now_ms
from bridge.store import receipts
from bridge.store.engine import Batch, Row, Statement, Tx
from bridge.store.messages import views
from bridge.store.tables import addresses, attachments, contacts, conversations
from bridge.views import MessageView, Person, VisitorMessage

_STEP = 1 << 32
_LAST = (1 << 31) - 1

# Every conversation that a visitor took part in, oldest first.
_ROOMS = Batch(
    """SELECT a.urn, a.id AS address_id, c.id, c.read_seq FROM {rows}
    JOIN addresses a ON a.channel_id = r.channel_id AND a.urn = r.urn
    JOIN conversations c ON c.contact_id = a.contact_id
    WHERE EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = c.id AND m.address_id = a.id)
    ORDER BY a.id, c.ended_at IS NULL, c.ended_at, c.created_at, c.id""",
    channel_id="int", urn="text",
)  # fmt: skip
_COLUMNS = "m.id, m.conversation_id, m.seq, m.external_id"
# The newest of each that are older than a `seq`: those above the one that is too many.
_BELOW = Batch(
    f"""SELECT r.urn, {_COLUMNS} FROM {{rows}} JOIN messages m ON m.conversation_id = r.conversation_id
        AND m.address_id = r.address_id AND m.seq < r.below
        AND m.seq > coalesce((SELECT h.seq FROM messages h WHERE h.conversation_id = r.conversation_id
            AND h.address_id = r.address_id AND h.seq < r.below
            ORDER BY h.seq DESC LIMIT 1 OFFSET CAST(:most AS bigint)), 0)""",
    urn="text", address_id="uuid", conversation_id="uuid", below="bigint",
)  # fmt: skip
_BY_ID = Batch(
    f"""SELECT a.urn, {_COLUMNS} FROM {{rows}} JOIN messages m ON m.id = r.id
    JOIN addresses a ON a.id = m.address_id AND a.channel_id = CAST(:channel AS integer)""",
    id="uuid",
)  # fmt: skip
_SAID = Statement(
    f"""SELECT {_COLUMNS} FROM events e JOIN messages m ON m.id = e.id JOIN addresses a ON a.id = m.address_id
    WHERE e.channel_id = :channel AND e.key = :key AND a.urn = :urn"""
)
_TOUCHED = Batch(
    """SELECT a.urn FROM {rows} JOIN conversations c ON c.id = r.id
    JOIN addresses a ON a.contact_id = c.contact_id AND a.channel_id = CAST(:channel AS integer)""",
    id="uuid",
)  # fmt: skip
_OPEN_UPLOADS = sa.select(attachments.c.id, attachments.c.kind).where(
    attachments.c.id.in_(sa.bindparam("ids", expanding=True)),
    attachments.c.owner == sa.bindparam("owner"),
    attachments.c.message_id.is_(None),
    attachments.c.state == "stored",
)
_CURRENT = (
    sa.select(conversations.c.id, contacts.c.id.label("contact_id"), contacts.c.name)
    .select_from(
        addresses.join(contacts, contacts.c.id == addresses.c.contact_id).join(
            conversations, conversations.c.contact_id == contacts.c.id
        )
    )
    .where(
        addresses.c.channel_id == sa.bindparam("channel"),
        addresses.c.urn == sa.bindparam("urn"),
        conversations.c.ended_at.is_(None),
    )
)


@dataclass(frozen=True, slots=True)
class Thread:
    """A piece of a visitor's thread, oldest first.

    `more` says whether older messages come before it, `read` up to which `seq` the team has read,
    `conversation_id` where the thread goes on (none before the first message).
    """

    items: list[VisitorMessage]
    more: bool = False
    read: int = 0
    conversation_id: str | None = None


async def threads(
    tx: Tx, channel_id: int, asked: Mapping[str, int | None], *, limit: int
) -> dict[str, Thread]:
    """The newest messages of each visitor `asked` for by urn, at most `limit`: of all, or before a `seq`.

    A handful of statements for any number of visitors, and one for each conversation further back.
    """
    rooms = await _rooms(tx, channel_id, asked)
    found: dict[str, list[Row]] = {urn: [] for urn in asked}
    places = {urn: _place(before, len(rooms[urn])) for urn, before in asked.items() if rooms[urn]}
    while places:
        wanted = [
            {"urn": urn, "address_id": rooms[urn][rank].address_id, "conversation_id": rooms[urn][rank].id,
             "below": below}
            for urn, (rank, below) in places.items()
        ]  # fmt: skip
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in await _BELOW.run_all(tx, wanted, most=limit + 1):
            rows[row.urn].append(row)
        for urn, more in rows.items():
            found[urn] += sorted(more, key=lambda row: -row.seq)
        places = {
            urn: (rank - 1, _LAST)
            for urn, (rank, _) in places.items()
            if rank > 0 and len(found[urn]) <= limit
        }
    shown = await _shown(tx, rooms, {urn: rows[:limit] for urn, rows in found.items()})
    return {urn: replace(each, more=len(found[urn]) > limit) for urn, each in shown.items()}


async def said(tx: Tx, channel_id: int, urn: str, key: str) -> VisitorMessage | None:
    """The message of this visitor whose event has this key."""
    rows = await _SAID.run(tx, urn=urn, channel=channel_id, key=key)
    if not rows:
        return None
    shown = await _shown(tx, await _rooms(tx, channel_id, [urn]), {urn: rows})
    return shown[urn].items[0]


async def news(
    tx: Tx, channel_id: int, urns: Collection[str], *, changed: Collection[str], touched: Collection[str]
) -> dict[str, Thread]:
    """What visitors must hear of: `changed` messages, and how far `touched` conversations were read.

    Only for the visitors in `urns`, and only for those of them that it concerns.
    """
    of_rooms = await _TOUCHED.run_all(tx, [{"id": each} for each in touched], channel=channel_id)
    found: dict[str, list[Row]] = {row.urn: [] for row in of_rooms if row.urn in urns}
    for row in await _BY_ID.run_all(tx, [{"id": each} for each in changed], channel=channel_id):
        if row.urn in urns:
            found.setdefault(row.urn, []).append(row)
    return await _shown(tx, await _rooms(tx, channel_id, found), found)


async def acknowledge(
    tx: Tx, channel_id: int, urn: str, seq: int, status: Literal["delivered", "read"]
) -> None:
    """The visitor's page has, or showed, everything up to `seq`. Ring the bell `changes` afterwards."""
    top, within = divmod(seq, _STEP)
    for rank, room in enumerate((await _rooms(tx, channel_id, [urn]))[urn]):
        if rank <= top:
            await receipts.acknowledge(
                tx, conversation_id=room.id, address_id=room.address_id, status=status, now=now_ms(),
                seq=min(within, _LAST) if rank == top else _LAST,
            )  # fmt: skip


async def kinds_of(tx: Tx, urn: str, uploads: Collection[str]) -> dict[str, str]:
    """The kind of each of these files that this visitor has uploaded and not sent yet, by id."""
    rows = await tx.run(_OPEN_UPLOADS, {"ids": list(uploads), "owner": urn})
    return {row.id: row.kind for row in rows}


async def current(tx: Tx, channel_id: int, urn: str) -> tuple[str, Person] | None:
    """The conversation that the visitor is in, and who they are to the team."""
    rows = await tx.run(_CURRENT, {"channel": channel_id, "urn": urn})
    return (rows[0].id, Person(id=rows[0].contact_id, name=rows[0].name)) if rows else None


async def _rooms(tx: Tx, channel_id: int, urns: Iterable[str]) -> dict[str, list[Row]]:
    """The conversations of each visitor, oldest first; none for who has none."""
    rooms: dict[str, list[Row]] = defaultdict(list)
    for row in await _ROOMS.run_all(tx, [{"channel_id": channel_id, "urn": urn} for urn in urns]):
        rooms[row.urn].append(row)
    return rooms


def _place(before: int | None, rooms: int) -> tuple[int, int]:
    """In which conversation what is older than a visitor's `seq` ends, and before which `seq` of it."""
    if before is None:
        return rooms - 1, _LAST
    rank, seq = divmod(before, _STEP)
    return (rank, min(seq, _LAST)) if rank < rooms else (rooms - 1, _LAST)


async def _shown(
    tx: Tx, rooms: Mapping[str, Sequence[Row]], rows: Mapping[str, Sequence[Row]]
) -> dict[str, Thread]:
    """Rows of visitors as they see them, in their order."""
    found = await views(tx, [row.id for group in rows.values() for row in group])
    return {urn: _piece(rooms[urn], group, found) for urn, group in rows.items()}


def _piece(rooms: Sequence[Row], rows: Sequence[Row], found: Mapping[str, MessageView]) -> Thread:
    if not rooms:
        return Thread([])
    ranks = {room.id: rank for rank, room in enumerate(rooms)}
    items = [
        _view(found[row.id], ranks[row.conversation_id] * _STEP + row.seq, row.external_id) for row in rows
    ]
    last = rooms[-1]
    return Thread(
        sorted(items, key=lambda item: item.seq), read=ranks[last.id] * _STEP + last.read_seq,
        conversation_id=last.id,
    )  # fmt: skip


def _view(message: MessageView, seq: int, external_id: str | None) -> VisitorMessage:
    mine = message.direction == "inbound"
    return VisitorMessage(
        id=message.id, seq=seq, mine=mine, kind=message.kind, text=message.text,
        attachments=message.attachments, status="sent" if mine else message.status,
        author="" if mine or message.author is None else message.author.name,
        client_id=external_id if mine else None, created_at=message.created_at,
    )  # fmt: skip
