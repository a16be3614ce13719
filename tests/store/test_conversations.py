"""Conversations and contacts: where the next reply goes, and why it cannot."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bridge.models import AddressState, Standing
from bridge.store import channels, contacts, conversations
from bridge.store.conversations import Filter
from bridge.store.engine import Database
from bridge.store.tables import addresses
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
