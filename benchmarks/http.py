"""A lean HTTP/1.1 client on raw asyncio, so that the load is never what limits a measurement."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import cast

# The next request to send, or nothing.
Source = Callable[[], bytes | None]

_BLANK = b"\r\n\r\n"
_LENGTH = b"content-length:"


def first_message(buffer: bytes) -> tuple[bytes, bytes, bytes] | None:
    """`(head, body, rest)` of the first message in a buffer, once it is complete."""
    end = buffer.find(_BLANK)
    if end < 0:
        return None
    head = buffer[:end]
    at = head.lower().find(_LENGTH)
    length = int(head[at + len(_LENGTH) :].partition(b"\r\n")[0]) if at >= 0 else 0
    begin = end + len(_BLANK)
    if len(buffer) < begin + length:
        return None
    return head, buffer[begin : begin + length], buffer[begin + length :]


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._buffer = b""
        self.due = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        found = first_message(self._buffer)
        if found is None:
            return
        head, body, self._buffer = found
        if head[9:10] != b"2":
            self._client.failed(f"{head[:12].decode()} {body[:200].decode(errors='replace')}")
        self._client.waits.append(time.perf_counter() - self.due)
        self._client.answered(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.failed(f"a connection was lost: {error or 'closed by the server'}")


class Client:
    """`connections` keep-alive connections to one server of loopback. Any answer but 2xx is an error."""

    def __init__(self, port: int, connections: int) -> None:
        self._port, self._count = port, connections
        self._idle: list[_Connection] = []
        self._source: Source = lambda: None
        self._quiet = asyncio.Event()
        self._failure = ""
        self._closing = False
        self._due = 0.0
        self.waits: list[float] = []
        """Seconds from the moment each request was due to its answer."""

    async def __aenter__(self) -> Client:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, made = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
            self._idle.append(made)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for connection in self._idle:
            connection.transport.close()
        await asyncio.sleep(0)

    async def closed_loop(self, source: Source) -> None:
        """Every connection sends again as soon as it is answered, until the source is dry."""
        self._source = source
        self._quiet.clear()
        for connection in self._take(len(self._idle)):
            self.answered(connection)
        await self._settle()

    async def paced(self, requests: Iterable[tuple[float, bytes]]) -> None:
        """Each request at its time (`time.perf_counter`), or as soon after it as a connection is free."""
        late: deque[tuple[float, bytes]] = deque()

        def next_one() -> bytes | None:
            if not late:
                return None
            self._due, request = late.popleft()
            return request

        self._source = next_one
        self._quiet.clear()
        for due, request in requests:
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            late.append((due, request))
            for connection in self._take(1):
                self.answered(connection)
        await self._settle()

    def answered(self, connection: _Connection) -> None:
        """A connection is free: it gets the next request or rests."""
        self._due = time.perf_counter()
        request = self._source()
        if request is None or self._failure:
            self._idle.append(connection)
            if len(self._idle) == self._count:
                self._quiet.set()
        else:
            connection.due = self._due
            connection.transport.write(request)

    def failed(self, why: str) -> None:
        """Something else than a 2xx came: the measurement is void."""
        if not self._closing:
            self._failure = self._failure or why
            self._quiet.set()

    def _take(self, count: int) -> list[_Connection]:
        return [self._idle.pop() for _ in range(min(count, len(self._idle)))]

    async def _settle(self) -> None:
        if len(self._idle) < self._count:
            self._quiet.clear()
        await self._quiet.wait()
        if self._failure:
            raise RuntimeError(self._failure)
