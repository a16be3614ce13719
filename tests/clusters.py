"""Several processes of Bridge on one PostgreSQL and one Redis, as on many machines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import aiohttp

from bridge.sandbox.vendors import Vendors
from bridge.store import engine
from tests.bridges import FAST, Bridge
from tests.gateways import Desk, Json, sign_up, until
from tests.webhooks import post_form, sms

ENDED = {"sent", "delivered", "unknown"}
# aiogram takes five seconds of a processor to load: where nothing is said of Telegram it stays away.
ONLY_SMS = {"TELEGRAM_BOT_TOKEN": ""}

# Seconds between two messages of a customer, who leaves the processor to others meanwhile.
_PACE = 0.05


@dataclass(frozen=True)
class Node:
    """One process, and Anna's hands at it."""

    bridge: Bridge
    desk: Desk


class Cluster:
    """Processes that share a database, a Redis, a data folder, a secret and a public address."""

    def __init__(
        self, folder: Path, database_url: str, vendors: Vendors, settings: Mapping[str, str],
        until_the_end: AsyncExitStack,
    ) -> None:  # fmt: skip
        self._folder, self.vendors = folder, vendors
        self._settings = {
            **vendors.environment(), **FAST, "DATABASE_URL": database_url,
            "BRIDGE_DATA_DIR": str(folder / "data"), **settings,
        }  # fmt: skip
        self._until_the_end = until_the_end
        self.headers: dict[str, str] | None = None
        self.port = 0
        self.nodes: list[Node] = []
        # Where vendors and agents knock, and what vendors were told that was not 200.
        self.doors: list[Desk] = []
        self.refusals: list[int] = []

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __getitem__(self, index: int) -> Node:
        return self.nodes[index]

    @property
    def url(self) -> str:
        """Where vendors and visitors believe it to be: at its first process, if nothing else was said."""
        return self._settings["BRIDGE_PUBLIC_URL"]

    @property
    def bridges(self) -> list[Bridge]:
        """The processes."""
        return [node.bridge for node in self.nodes]

    async def join(self, count: int = 1) -> None:
        """So many processes more, ready."""
        fresh = [self._bridge(len(self.nodes) + number) for number in range(count)]
        await asyncio.gather(*(asyncio.to_thread(bridge.start) for bridge in fresh))
        if self.headers is None:
            self.headers = await self._sign_up()
        self.nodes += [Node(bridge, await self.desk_at(bridge.url)) for bridge in fresh]
        self.doors = [node.desk for node in self.nodes]

    async def desk_at(self, url: str) -> Desk:
        """Anna's hands at another address of it."""
        http = aiohttp.ClientSession(url, headers=self.headers)
        await self._until_the_end.enter_async_context(http)
        return Desk(url, http, self.vendors)

    async def _sign_up(self) -> dict[str, str]:
        database = engine.connect(self._settings["DATABASE_URL"])
        token = await sign_up(database)
        await database.close()
        return {"Authorization": f"Bearer {token}"}

    def _bridge(self, number: int) -> Bridge:
        bridge = Bridge(self._folder / f"node-{number}", self._settings)
        if self.port:
            bridge.stand_at(f"127.0.0.{number + 1}", self.port)
        self._settings.setdefault("BRIDGE_PUBLIC_URL", bridge.url)
        bridge.settings |= self._settings
        self.vendors.serve_webhooks_of(self._settings["BRIDGE_PUBLIC_URL"])
        return self._until_the_end.enter_context(bridge)


@asynccontextmanager
async def cluster(
    folder: Path, database_url: str, vendors: Vendors, settings: Mapping[str, str] = ONLY_SMS, nodes: int = 3,
    *, sign_in: bool = True, port: int = 0,
) -> AsyncIterator[Cluster]:  # fmt: skip
    """So many processes, all ready, between the stand-ins of this process and Anna at each of them.

    Without `sign_in` nobody is an agent yet. With a `port` they are at 127.0.0.1, .2 and so on.
    """
    async with AsyncExitStack() as until_the_end:
        made = Cluster(folder, database_url, vendors, settings, until_the_end)
        made.headers = None if sign_in else {}
        made.port = port
        await made.join(nodes)
        yield made


