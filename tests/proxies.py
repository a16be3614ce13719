"""A TCP proxy that breaks connections in all the ways in which networks do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

# refuse    nobody listens
# reset     a connection is made and reset at once
# blackhole a connection is made, and nothing ever passes; what was open stays so
# mute      requests pass, answers do not
# cut       requests pass, and the connection is reset before an answer does
# pass      all is well
Mode = Literal["pass", "refuse", "reset", "blackhole", "mute", "cut"]

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


class Proxy:
    """Stands before a port of loopback. `mode` holds for what passes from now on."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.mode: Mode = "pass"
        self.cut = 0
        """How many connections were cut after a request."""
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asks = asyncio.Event()
        self._answers = asyncio.Event()

    async def turn(self, mode: Mode = "pass") -> None:
        """Behave so from now on; connections that were open are reset by `refuse` and `reset`."""
        self.mode = mode
        (self._asks.clear if mode == "blackhole" else self._asks.set)()
        (self._answers.clear if mode in ("blackhole", "mute") else self._answers.set)()
        if mode == "refuse":
            await self._shut()
        else:
            await self._listen()
        if mode in ("refuse", "reset"):
            self._reset_all()

    async def close(self) -> None:
        """Let everything go."""
        await self._shut()
        self._reset_all()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        server, self._server = self._server, None
        if server:
            server.close()

    def _reset_all(self) -> None:
        for writer in [*self._open]:
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._open.add(writer)
        try:
            await self._between(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            _reset(writer)

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "reset":
            return
        await self._asks.wait()
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            asked = asyncio.create_task(_pass(reader, back, self._asks.wait))
            answered = asyncio.create_task(_pass(there, writer, self._may_answer))
            await asyncio.wait({asked, answered}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            answered.cancel()
            await asyncio.gather(asked, answered, return_exceptions=True)
        finally:
            _reset(back)

    async def _may_answer(self) -> None:
        """An answer is there: who asked shall perhaps not hear it."""
        await self._answers.wait()
        if self.mode == "cut":
            self.cut += 1
            raise ConnectionResetError


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may: Callable[[], Awaitable[object]]
) -> None:
    while data := await reader.read(_CHUNK):
        await may()
        writer.write(data)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without a word, as a machine does that is gone."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@asynccontextmanager
async def before(target: int) -> AsyncIterator[Proxy]:
    """A proxy before a port, listening on one of its own."""
    proxy = Proxy(target)
    await proxy.turn()
    try:
        yield proxy
    finally:
        await proxy.close()
