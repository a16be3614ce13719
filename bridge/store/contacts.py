"""Contacts: people, with every address where they are reached."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from bridge.errors import NotFound
from bridge.ids import now_ms
from bridge.store.changes_log import note_changes
from bridge.store.engine import Row, Tx
from bridge.store.tables import addresses, channels, contacts, conversations, messages
from bridge.store.usable import why_not
from bridge.views import AddressView, ContactView

_IDS: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
_CONTACTS = sa.select(contacts).where(contacts.c.id.in_(_IDS))
_last_inbound_at = (
    sa.select(sa.func.max(messages.c.created_at))
    .join(conversations, conversations.c.id == messages.c.conversation_id)
    .where(
        conversations.c.contact_id == addresses.c.contact_id,
        messages.c.address_id == addresses.c.id,
        messages.c.direction == "inbound",
    )
    .scalar_subquery()
)
# The one that was used last comes first.
_ADDRESSES = (
    sa.select(
        addresses,
        channels.c.type.label("channel"),
        channels.c.state.label("channel_state"),
        _last_inbound_at.label("last_inbound_at"),
    )
    .join(channels, channels.c.id == addresses.c.channel_id)
    .where(addresses.c.contact_id.in_(_IDS))
    .order_by(sa.func.coalesce(_last_inbound_at, 0).desc(), addresses.c.id)
)


async def views(tx: Tx, ids: Collection[str]) -> dict[str, ContactView]:
    """The contacts with these ids, two statements for any number; unknown ids are left out."""
    if not ids:
        return {}
    known = await tx.run(_CONTACTS, {"ids": list(ids)})
    found: dict[str, list[AddressView]] = {row.id: [] for row in known}
    for row in await tx.run(_ADDRESSES, {"ids": list(ids)}):
        found[row.contact_id].append(_address(row))
    return {
        row.id: ContactView(id=row.id, name=row.name, created_at=row.created_at, addresses=found[row.id])
        for row in known
    }


async def rename(tx: Tx, contact_id: str, name: str) -> ContactView:
    """Give a contact a name; `NotFound` for nobody. Ring the bell `changes` after the commit."""
    statement = sa.update(contacts).where(contacts.c.id == contact_id).values(name=name)
    if not await tx.count(statement):
        raise NotFound("There is no such contact")
    threads = await tx.run(
        sa.select(conversations.c.id).where(
            conversations.c.contact_id == contact_id, conversations.c.ended_at.is_(None)
        )
    )
    now = now_ms()
    await note_changes(tx, [("contact", None, contact_id)], now)
    await note_changes(tx, [("conversation", row.id, None) for row in threads], now)
    return (await views(tx, [contact_id]))[contact_id]


def _address(row: Row) -> AddressView:
    usable = why_not(state=row.state, consent_at=row.consent_at, channel_state=row.channel_state)
    return AddressView(
        id=row.id, urn=row.urn, channel=row.channel, channel_id=row.channel_id, handle=row.handle,
        state=row.state, verified=bool(row.verified), consent_source=row.consent_source,
        consent_at=row.consent_at, last_inbound_at=row.last_inbound_at, usable=usable,
    )  # fmt: skip
