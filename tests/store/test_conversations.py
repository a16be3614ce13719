"""Conversations and contacts: where the next reply goes, and why it cannot."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bridge.models import AddressState, Standing
from bridge.store import channels, contacts, conversations
from bridge.store.conversations import Filter
from bridge.store.engine import Database
from bridge.store.tables import addresses, messages
from bridge.store.tables import conversations as conversation_rows
from bridge.views import ConversationView
from tests.store.test_inbound import hello, take


async def only(database: Database) -> ConversationView:
    """The one conversation there is."""
    (item,), _ = await database.read(lambda tx: conversations.page(tx, Filter(), after=None, limit=9))
    return item


async def blocked(database: Database) -> str:
    """Why the next reply cannot go, or nothing."""
    route = (await only(database)).route
    assert route
    return route.blocked


async def test_channel_that_is_off_closes_its_routes(database: Database, channel: int) -> None:
    """The page says so before an agent has typed anything; a new start with its credentials opens them."""
    await take(database, channel, hello(1))
    await database.write(lambda tx: channels.switch_off_others(tx, [channel]))
    assert await blocked(database) == ""
    await database.write(lambda tx: channels.switch_off_others(tx, []))
    assert await blocked(database) == "channel_off"
    item = await only(database)
    contact = (await database.read(lambda tx: contacts.views(tx, [item.contact.id])))[item.contact.id]
    assert [address.usable for address in contact.addresses] == ["channel_off"]
    await database.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))
    assert await blocked(database) == ""


@pytest.mark.parametrize("state", ["blocked", "opted_out", "invalid"])
async def test_closed_address_says_why(database: Database, channel: int, state: AddressState) -> None:
    """What the customer decided comes before anything that is wrong with the channel."""
    standing = Standing(key="s", urn="telegram:7", state=state)
    await take(database, channel, hello(1), standing)
    await database.write(lambda tx: channels.switch_off_others(tx, []))
    assert await blocked(database) == state


async def test_address_without_consent_says_so(database: Database, channel: int) -> None:
    """An address that was only linked is not one that agreed."""
    await take(database, channel, hello(1))
    await database.write(lambda tx: tx.run(sa.update(addresses).values(consent_at=None)))
    assert await blocked(database) == "no_consent"
    item = await only(database)
    route = await database.read(lambda tx: conversations.route(tx, item.id))
    assert route
    assert (route.channel_id, route.urn) == (channel, "telegram:7")


async def test_list_of_all_states_is_one_list(database: Database, channel: int) -> None:
    """Page by page, the newest first, each conversation once, whatever has become of it."""
    for number in range(7):
        await take(database, channel, hello(number, chat=number))
    ids = [item.id for item in (await listed(database))]
    for conversation in ids[1::2]:
        await database.write(
            lambda tx: tx.run(
                sa.update(conversation_rows)
                .where(conversation_rows.c.id == conversation)  # noqa: B023  # awaited at once
                .values(status="resolved")
            )
        )
    assert [item.id for item in (await listed(database, limit=2))] == ids
    resolved = await listed(database, Filter(status="resolved"), limit=2)
    assert [item.id for item in resolved] == ids[1::2]


async def listed(
    database: Database, wanted: Filter | None = None, limit: int = 100
) -> list[ConversationView]:
    """All pages of a list."""
    found: list[ConversationView] = []
    place = None
    while True:
        items, place = await database.read(
            lambda tx: conversations.page(tx, wanted or Filter(), after=place, limit=limit)  # noqa: B023
        )
        found += items
        if place is None:
            return found


async def test_address_that_was_used_last_comes_first(database: Database, channel: int) -> None:
    """Agents see when their customer last wrote, and where; a repeated handle changes nothing."""
    other = await database.write(lambda tx: channels.register(tx, "sms", "2", "SMS"))
    await take(database, channel, hello(1, handle="@giulia"))
    contact_id = (await only(database)).contact.id
    await take(database, other, hello(2))
    await database.write(
        lambda tx: tx.run(
            sa.update(addresses).where(addresses.c.channel_id == other).values(contact_id=contact_id)
        )
    )
    await database.write(lambda tx: tx.run(sa.update(messages).values(created_at=messages.c.created_at - 9)))
    await take(database, other, hello(3))
    contact = (await database.read(lambda tx: contacts.views(tx, [contact_id])))[contact_id]
    assert [address.channel for address in contact.addresses] == ["sms", "telegram"]
    await database.write(lambda tx: tx.run(sa.update(messages).values(created_at=messages.c.created_at - 9)))
    await take(database, channel, hello(4, handle="@giulia"))
    contact = (await database.read(lambda tx: contacts.views(tx, [contact_id])))[contact_id]
    assert [address.channel for address in contact.addresses] == ["telegram", "sms"]
    assert [address.handle for address in contact.addresses] == ["@giulia", ""]
