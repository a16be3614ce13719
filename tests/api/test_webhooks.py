"""The vendors' door: a 2xx means that everything in it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests import servers
from tests.api.house import SECRET, House, get, house


def counted(metrics: str, outcome: str) -> float:
    """How many webhooks of the post ended so."""
    wanted = f'bridge_webhooks_total{{channel="post",outcome="{outcome}"}} '
    return next(
        (float(line.removeprefix(wanted)) for line in metrics.splitlines() if line.startswith(wanted)), 0
    )


async def metrics(home: House) -> str:
    """What Prometheus would read."""
    async with home.client().get("/metrics") as response:
        assert response.status == 200
        return await response.text()


async def test_vendor_gets_the_answer_it_reads(home: House) -> None:
    """Some vendors parse the body of the answer."""
    async with home.client().post("/webhooks/post/status", json=[], headers={"X-Secret": SECRET}) as response:
        assert (response.status, response.content_type) == (200, "text/xml")
        assert await response.text() == "<post/status/>"


async def test_forged_webhook_is_refused_and_counted(home: House, anna: aiohttp.ClientSession) -> None:
    """Nothing of it is stored, and the operator can see that somebody tries."""
    assert await home.post({"key": "1", "from": "x", "text": "free money"}, secret="guess") == 403
    assert (await get(anna, "/api/conversations"))["items"] == []
    assert counted(await metrics(home), "refused") == 1


async def test_repeated_webhook_is_a_success_without_effect(home: House, anna: aiohttp.ClientSession) -> None:
    """Vendors repeat until they get a 2xx."""
    letter = {"key": "1", "from": "giulia", "text": "ciao"}
    assert [await home.post(letter, letter) for _ in range(3)] == [200] * 3
    (item,) = (await get(anna, "/api/conversations"))["items"]
    assert item["last_seq"] == 1
    assert counted(await metrics(home), "stored") == 3


async def test_many_webhooks_at_once_are_all_there(home: House, anna: aiohttp.ClientSession) -> None:
    """Each one answered is each one shown, whatever was written together."""
    letters = [{"key": f"k{n}", "from": f"customer-{n % 7}", "text": str(n)} for n in range(70)]
    assert await asyncio.gather(*(home.post(letter) for letter in letters)) == [200] * 70
    items = (await get(anna, "/api/conversations"))["items"]
    assert sorted(item["last_seq"] for item in items) == [10] * 7


async def test_unreadable_webhook_is_said(home: House) -> None:
    """The vendor's console shows why; nothing is stored, and it is counted."""
    for body, status in [(b"{", 400), (b"\xff\xfe", 400), (b"x" * 1_000_001, 413), (b"", 400)]:
        async with home.client().post("/webhooks/post", data=body, headers={"X-Secret": SECRET}) as response:
            assert response.status == status
            assert response.content_type == "application/problem+json"
    assert counted(await metrics(home), "unreadable") == 4


async def test_body_of_unknown_length_has_the_same_limit(home: House) -> None:
    """A chunked body does not tell its length beforehand."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 10_000

    async with home.client().post("/webhooks/post", data=endless(), headers={"X-Secret": SECRET}) as response:
        assert response.status == 413


async def test_webhook_of_a_channel_that_is_off_is_not_found(home: House) -> None:
    """A forgotten webhook at the vendor must not look as if it worked."""
    for path in ["nobody", "post/", "post/other", "telegram", "..", "%2e%2e/api/me"]:
        async with home.client().post(f"/webhooks/{path}", json=[]) as response:
            assert response.status in (404, 405)


async def test_webhook_waits_for_nobody_when_the_database_is_gone(
    postgresql: servers.PostgreSQL, tmp_path: Path
) -> None:
    """503: the vendor sends it again; alive all the time, ready again when the database is."""
    name = postgresql.create()
    async with house(postgresql.url(name), tmp_path) as home:
        letter = {"key": "1", "from": "giulia", "text": "ciao"}
        postgresql.stop()
        try:
            async with home.client().post(
                "/webhooks/post", json=[letter], headers={"X-Secret": SECRET}
            ) as response:
                assert response.status == 503
                assert int(response.headers["Retry-After"]) >= 1
            assert await _until(home, "/readyz", 503)
            assert await _until(home, "/healthz", 200)
            await get(home.client(Cookie="bridge_session=x"), "/api/me", expect=503)
        finally:
            postgresql.start()
        assert await _until(home, "/readyz", 200)
        assert await home.post(letter) == 200
        assert counted(await metrics(home), "unavailable") == 1
    postgresql.drop(name)


async def _until(home: House, path: str, status: int) -> bool:
    """Whether a path answers so within 15 seconds."""
    async with asyncio.timeout(15):
        while True:
            async with home.client().get(path) as response:
                if response.status == status:
                    return True
            await asyncio.sleep(0.1)