class Phone:
    """A customer who writes numbered messages and gets numbered replies, at whichever process takes them."""

    def __init__(self, cluster: Cluster, index: int) -> None:
        self._cluster = cluster
        self._turn = count(index)
        self._index = index
        self.number = f"+39333123456{index}"
        self.name = f"+39 333 123 456{index}"
        self.written = 0
        self._thread = ""

    async def exchange(self) -> None:
        """One message, and one reply."""
        self.written += 1
        await self._anywhere(self._write)
        self._thread = self._thread or await self._find()
        await self._anywhere(self._be_answered)

    async def _find(self) -> str:
        return await self._door().conversation(self.name)

    def _door(self) -> Desk:
        return self._cluster.doors[next(self._turn) % len(self._cluster.doors)]

    async def _anywhere(self, deliver: Callable[[Desk], Awaitable[int]]) -> None:
        """As vendors and pages do it: again until it was taken, each time at another process."""

        async def attempt() -> bool:
            try:
                status = await deliver(self._door())
            except aiohttp.ClientError:
                return False
            assert status in (200, 201, 502, 503, 504), status
            return status < 300

        await until(attempt, within=90)

    async def _write(self, desk: Desk) -> int:
        form = sms(self._cluster.vendors, f"SM{self._index:02}{self.written:030}", f"{self.written}",
                   sender=self.number)  # fmt: skip
        status = await post_form(desk.http, self._cluster.vendors, self._cluster.url, form)
        if status != 200:
            self._cluster.refusals.append(status)
        return status

    async def _be_answered(self, desk: Desk) -> int:
        body = {"text": f"{self.name}: {self.written}", "client_id": f"{self.written}"}
        async with desk.http.post(f"/api/conversations/{self._thread}/messages", json=body) as answer:
            return answer.status

    async def find_all(self, desk: Desk) -> None:
        """Everything is there once and in order, and each reply was sent once or is flagged."""
        replies = await until(lambda: self._settled(desk), within=120)
        numbers = range(1, self.written + 1)
        inbound = [m["text"] for m in await self._messages(desk) if m["direction"] == "inbound"]
        assert inbound == [f"{number}" for number in numbers]
        assert [reply["text"] for reply in replies] == [f"{self.name}: {number}" for number in numbers]
        arrived = [entry["body"] for entry in desk.vendors.sms.sent if entry["to"] == self.number]
        assert arrived == [reply["text"] for reply in replies if reply["text"] in set(arrived)]
        assert {reply["text"] for reply in replies if reply["status"] != "unknown"} <= set(arrived)

    async def _settled(self, desk: Desk) -> list[Json] | None:
        replies = [m for m in await self._messages(desk) if m["direction"] == "outbound"]
        return replies if all(reply["status"] in ENDED for reply in replies) else None

    async def _messages(self, desk: Desk) -> list[Json]:
        path, found = f"/api/conversations/{self._thread}/messages", list[Json]()
        while page := (await desk.get(path, after=found[-1]["seq"] if found else 0, limit=100))["items"]:
            found += page
        return found


async def more(phones: Sequence[Phone]) -> None:
    """Wait until every customer has been through a few more exchanges."""
    before = [phone.written for phone in phones]

    async def look() -> bool:
        return all(phone.written > written + 2 for phone, written in zip(phones, before, strict=True))

    await until(look, within=90)


@asynccontextmanager
async def traffic(cluster: Cluster, phones: int = 6) -> AsyncIterator[list[Phone]]:
    """Customers who write and are answered all the time, at every process; all is found in the end.

    The last process must be there then.
    """
    made = [Phone(cluster, index) for index in range(phones)]
    await asyncio.gather(*(phone.exchange() for phone in made))
    stop = asyncio.Event()

    async def talk(phone: Phone) -> None:
        while not stop.is_set():
            await phone.exchange()
            await asyncio.sleep(_PACE)

    async with asyncio.TaskGroup() as talks:
        for phone in made:
            talks.create_task(talk(phone))
        yield made
        stop.set()
    await asyncio.gather(*(phone.find_all(cluster[-1].desk) for phone in made))
