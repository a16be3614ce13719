"""Processes of one installation before a vendor of our own, and agents who reply: a stage for measuring."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager

import sqlalchemy as sa

from benchmarks import gateways, verdict
from benchmarks.world import Chat, Crowd, Door, Turns, Vendor, drained, threads_of
from bridge.ids import now_ms
from bridge.store.engine import Database, Tx, connect
from tests import servers
from tests.bridges import Bridge
from tests.gateways import sign_up, until

_AT_ONCE = 200
_AGENTS = 200  # some may wait for a process that hangs
_SENDER = sa.text(
    """SELECT d.owner FROM duties d JOIN channels c ON d.name = 'send:' || c.id
    WHERE c.type = 'telegram' AND d.until > 0"""
)
# Replies as the gateway writes them, in the order of their numbers.
_REPLIES = """
    INSERT INTO messages (id, conversation_id, seq, direction, channel_id, address_id, client_id, text,
        status, created_at, deadline_at)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    SELECT {id}, c.id, c.last_seq + n, 'outbound', a.channel_id, a.id, 'seed-' || (c.last_seq + n),
        CAST(c.last_seq + n - 2 AS text), 'queued', CAST(:now AS bigint), CAST(:now AS bigint) + 86400000
    FROM conversations c JOIN addresses a ON a.id = c.address_id CROSS JOIN numbers"""
_IDS = {
    "postgresql": "uuidv7()",
    "sqlite": "lower(substr(printf('%012x', :now), 1, 8) || '-' || substr(printf('%012x', :now), 9) || '-7'"
    " || substr(hex(randomblob(2)), 2) || '-8' || substr(hex(randomblob(2)), 2) || '-'"
    " || hex(randomblob(6)))",
}
_COUNTED = sa.text("UPDATE conversations SET last_seq = last_seq + :count")
_DUE = sa.text(
    """INSERT INTO lanes (conversation_id, channel_id, due_at)
    SELECT c.id, a.channel_id, CAST(:now AS bigint) FROM conversations c
    JOIN addresses a ON a.id = c.address_id
    WHERE true ON CONFLICT (conversation_id) DO UPDATE SET due_at = excluded.due_at"""
)


class Clocked(Vendor):
    """Notes when each call came, and refuses what is beyond `overall` a second, or `each` to one chat."""

    def __init__(self, chats: Sequence[Chat], *, overall: int = 0, each: int = 0) -> None:
        super().__init__(chats, cut=0.0)
        self.came_at = array("d")
        self.refused = 0
        self._overall, self._each = overall, each
        self._chat_at: dict[int, float] = {}

    def allows(self, chat: int) -> bool:
        now = time.perf_counter()
        over = self._overall and len(self.came_at) >= self._overall and now - self.came_at[-self._overall] < 1
        if over or (self._each and now - self._chat_at.get(chat, -1.0) < 1 / self._each):
            self.refused += 1
            return False
        self.came_at.append(now)
        self._chat_at[chat] = now
        return True


class Stage:
    """Processes that serve, the customers' threads, and the crowd that writes in them."""

    def __init__(
        self, bridges: Sequence[Bridge], chats: Sequence[Chat], vendor: Vendor, crowd: Crowd,
        database: Database, door: Door, token: str, redis: servers.Valkey | None,
    ) -> None:  # fmt: skip
        self.door, self.token, self.redis = door, token, redis
        self.bridges, self.chats, self.vendor, self.crowd = bridges, chats, vendor, crowd
        self.database = database

    async def answer_all(self, times: int) -> None:
        """So many replies to every customer, each customer's one after the other."""

        async def answer(chat: Chat) -> None:
            for _ in range(times):
                await self.crowd.answer(chat)

        await asyncio.gather(*(answer(chat) for chat in self.chats))

    async def all_arrived(self, count: int, within: float) -> None:
        """Wait until the vendor has taken so many messages."""
        async with asyncio.timeout(within):
            while self.vendor.replies < count:  # noqa: ASYNC110  # the vendor has no time to ring
                await asyncio.sleep(0.05)

    async def sender(self) -> Bridge:
        """The process that has the duty to send."""

        async def look() -> Bridge | None:
            owners = await self.database.read(lambda tx: tx.run(_SENDER))
            pids = {int(row.owner.split(":")[1]) for row in owners}
            return next((bridge for bridge in self.bridges if bridge.process.pid in pids), None)

        return await until(look, within=60)

    @asynccontextmanager
    async def replies(self, rate: float) -> AsyncIterator[None]:
        """Agents who answer all the time, so many a second; afterwards every reply comes to its end."""
        turns = Turns(rate)
        agents = [asyncio.create_task(self.crowd.agent(turns.more)) for _ in range(_AGENTS)]
        try:
            yield
        finally:
            turns.over = True
            await asyncio.gather(*agents)
        await drained(self.database)

    async def verdict(self) -> Counter[str]:
        """What was not kept of all that was promised."""
        return await verdict.look(self.database, self.chats)

    async def queue(self, each: int) -> None:
        """So many replies more to every customer, straight into the database: they are due now."""
        for begin in range(0, each, 10):
            await self.database.write(lambda tx: _queue(tx, min(10, each - begin)))  # noqa: B023
        for chat in self.chats:
            chat.answered += each


async def _queue(tx: Tx, count: int) -> None:
    given = {"count": count, "now": now_ms()}
    await tx.count(sa.text(_REPLIES.format(id=_IDS[tx.engine])), given)
    await tx.count(_COUNTED, {"count": count})
    await tx.count(_DUE, {"now": given["now"]})


@asynccontextmanager
async def stage(
    vendor: Vendor, chats: Sequence[Chat], *, engine: str, processes: int = 1,
    settings: Mapping[str, str] | None = None, redis: bool = True,
) -> AsyncIterator[Stage]:  # fmt: skip
    """Everything begun, every customer known; the first process has the duties."""
    door = Door(vendor)
    await door.open()
    with gateways.folder() as place, ExitStack() as stack:
        given = {**gateways.telegram(vendor), **gateways.QUIET, **(settings or {})}
        valkey = None
        if engine == "sqlite":
            given["DATABASE_URL"] = f"sqlite:///{place / 'bridge.db'}"
        else:
            postgres = stack.enter_context(servers.postgresql(durable=True))
            given["DATABASE_URL"] = postgres.url(postgres.create())
            if redis:
                valkey = stack.enter_context(servers.valkey())
                given["REDIS_URL"] = valkey.url
        bridges = [stack.enter_context(Bridge(place / f"{number}", given)) for number in range(processes)]
        await asyncio.to_thread(bridges[0].start)
        await asyncio.gather(*(asyncio.to_thread(bridge.start) for bridge in bridges[1:]))
        database = connect(given["DATABASE_URL"])
        doors = [bridge.url for bridge in bridges]
        try:
            token = await sign_up(database)
            async with Crowd(chats, doors, token) as crowd:
                for begin in range(0, len(chats), _AT_ONCE):
                    await asyncio.gather(*map(crowd.write, chats[begin : begin + _AT_ONCE]))
                await threads_of(database, chats)
                yield Stage(bridges, chats, vendor, crowd, database, door, token, valkey)
        finally:
            await database.close()
            door.shut()
