"""PostgreSQL and Redis come and go; SQLite's file is held by somebody else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bridge.bus.redis import RedisBus
from bridge.sandbox.vendors import Vendors
from tests import servers
from tests.bridges import Bridge, serving
from tests.gateways import Desk, Json, running, until
from tests.webhooks import WEBHOOK_MODE, post_update, update


async def status(http: aiohttp.ClientSession, path: str) -> int:
    """What a GET answers."""
    async with http.get(path) as answer:
        return answer.status


async def becomes(http: aiohttp.ClientSession, path: str, wanted: int, within: float) -> None:
    """Wait until a GET answers so."""

    async def look() -> bool:
        return await status(http, path) == wanted

    await until(look, within)


async def taken(desk: Desk, body: Json) -> None:
    """Deliver an update as Telegram does: again while the gateway asks for it."""

    async def deliver() -> bool:
        answer = await post_update(desk.http, body)
        assert answer in (200, 503), answer
        return answer == 200

    await until(deliver)


async def texts(desk: Desk) -> list[str]:
    """What Giulia has written."""
    found = await desk.messages(await desk.conversation("Giulia"))
    return [message["text"] for message in found if message["direction"] == "inbound"]


# ── Redis ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def with_redis(
    tmp_path: Path, postgresql_url: str, vendors: Vendors
) -> AsyncIterator[tuple[Desk, servers.Valkey]]:
    """A process on PostgreSQL, with a Redis that the test may stop."""
    with servers.valkey() as redis:
        settings = {**WEBHOOK_MODE, "REDIS_URL": redis.url}
        async with serving(tmp_path, postgresql_url, vendors, settings) as (_, desk):
            yield desk, redis


async def test_f27_redis_that_is_wiped_and_stopped_loses_nothing(
    with_redis: tuple[Desk, servers.Valkey], vendors: Vendors
) -> None:
    """Redis is a doorbell: without it customers are heard, answered and shown all the same."""
    desk, redis = with_redis
    async with desk.http.ws_connect("/api/live") as page:
        for number, fault in enumerate((lambda: None, redis.flush, redis.stop, redis.start), 1):
            await asyncio.to_thread(fault)
            assert await post_update(desk.http, update(number, f"message {number}")) == 200
            reply = await desk.reply(await desk.conversation("Giulia"), f"reply {number}")
            await desk.becomes(reply, "sent", within=60)
            await shown(page, f"message {number}", f"reply {number}")
            assert await status(desk.http, "/readyz") == 200
    assert await texts(desk) == [f"message {number}" for number in range(1, 5)]
    assert [entry["params"]["text"] for entry in vendors.telegram.sent] == [
        f"reply {number}" for number in range(1, 5)
    ]


async def shown(page: aiohttp.ClientWebSocketResponse, *wanted: str) -> None:
    """Read an open page until it has been told of these texts."""
    missing = set(wanted)
    async with asyncio.timeout(30):
        while missing:
            frame = await page.receive_json()
            if frame["type"] == "message":
                missing.discard(frame["message"]["text"])


@pytest.mark.parametrize("ms", [0, 1, 2, 3, 5, 8])
async def test_f27_gateway_ends_while_it_connects_to_redis(redis_url: str, ms: int) -> None:
    """Whenever it is told to end: redis-py swallows a cancellation that comes while it connects."""
    bus = RedisBus(redis_url)
    await bus.start()
    bus.ring("changes")
    await asyncio.sleep(ms / 1000)  # at any moment of the connection's beginning
    async with asyncio.timeout(30):
        await bus.close()


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def with_postgresql(
    tmp_path: Path, vendors: Vendors
) -> AsyncIterator[tuple[Bridge, Desk, servers.PostgreSQL]]:
    """A process on a PostgreSQL that the test may stop."""
    with servers.postgresql() as server:
        async with serving(tmp_path, server.url(server.create()), vendors, WEBHOOK_MODE) as (bridge, desk):
            yield bridge, desk, server


async def test_f32_database_that_goes_and_comes_back_heals_by_itself(
    with_postgresql: tuple[Bridge, Desk, servers.PostgreSQL], vendors: Vendors
) -> None:
    """Without it webhooks are 503, so that vendors send again; what was under way is recorded after."""
    _, desk, server = with_postgresql
    await taken(desk, update(1, "before"))
    conversation = await desk.conversation("Giulia")
    await desk.becomes(await desk.reply(conversation, "warm"), "sent", within=60)
    await vendors.telegram.turn("slow", delay=2, times=1)
    under_way = await desk.reply(conversation, "under way")
    await until(lambda: has_sent(vendors, 2))
    await asyncio.to_thread(server.stop)
    await becomes(desk.http, "/readyz", 503, within=15)
    assert await post_update(desk.http, update(2, "meanwhile")) == 503
    assert await status(desk.http, "/healthz") == 200
    assert await status(desk.http, "/api/conversations") == 503
    await asyncio.to_thread(server.start)
    await becomes(desk.http, "/readyz", 200, within=30)
    await taken(desk, update(2, "meanwhile"))
    assert await texts(desk) == ["before", "meanwhile"]
    await desk.becomes(under_way, "sent", "unknown")
    await desk.becomes(await desk.reply(conversation, "after"), "sent", within=60)
    assert [entry["params"]["text"] for entry in vendors.telegram.sent] == ["warm", "under way", "after"]


async def has_sent(vendors: Vendors, count: int) -> bool:
    return len(vendors.telegram.sent) >= count


async def test_f32_dropped_connections_are_no_error_for_anybody(
    with_postgresql: tuple[Bridge, Desk, servers.PostgreSQL],
) -> None:
    """A restarted pooler or an administrator cuts them all, again and again: 200 or 503, never 500."""
    bridge, desk, server = with_postgresql
    for number in range(1, 31):
        if number % 3 == 0:
            server.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bridge'"
            )
        await taken(desk, update(number, f"{number}"))
    assert await texts(desk) == [f"{number}" for number in range(1, 31)]
    assert "Traceback" not in bridge.log


# ── SQLite ──────────────────────────────────────────────────────────────────────────────────────


async def test_f33_busy_sqlite_is_waited_for_and_never_an_error(
    tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup or a curious shell holds the file: 503 for as long, then all of it is stored."""
    file = tmp_path / "bridge.db"
    async with running(tmp_path, f"sqlite:///{file}", vendors, monkeypatch, WEBHOOK_MODE) as desk:
        await taken(desk, update(1, "1"))
        held = sqlite3.connect(file, isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
        assert await post_update(desk.http, update(2, "2")) == 503
        assert (await desk.get("/api/conversations"))["items"]  # who only reads does not wait
        held.execute("ROLLBACK")
        held.close()
        await taken(desk, update(2, "2"))
        assert await texts(desk) == ["1", "2"]


async def test_f33_many_writers_never_see_a_busy_database(hooked: Desk) -> None:
    """Webhooks, replies, notes and read marks at once, all through one writer: no refusal at all."""
    await taken(hooked, update(1, "1"))
    conversation = await hooked.conversation("Giulia")

    async def write(number: int) -> None:
        assert await post_update(hooked.http, update(number, f"{number}")) == 200
        await hooked.reply(conversation, f"reply {number}")
        await hooked.reply(conversation, f"note {number}", kind="note")
        await hooked.post(f"/api/conversations/{conversation}/read", {"seq": number}, status=(200,))

    await asyncio.gather(*(write(number) for number in range(2, 32)))
    seqs = [message["seq"] for message in await hooked.messages(conversation)]
    assert seqs == list(range(1, 92))
