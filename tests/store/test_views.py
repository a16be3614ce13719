"""Views of many things cost as many statements as views of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.ids import new_id
from bridge.models import Media
from bridge.store import contacts, conversations, messages
from bridge.store.engine import Call, Database, EngineName, Row, Spelled, Tx
from bridge.store.inbound import Intake, receive
from bridge.store.tables import contacts as contact_table
from bridge.store.tables import conversations as conversation_table
from bridge.store.tables import messages as message_table
from tests.store.test_inbound import hello, take

Views = Callable[[Tx, Collection[str]], Awaitable[Mapping[str, Any]]]


class Counting:
    """A transaction that counts what it is asked."""

    def __init__(self, tx: Tx) -> None:
        self.engine: EngineName = tx.engine
        self.statements = 0
        self._tx = tx
        self.begin = tx.begin

    async def run(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Count, and pass on."""
        self.statements += 1
        return await self._tx.run(statement, params)

    async def count(self, statement: sa.Executable, params: Mapping[str, Any] | None = None) -> int:
        """Count, and pass on."""
        self.statements += 1
        return await self._tx.count(statement, params)

    async def fetch(self, statement: Spelled, values: Sequence[Any]) -> Sequence[Any]:
        """Count, and pass on."""
        self.statements += 1
        return await self._tx.fetch(statement, values)

    async def call(self, calls: Sequence[Call]) -> Sequence[str | None]:
        """Count, and pass on."""
        self.statements += 1
        return await self._tx.call(calls)


@pytest.mark.parametrize(
    ("views", "table", "most"),
    [(conversations.views, conversation_table, 1), (messages.views, message_table, 2),
     (contacts.views, contact_table, 2)],
)  # fmt: skip
async def test_number_of_statements_does_not_grow(
    database: Database, channel: int, views: Views, table: sa.Table, most: int
) -> None:
    """The live feed and the lists stay quick however many customers write at once."""
    media = (Media(kind="image", ref="r"), Media(kind="image", ref="s"))
    events = tuple(hello(n, chat=n % 20, media=media) for n in range(60))
    await database.write(lambda tx: receive(tx, [Intake(channel, events)]))

    async def look(tx: Tx) -> tuple[int, int, int]:
        ids = [row.id for row in await tx.run(sa.select(table.c.id))]
        counting = Counting(tx)
        found = await views(counting, [*ids, new_id()])
        assert await views(counting, []) == {}
        return len(ids), len(found), counting.statements

    wanted, found, statements = await database.read(look)
    assert wanted == found >= 20
    assert statements <= most


async def test_album_shows_its_files_in_order(database: Database, channel: int) -> None:
    """Files that arrive apart stand in one message, in the order in which they came."""
    parts = [
        hello(number, album="a1", media=(Media(kind="image", ref=str(number), name=f"{number}.jpg"),))
        for number in range(4)
    ]
    # In pieces as polling may cut them, also in the middle of what other customers write.
    await take(database, channel, hello(10, chat=8), hello(11, chat=8), parts[0])
    await take(database, channel, parts[1], parts[2])
    await take(database, channel, parts[3])
    (row,) = await database.read(lambda tx: tx.run(sa.text("SELECT id FROM messages WHERE album = 'a1'")))
    message = (await database.read(lambda tx: messages.views(tx, [row.id])))[row.id]
    assert [file.name for file in message.attachments] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
