"""Customers who write, agents who answer and a vendor that drops calls, while processes are killed.

Everybody does what the real ones do: a webhook is brought again until it was taken, and a tenth of them
twice; a reply is asked for again under its `client_id` until it was accepted; one call in twenty is taken
by the vendor and cut before its answer. What was promised is remembered here, to be looked for at the end.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import aiohttp
import orjson
import sqlalchemy as sa

from benchmarks.http import first_message
from benchmarks.telegram import SECRET, BotApi
from bridge.store.engine import Database
from tests.gateways import until

REPEATED = 0.10
CUT = 0.05
_DRAIN = 900.0  # seconds; a lane rests for a minute after each reply of which nobody knows
_AGAIN = 0.05  # seconds until somebody who was sent away comes again
_PATIENCE = aiohttp.ClientTimeout(total=20)
_TEXT = re.compile(rb"(?:^|&)text=(\d+)")
_CHAT = re.compile(rb"(?:^|&)chat_id=(\d+)")
_NO = b'{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":1}}'
_TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
) % (len(_NO), _NO)


@dataclass(slots=True)
class Chat:
    """One customer: how many messages were taken, how many replies accepted, and what arrived."""

    number: int
    thread: str = ""
    written: int = 0
    answered: int = 0
    arrived: list[int] = field(default_factory=list)
    writing: bool = False
    answering: bool = False


class Vendor(BotApi):
    """The Bot API: what it takes is there, also where its answer is lost."""

    def __init__(self, chats: Sequence[Chat], *, cut: float = CUT) -> None:
        super().__init__()
        self.cut = 0
        self.rest = 0.0
        """Seconds until it answers what it took."""
        self._chats = chats
        self._cut = cut
        self._chance = random.Random()

    def allows(self, _chat: int) -> bool:
        """Whether it takes a message to a chat now; else it asks for a pause."""
        return True

    def take(self, chat: int, text: int) -> None:
        """A message is with its customer."""
        self._chats[chat - 1].arrived.append(text)

    def answer(self, head: bytes, body: bytes) -> bytes:
        """The response to one call; none where the connection is cut."""
        if not head.partition(b" HTTP/")[0].endswith(b"/sendMessage"):
            return super().answer(head, body)
        chat, text = _CHAT.search(body), _TEXT.search(body)
        assert chat
        assert text, body
        if not self.allows(int(chat[1])):
            return _TOO_MANY
        self.take(int(chat[1]), int(text[1]))
        self.replies += 1
        if self._chance.random() < self._cut:
            self.cut += 1
            return b""
        result = b'{"message_id":%d,"date":1,"chat":{"id":%b,"type":"private"}}' % (self.replies, chat[1])
        return (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            b'{"ok":true,"result":%b}' % (len(result) + 21, result)
        )


class Door:
    """The vendor's port, which may be shut."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._server: asyncio.Server | None = None
        self.open_calls: set[asyncio.Transport] = set()

    async def open(self) -> None:
        """Take connections, on the port of before."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Call(self._vendor, self), "127.0.0.1", self._vendor.port
        )
        self._vendor.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Refuse connections, and end those that are open."""
        if self._server:
            self._server.close()
        for transport in [*self.open_calls]:
            transport.abort()


