"""The balancer that is handed out, a real Caddy with our own configuration, before several gateways."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bridge.sandbox.vendors import Vendors
from tests.api.visitor import Visitor
from tests.caddies import caddy
from tests.clusters import ONLY_SMS, Cluster, cluster, more, traffic
from tests.gateways import Json, until
from tests.servers import free_port

# Several processes each: `make faults` runs them, on Linux, which has all of 127.0.0.0/8.
pytestmark = pytest.mark.slow

ADDRESSES = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


@pytest.fixture
async def balanced(
    tmp_path: Path, postgresql_url: str, redis_url: str, vendors: Vendors
) -> AsyncIterator[Cluster]:
    """Three gateways behind Caddy, as `docker compose --profile tls up --scale gateway=3` has them."""
    port = free_port()
    async with caddy(tmp_path / "caddy", "Caddyfile", ADDRESSES, port) as url:
        settings = {
            **ONLY_SMS,
            "REDIS_URL": redis_url,
            "BRIDGE_PUBLIC_URL": url,
            "BRIDGE_TRUSTED_PROXIES": "1",
        }
        async with cluster(tmp_path, postgresql_url, vendors, settings, port=port) as made:
            made.doors = [await made.desk_at(url)]
            yield made


class Reader:
    """An agent's page: it comes back with its cursor whenever it is cut off, and keeps what it was told."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.seen: dict[str, int] = {}
        self.closed = 0
        self._http = http
        self._cursor = ""

    async def read(self) -> None:
        """Read for ever."""
        while True:
            with suppress(aiohttp.ClientError):
                async with self._http.ws_connect("/api/live", params={"cursor": self._cursor}) as page:
                    async for message in page:
                        self._take(message.json())
            self.closed += 1
            await asyncio.sleep(0.1)

    def _take(self, frame: Json) -> None:
        assert frame["type"] != "reset"
        self._cursor = frame.get("cursor", self._cursor)
        if frame["type"] == "message":
            self.seen[frame["message"]["id"]] = frame["message"]["seq"]


@pytest.mark.timeout(300)
async def test_nobody_outside_notices_what_befalls_a_gateway(balanced: Cluster) -> None:
    """One is killed, one hangs, all are restarted: vendors hear 200 alone, and pages miss nothing."""
    (door,), (first, second, third) = balanced.doors, balanced.bridges
    readers = [Reader(door.http) for _ in range(6)]
    async with traffic(balanced) as phones, asyncio.TaskGroup() as reading:
        reads = [reading.create_task(reader.read()) for reader in readers]
        await more(phones)
        second.kill()
        await more(phones)
        await asyncio.to_thread(second.start)
        third.process.send_signal(signal.SIGSTOP)
        await more(phones)
        third.process.send_signal(signal.SIGCONT)
        for bridge in (first, second, third):
            await asyncio.to_thread(bridge.stop)
            await asyncio.to_thread(bridge.start)
            await more(phones)
        written = sum(phone.written for phone in phones)
        await until(lambda: all_seen(readers, 2 * written), within=60)
        for read in reads:
            read.cancel()
    assert balanced.refusals == []
    assert all(reader.closed for reader in readers)


async def all_seen(readers: list[Reader], count: int) -> bool:
    """Whether every page was told of so many messages."""
    return all(len(reader.seen) >= count for reader in readers)


async def test_files_and_the_chat_go_through_the_balancer(balanced: Cluster) -> None:
    """Large bodies are passed on as they come, and sockets stay open, at whichever gateway."""
    content = bytes(range(256)) * 4_000
    (door,) = balanced.doors
    async with aiohttp.ClientSession(balanced.url, headers={"Origin": balanced.url}) as http:
        async with http.post("/widget/session", json={}) as answer:
            visitor = Visitor(http, await answer.json())
        async with visitor.page() as tab:
            file = await visitor.upload(content, "plan.bin", "application/octet-stream")
            await visitor.write("the plan", attachments=[file["id"]])
            await tab.news("the plan")
            items = (await door.get("/api/conversations"))["items"]
            thread = items[0]["id"]
            await door.reply(thread, "thank you")
            await tab.news("thank you")
        (message, _) = await door.messages(thread)
        async with door.http.get(message["attachments"][0]["url"]) as answer:
            assert await answer.read() == content


@pytest.mark.parametrize(
    ("file", "given", "wanted"),
    [
        ("Caddyfile", {}, "127.0.0.1"),
        ("Caddyfile", {"X-Forwarded-For": "203.0.113.9"}, "127.0.0.1"),
        ("door.caddy", {}, ""),
        ("door.caddy", {"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
    ],
)
async def test_address_of_the_caller_is_told_by_who_knows_it(
    tmp_path: Path, file: str, given: dict[str, str], wanted: str
) -> None:
    """Caddy before the world believes nobody; on loopback the word of the proxy before it is passed on."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(dict(request.headers))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with (
        caddy(tmp_path / "caddy", file, ["127.0.0.1"], runner.addresses[0][1]) as url,
        aiohttp.ClientSession(url, headers=given) as http,
    ):
        for path in ("/webhooks/twilio", "/api/me"):
            async with http.post(path) as answered:
                headers = await answered.json()
                assert headers.get("X-Forwarded-For", "") == wanted
                assert headers["Host"] == url.removeprefix("http://")
    await runner.cleanup()
