"""What a visitor of the site sees: the messages of their address, as one thread.

The thread runs through the conversations in which the address took part: the ended ones in the
order in which they ended, then the current one. A visitor's `seq` is the place of the conversation
in that order, times 2^32, plus the message's own `seq` there: it only grows, and it stays what it
was when a conversation ends and the next one begins.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from bridge.ids import now_ms
from bridge.store import receipts
from bridge.store.engine import Row, Tx
from bridge.store.messages import views
from bridge.store.tables import addresses, attachments, contacts, conversations, events, messages
from bridge.views import MessageView, Person, VisitorMessage

_STEP = 1 << 32
_LAST = (1 << 31) - 1

_ADDRESS = sa.select(addresses.c.id).where(
    addresses.c.channel_id == sa.bindparam("channel"), addresses.c.urn == sa.bindparam("urn")
)
_took_part = sa.exists().where(
    messages.c.conversation_id == conversations.c.id, messages.c.address_id == addresses.c.id
)
_THREADS = (
    sa.select(conversations.c.id, conversations.c.read_seq)
    .join(addresses, addresses.c.contact_id == conversations.c.contact_id)
    .where(addresses.c.id == sa.bindparam("address"), _took_part)
    .order_by(
        conversations.c.ended_at.is_(None),
        conversations.c.ended_at,
        conversations.c.created_at,
        conversations.c.id,
    )
)
_ROWS = sa.select(messages.c.id, messages.c.conversation_id, messages.c.seq, messages.c.external_id).where(
    messages.c.address_id == sa.bindparam("address")
)
_BEFORE = (
    _ROWS.where(
        messages.c.conversation_id == sa.bindparam("conversation"), messages.c.seq < sa.bindparam("seq")
    )
    .order_by(messages.c.seq.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_BY_ID = _ROWS.where(messages.c.id.in_(sa.bindparam("ids", expanding=True)))
_SAID = _ROWS.join(events, events.c.id == messages.c.id).where(
    events.c.channel_id == sa.bindparam("channel"), events.c.key == sa.bindparam("key")
)
_CHANGED = (
    sa.select(messages.c.id.label("message_id"), addresses.c.id, addresses.c.urn)
    .join(addresses, addresses.c.id == messages.c.address_id)
    .where(
        messages.c.id.in_(sa.bindparam("ids", expanding=True)),
        addresses.c.channel_id == sa.bindparam("channel"),
    )
)
_TOUCHED = (
    sa.select(addresses.c.id, addresses.c.urn)
    .join(conversations, conversations.c.contact_id == addresses.c.contact_id)
    .where(
        conversations.c.id.in_(sa.bindparam("ids", expanding=True)),
        addresses.c.channel_id == sa.bindparam("channel"),
    )
)
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


async def thread(tx: Tx, channel_id: int, urn: str, *, before: int | None = None, limit: int) -> Thread:
    """The newest messages of a visitor, or the newest before a `seq`; at most `limit`."""
    address = await _address(tx, channel_id, urn)
    if address is None:
        return Thread([])
    threads = await tx.run(_THREADS, {"address": address})
    top, bound = divmod(before, _STEP) if before is not None else (len(threads), 0)
    rows: list[Row] = []
    for rank in reversed(range(min(top + 1, len(threads)))):
        found = await tx.run(
            _BEFORE,
            {"address": address, "conversation": threads[rank].id,
             "seq": min(bound, _LAST) if rank == top else _LAST, "most": limit + 1 - len(rows)},
        )  # fmt: skip
        rows += found
        if len(rows) > limit:
            break
    return await _compose(tx, threads, rows[:limit][::-1], more=len(rows) > limit)


async def said(tx: Tx, channel_id: int, urn: str, key: str) -> VisitorMessage | None:
    """The message of this visitor whose event has this key."""
    address = await _address(tx, channel_id, urn)
    if address is None:
        return None
    rows = await tx.run(_SAID, {"address": address, "channel": channel_id, "key": key})
    if not rows:
        return None
    return (await _compose(tx, await tx.run(_THREADS, {"address": address}), rows)).items[0]


async def news(
    tx: Tx, channel_id: int, urns: Collection[str], *, changed: Collection[str], touched: Collection[str]
) -> dict[str, Thread]:
    """What visitors must hear of: `changed` messages, and how far `touched` conversations were read.

    Only for the visitors in `urns`, and only for those of them that it concerns.
    """
    rows = await tx.run(_TOUCHED, {"channel": channel_id, "ids": list(touched)})
    urn_of = {row.id: row.urn for row in rows if row.urn in urns}
    ids: dict[str, list[str]] = {address: [] for address in urn_of}
    for row in await tx.run(_CHANGED, {"channel": channel_id, "ids": list(changed)}):
        if row.urn in urns:
            urn_of[row.id] = row.urn
            ids.setdefault(row.id, []).append(row.message_id)
    found = {}
    for address, wanted in ids.items():
        rows = await tx.run(_BY_ID, {"address": address, "ids": wanted}) if wanted else []
        found[urn_of[address]] = await _compose(tx, await tx.run(_THREADS, {"address": address}), rows)
    return found


async def acknowledge(
    tx: Tx, channel_id: int, urn: str, seq: int, status: Literal["delivered", "read"]
) -> None:
    """The visitor's page has, or showed, everything up to `seq`. Ring the bell `changes` afterwards."""
    address = await _address(tx, channel_id, urn)
    if address is None:
        return
    top, within = divmod(seq, _STEP)
    for rank, conversation in enumerate(await tx.run(_THREADS, {"address": address})):
        if rank <= top:
            await receipts.acknowledge(
                tx, conversation_id=conversation.id, address_id=address, status=status, now=now_ms(),
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


async def _address(tx: Tx, channel_id: int, urn: str) -> str | None:
    rows = await tx.run(_ADDRESS, {"channel": channel_id, "urn": urn})
    return rows[0].id if rows else None


async def _compose(tx: Tx, threads: Sequence[Row], rows: Sequence[Row], *, more: bool = False) -> Thread:
    """Rows as the visitor sees them, in their order."""
    ranks = {conversation.id: rank for rank, conversation in enumerate(threads)}
    found = await views(tx, [row.id for row in rows])
    items = [
        _view(found[row.id], ranks[row.conversation_id] * _STEP + row.seq, row.external_id) for row in rows
    ]
    last = threads[-1] if threads else None
    read = ranks[last.id] * _STEP + last.read_seq if last else 0
    return Thread(sorted(items, key=lambda item: item.seq), more, read, last.id if last else None)


def _view(message: MessageView, seq: int, external_id: str | None) -> VisitorMessage:
    mine = message.direction == "inbound"
    return VisitorMessage(
        id=message.id, seq=seq, mine=mine, kind=message.kind, text=message.text,
        attachments=message.attachments, status="sent" if mine else message.status,
        author="" if mine or message.author is None else message.author.name,
        client_id=external_id if mine else None, created_at=message.created_at,
    )  # fmt: skip