class Call(asyncio.Protocol):
    """One connection of the bot."""

    def __init__(self, vendor: Vendor, door: Door) -> None:
        self._vendor, self._door = vendor, door
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._door.open_calls.add(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._door.open_calls.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while found := first_message(self._buffer):
            head, body, self._buffer = found
            answer = self._vendor.answer(head, body)
            if not answer:
                self._transport.abort()
                return
            if self._vendor.rest:
                asyncio.get_running_loop().call_later(self._vendor.rest, self._write, answer)
            else:
                self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():  # who asked may have been killed
            self._transport.write(answer)


class Crowd:
    """Customers and agents, who come to any of the doors."""

    def __init__(self, chats: Sequence[Chat], doors: Sequence[str], token: str) -> None:
        self._chats, self._doors = chats, doors
        self._agent = {"Authorization": f"Bearer {token}"}
        self._updates = 0
        self._chance = random.Random()
        self._http: aiohttp.ClientSession
        self.refused: dict[str, int] = defaultdict(int)
        self.waits: list[float] = []
        """Seconds from each webhook to its 2xx, however often it was brought."""

    async def __aenter__(self) -> Crowd:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), json_serialize=lambda body: orjson.dumps(body).decode(),
            timeout=_PATIENCE,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    def come_to(self, door: str) -> None:
        """Everybody comes to this one from now on."""
        self._doors = [door]

    async def customer(self, more: Callable[[], Awaitable[bool]]) -> None:
        """Write as one customer or another while there is more to write."""
        while await more():
            chat = self._chance.choice(self._chats)
            if not chat.writing:
                chat.writing = True
                await self.write(chat)
                chat.writing = False

    async def write(self, chat: Chat) -> None:
        """One message, brought until it is taken."""
        self._updates += 1
        who = {"id": chat.number, "is_bot": False, "first_name": f"Chat {chat.number}"}
        body = {
            "update_id": self._updates,
            "message": {
                "message_id": chat.written + 1, "date": int(time.time()), "from": who,
                "chat": {"id": chat.number, "type": "private", "first_name": f"Chat {chat.number}"},
                "text": f"{chat.written}",
            },
        }  # fmt: skip
        times = 2 if self._chance.random() < REPEATED else 1
        began = time.perf_counter()
        await asyncio.gather(*(self._bring(body) for _ in range(times)))
        self.waits.append(time.perf_counter() - began)
        chat.written += 1

    async def _bring(self, body: object) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
        await self._insist("/webhooks/telegram", body, headers)

    async def agent(self, more: Callable[[], Awaitable[bool]]) -> None:
        """Answer one customer or another while there is more to answer."""
        while await more():
            chat = self._chance.choice(self._chats)
            if not chat.answering:
                chat.answering = True
                await self.answer(chat)
                chat.answering = False

    async def answer(self, chat: Chat) -> None:
        """One reply, asked for until it is accepted."""
        body = {"text": f"{chat.answered}", "client_id": f"{chat.answered}"}
        await self._insist(f"/api/conversations/{chat.thread}/messages", body, self._agent)
        chat.answered += 1

    async def _insist(self, path: str, body: object, headers: dict[str, str]) -> None:
        """Come again, to any door, until it was taken."""
        while True:
            if await self._post(path, body, headers):
                return
            await asyncio.sleep(_AGAIN)

    async def _post(self, path: str, body: object, headers: dict[str, str]) -> bool:
        try:
            door = self._chance.choice(self._doors)
            async with self._http.post(door + path, json=body, headers=headers) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, OSError) as error:
            self.refused[type(error).__name__] += 1
            return False
        if status in (200, 201):
            return True
        self.refused[str(status)] += 1
        assert status == 503, status
        return False


async def threads_of(database: Database, chats: Sequence[Chat]) -> None:
    """Learn the conversation of each customer."""
    query = sa.text("SELECT c.id, a.urn FROM conversations c JOIN addresses a ON a.id = c.address_id")
    for row in await database.read(lambda tx: tx.run(query)):
        chats[int(row.urn.partition(":")[2]) - 1].thread = row.id


async def drained(database: Database) -> None:
    """Wait until every reply has come to an end, or until that is hopeless."""

    async def nothing_waits() -> bool:
        await asyncio.sleep(1)
        found = await states(database)
        return not found["queued"] + found["sending"]

    with suppress(TimeoutError):  # what has not ended by then is counted
        await until(nothing_waits, _DRAIN)


async def states(database: Database) -> Counter[str]:
    """How many replies are in each state."""
    query = sa.text("SELECT status, count(*) AS n FROM messages WHERE direction = 'outbound' GROUP BY status")
    return Counter({row.status: row.n for row in await database.read(lambda tx: tx.run(query))})


class Turns:
    """So many a second over all who ask, until they are over."""

    def __init__(self, rate: float) -> None:
        self._rest = 1 / rate
        self._next = time.perf_counter()
        self.over = False

    async def more(self) -> bool:
        """Wait for one's turn; whether there is one."""
        if self.over:
            return False
        now = time.perf_counter()
        self._next = max(self._next + self._rest, now - 1)  # who fell behind does not catch up for ever
        if self._next > now:
            await asyncio.sleep(self._next - now)
        return not self.over
