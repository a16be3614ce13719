"""How far vendors' lists were read: kept over restarts, and never taken for more than it is."""

from __future__ import annotations

from bridge.ids import now_ms
from bridge.models import Ignored
from bridge.store import channels, sweeps
from bridge.store.engine import Database
from bridge.store.sweeps import Swept
from tests.store.test_inbound import hello, take


async def find(database: Database, channel: int) -> Swept:
    """What is known of a channel."""
    return await database.read(lambda tx: sweeps.find(tx, channel))


async def test_channel_that_was_never_swept_knows_when_it_came(database: Database, channel: int) -> None:
    """That is where its first sweep begins."""
    found = await find(database, channel)
    assert (found.at, found.reached) == (0, {})
    assert 0 <= found.now - found.created_at < 60_000
    assert abs(found.now - now_ms()) < 60_000


async def test_what_was_reached_is_there_after_a_restart(database: Database, channel: int) -> None:
    """Each channel has its own, and a start anew registers it again without touching it."""
    other = await database.write(lambda tx: channels.register(tx, "sms", "+390546010200", "SMS"))
    for reached in (5, 7):
        swept = Swept(created_at=1, now=2, at=3, reached={"+390546010200": reached})
        await database.write(lambda tx, it=swept: sweeps.keep(tx, other, it))  # type: ignore[misc]  # written at once
    assert await database.write(lambda tx: channels.register(tx, "sms", "+390546010200", "SMS")) == other
    found = await find(database, other)
    assert (found.at, found.reached) == (3, {"+390546010200": 7})
    assert found.created_at > 1
    assert (await find(database, channel)).reached == {}


async def test_known_is_what_has_come_on_this_channel(database: Database, channel: int) -> None:
    """A message, and what a person has to look at; another channel's ids are another matter."""
    other = await database.write(lambda tx: channels.register(tx, "sms", "+390546010200", "SMS"))
    await take(database, channel, hello(1), Ignored(key="odd", parked="odd"))
    await take(database, other, hello(2))
    keys = ["update:1", "odd", "update:2", "never", "", "update:1"]
    found = await database.read(lambda tx: sweeps.known(tx, channel, keys))
    assert found == {"update:1", "odd"}
    assert await database.read(lambda tx: sweeps.known(tx, channel, [])) == set()
