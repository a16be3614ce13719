"""How the stand-ins call the gateway: webhooks to loopback, and never anywhere else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the gateway answered. `status` is 0 where there was no answer; `error` says why."""

    status: int
    body: bytes
    error: str
    seconds: float
    content_type: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was a 2xx."""
        return 200 <= self.status < 300

    @property
    def outcome(self) -> str:
        """As the wire shows it."""
        return str(self.status) if self.status else self.error


class Postman:
    """Carries webhooks.

    `tunnel` is `(public base URL, loopback base URL)`: what is addressed to the first is carried to
    the second, as a reverse proxy would. Any other place beyond loopback gets nothing.
    """

    def __init__(self, tunnel: tuple[str, str] | None = None) -> None:
        self.tunnel = tunnel
        self._http: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Call inside the running loop."""
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        """Give the connections back."""
        if self._http is not None:
            await self._http.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, within: float) -> Reply:
        """POST and tell what came of it; never raises for the network. `within` is in seconds."""
        return await self._call("POST", url, body, headers, within)

    async def get(self, url: str, *, within: float) -> Reply:
        """Fetch a file that the gateway offers by link."""
        return await self._call("GET", url, None, {}, within)

    async def _call(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], within: float
    ) -> Reply:
        if self._http is None:
            raise RuntimeError("open() first")
        started = time.perf_counter()
        status, answer, error, mime = 0, b"", "", ""
        target = self._reach(url)
        if target is None:
            return Reply(0, b"", "not on this machine", 0)
        try:
            limit = aiohttp.ClientTimeout(total=within, sock_connect=min(5.0, within))
            async with self._http.request(
                method, target, data=body, headers=headers, timeout=limit, allow_redirects=False
            ) as response:
                answer, status, mime = await response.read(), response.status, response.content_type
        except aiohttp.ClientConnectorError:
            error = "connection refused"
        except TimeoutError:
            error = "timed out"
        except aiohttp.ClientError:
            error = "connection cut"
        return Reply(status, answer, error, time.perf_counter() - started, mime)

    def _reach(self, url: str) -> URL | None:
        if self.tunnel is not None and url.startswith(self.tunnel[0] + "/"):
            url = self.tunnel[1] + url[len(self.tunnel[0]) :]
        try:
            target = URL(url)
        except ValueError:
            return None
        ours = self.tunnel is not None and target.origin() == URL(self.tunnel[1]).origin()
        return target if ours or target.host in _LOOPBACK else None
