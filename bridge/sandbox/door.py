"""A port on loopback that can be shut: shut, it refuses connections as a dead host does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_LARGEST_BODY = 64 * 1024 * 1024


class Door:
    """An HTTP server on one port of 127.0.0.1, which keeps the port while it is shut."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self._handler = handler
        self._port = port
        self._held: socket.socket | None = None
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Its base URL, without a trailing slash; known after `open`."""
        return f"http://127.0.0.1:{self._port}"

    async def open(self) -> None:
        """Listen. Open already: nothing happens."""
        if self._listener is not None:
            return
        held = self._held or await _bound(self._port)
        self._held, self._port = None, held.getsockname()[1]
        self._http = web.Server(self._handler, request_factory=_request, access_log=None)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._http, sock=held, backlog=1024)

    async def shut(self) -> None:
        """Refuse new connections and cut those that stand. The port stays ours."""
        if self._listener is None or self._http is None:
            return
        self._listener.close()
        for connection in self._http.connections:
            if connection.transport is not None:
                connection.transport.abort()
        self._listener = None
        # Bound but not listening: the kernel refuses, and nobody else can take the port.
        self._held = await _bound(self._port)
        await asyncio.sleep(0.02)  # a client in this loop has to see its open connections go

    async def close(self) -> None:
        """Give everything back."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._http is not None:
            await self._http.shutdown(0.1)
        if self._held is not None:
            self._held.close()
            self._held = None


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """The factory of aiohttp, with room for a vendor's largest upload."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)


async def _bound(port: int) -> socket.socket:
    """A socket bound to the port. A listener that has just closed may hold it for a moment."""
    deadline = asyncio.get_running_loop().time() + 2
    while True:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            sock.close()
            if not port or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.005)
        else:
            return sock
