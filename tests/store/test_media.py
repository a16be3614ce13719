"""Customers' files: what two nodes say of the same one."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from bridge.models import Inbound, Media
from bridge.store import changes, channels, media
from bridge.store.engine import Database
from bridge.store.files import Stored
from bridge.store.tables import attachments
from bridge.store.tables import channels as channel_rows
from tests.store.test_changes import follow
from tests.store.test_inbound import rows, take

PHOTO = Inbound(key="1", urn="telegram:7", kind="image", media=(Media(kind="image", ref="f1"),))
FILE = Stored("ab" * 32, 3, "image/png")


@pytest.fixture
async def file_id(database: Database, channel: int) -> str:
    """A picture that one node claimed before it was suspended, and another node claimed after it."""
    await take(database, channel, PHOTO)
    (first,), (second,) = [await database.write(lambda tx: media.claim(tx, 4, 0)) for _ in range(2)]
    assert first.id == second.id
    return str(second.id)


async def file(database: Database) -> Any:
    """The only one."""
    (found,) = await rows(database, attachments)
    return found


async def test_file_that_is_there_stays_whatever_a_sleeper_brings(database: Database, file_id: str) -> None:
    """The node that was suspended finds its connection dead: that says nothing of the file."""
    await database.write(lambda tx: media.stored(tx, file_id, FILE))
    position = await database.read(changes.now)
    await database.write(lambda tx: media.gave_up(tx, file_id, "failed"))
    await database.write(lambda tx: media.later(tx, file_id, 0))
    await database.write(lambda tx: media.stored(tx, file_id, Stored("cd" * 32, 3, "image/png")))
    assert (await file(database)).sha256 == FILE.sha256
    assert (await file(database)).state == "stored"
    assert not await database.write(lambda tx: media.claim(tx, 4, 0))
    assert (await follow(database, position))[0] == [], "pages hear of nothing"


async def test_file_that_was_given_up_may_come_all_the_same(database: Database, file_id: str) -> None:
    """One node gave up while the other was still fetching: what is there is shown."""
    await database.write(lambda tx: media.gave_up(tx, file_id, "failed"))
    await database.write(lambda tx: media.later(tx, file_id, 0))
    assert not await database.write(lambda tx: media.claim(tx, 4, 0))
    await database.write(lambda tx: media.stored(tx, file_id, FILE))
    assert (await file(database)).state == "stored"


async def test_no_file_is_asked_for_while_its_channel_rests(database: Database, channel: int) -> None:
    """The vendor asked for a pause, and every call counts; files of other channels go on."""
    other = await database.write(lambda tx: channels.register(tx, "sms", "1", "SMS"))
    for row in (channel, other):
        await take(database, row, PHOTO)
    await database.write(lambda tx: channels.pause(tx, channel, 60_000))
    (claimed,) = await database.write(lambda tx: media.claim(tx, 4, 60_000))
    assert claimed.channel_id == other
    await database.write(lambda tx: tx.run(sa.update(channel_rows).values(paused_until=1)))
    (claimed,) = await database.write(lambda tx: media.claim(tx, 4, 60_000))
    assert claimed.channel_id == channel
