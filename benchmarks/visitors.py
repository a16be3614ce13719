"""Visitors of a site, each with a chat page that is open: lean, so that thousands fit beside the gateway."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import cast

import orjson

from bridge.channels import webchat
from tests.bridges import SECRET

_TEXT, _PING, _PONG = 1, 9, 10
_AGAIN = 0.2  # seconds until a page that was refused comes again


class Visitor:
    """One visitor's page: what it has of its thread, and since when it is in sync again."""

    def __init__(self, number: int) -> None:
        self.id = webchat.new_visitor()
        self.number = number
        self.token = webchat.token_for([SECRET], self.id)
        self.seqs: set[int] = set()
        self.refused = 0
        self.in_sync_at = 0.0
        self.in_sync = asyncio.Event()
        self.page: _Page | None = None

    def first_message(self, origin: str) -> bytes:
        """The request that makes the visitor known."""
        body = b'{"client_id":"1","text":"0"}'
        return (
            b"POST /widget/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Origin: %b\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
        ) % (origin.encode(), self.token.encode(), len(body), body)

    async def open(self, origin: str, port: int) -> None:
        """Open the page, however often it is refused, and wait until it has the newest of its thread."""
        self.in_sync.clear()
        loop = asyncio.get_running_loop()
        while not self.in_sync.is_set():
            with suppress(OSError):
                _, self.page = await loop.create_connection(lambda: _Page(self, origin), "127.0.0.1", port)
                synced = asyncio.create_task(self.in_sync.wait())
                await asyncio.wait((synced, self.page.gone), return_when=asyncio.FIRST_COMPLETED)
                synced.cancel()
            if not self.in_sync.is_set():
                self.refused += 1
                await asyncio.sleep(_AGAIN)

    def hear(self, frame: bytes) -> None:
        """The newest of the thread comes first, what is news after it."""
        said = orjson.loads(frame)
        if said["type"] != "messages":
            return
        self.seqs.update(item["seq"] for item in said["items"])
        if said["more"] is not None and not self.in_sync.is_set():
            self.in_sync_at = time.perf_counter()
            self.in_sync.set()


class _Page(asyncio.Protocol):
    """A WebSocket that says hello, listens and answers pings."""

    def __init__(self, visitor: Visitor, origin: str) -> None:
        self._visitor, self._origin = visitor, origin
        self._buffer = b""
        self._open = False
        self.transport: asyncio.Transport
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(
            b"GET /widget/socket HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: %b\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" % self._origin.encode()
        )

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, blank, rest = self._buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            if b" 101 " not in head[:13]:
                self.transport.abort()
                return
            self._open, self._buffer = True, rest
            self._say(_TEXT, b'{"type":"hello","token":"%b"}' % self._visitor.token.encode())
        while frame := self._next():
            kind, content = frame
            if kind == _TEXT:
                self._visitor.hear(content)
            elif kind == _PING:
                self._say(_PONG, content)

    def _next(self) -> tuple[int, bytes] | None:
        """The next frame, once it is complete. A server does not mask, and ours does not fragment."""
        if len(self._buffer) < 2:
            return None
        length, begin = self._buffer[1], 2
        if length > 125:
            begin = 4 if length == 126 else 10
            length = int.from_bytes(self._buffer[2:begin], "big")
        if len(self._buffer) < begin + length:
            return None
        kind, content = self._buffer[0] & 15, self._buffer[begin : begin + length]
        self._buffer = self._buffer[begin + length :]
        return kind, content

    def _say(self, kind: int, content: bytes) -> None:
        length = bytes((128 + len(content),))
        if len(content) > 125:
            length = bytes((254,)) + len(content).to_bytes(2, "big")
        self.transport.write(bytes((128 + kind,)) + length + bytes(4) + content)  # masked with zeros
