"""`bridge demo` as a newcomer starts it: a process, its page's routes, and a restart."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.processes import BRIDGE, environment
from tests.servers import free_port

WITHIN = 60.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One demo for the tests that do not restart it. They run in this order: the last one clears it."""
    with demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@contextmanager
def demo(folder: Path, **settings: str) -> Iterator[str]:
    """A running demo; it must end well on SIGTERM."""
    port = free_port()
    env = environment(folder, port, PYTHONPATH=str(ROOT), **settings)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*BRIDGE, "demo"], cwd=folder, env=env, stdout=log, stderr=log)
    try:
        _wait_for_readiness(process, port, folder / "log")
        yield f"http://localhost:{port}"
        process.terminate()
        assert process.wait(WITHIN) == 0, (folder / "log").read_text()
    finally:
        process.kill()
        process.wait()


def _wait_for_readiness(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + WITHIN
    while f"http://localhost:{port}/sandbox/" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@asynccontextmanager
async def agent(base: str, who: str = "anna") -> AsyncIterator[aiohttp.ClientSession]:
    """A browser that the sandbox signed in."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(base, cookie_jar=jar, headers={"Origin": base}) as http:
        async with http.post("/sandbox/api/sign-in", json={"agent": who}) as response:
            assert response.status == 200
        yield http


async def conversations(http: aiohttp.ClientSession) -> list[dict[str, Any]]:
    async with http.get("/api/conversations") as response:
        items: list[dict[str, Any]] = (await response.json())["items"]
        return items


async def until_there(http: aiohttp.ClientSession, count: int) -> list[dict[str, Any]]:
    """The conversations, once there are so many."""
    async with asyncio.timeout(WITHIN):
        while len(found := await conversations(http)) < count:  # noqa: ASYNC110 - HTTP has no bell
            await asyncio.sleep(0.05)
    return found


async def test_newcomer_finds_customers_who_wrote_and_can_answer(base: str) -> None:
    """The first words come in the real way, and the answer arrives on the phone."""
    async with agent(base) as http:
        me = await _json(http, "/api/me")
        assert (me["name"], me["role"]) == ("Anna Colombo", "admin")
        found = await until_there(http, 4)
        assert sorted(item["channel"] for item in found) == ["sms", "telegram", "telegram", "whatsapp"]
        marco = next(item for item in found if item["channel"] == "sms")
        path = f"/api/conversations/{marco['id']}/messages"
        async with http.post(path, json={"text": "Sì, ne abbiamo due", "client_id": "1"}) as response:
            assert response.status == 201
        async with asyncio.timeout(WITHIN):
            while "Sì, ne abbiamo due" not in await _text(http, "/sandbox/api/sent/sms"):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)


async def test_nobody_is_asked_to_become_the_first_administrator(base: str) -> None:
    """The demo has its agents; a link that makes an administrator would only confuse."""
    async with agent(base, "paolo") as http:
        assert (await _json(http, "/api/me"))["role"] == "agent"
        assert await _json(http, "/api/setup") == {"needed": False}


async def test_page_of_another_site_gets_nothing(base: str) -> None:
    """The sandbox signs in without a password, so only its own page may ask."""
    async with aiohttp.ClientSession(base, headers={"Origin": "https://evil.example"}) as http:
        for path in ("sign-in", "clear", "telegram/say", "restore", "reset"):
            async with http.post(f"/sandbox/api/{path}", json={}) as response:
                assert response.status == 403, path
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect("/sandbox/api/live")


async def test_clear_empties_both_sides(base: str) -> None:
    """Phones and inbox start over together; who answers stays signed in."""
    async with agent(base) as http:
        await until_there(http, 4)
        async with http.post("/sandbox/api/clear") as response:
            assert response.status == 204
        assert await conversations(http) == []
        assert (await _json(http, "/sandbox/api/state"))["telegram"]["chats"] == {}
        async with http.post("/sandbox/api/telegram/say", json={"text": "Di nuovo qui"}) as response:
            assert response.status == 200
        [only] = await until_there(http, 1)
        assert only["last_message"]["text"] == "Di nuovo qui"


async def test_restart_keeps_channels_customers_and_phones(tmp_path: Path) -> None:
    """Ctrl+C and `make run` again: the same conversations, the same bot, the same phones."""
    with demo(tmp_path) as base:
        async with agent(base) as http:
            before = await until_there(http, 1)
            channels = await _channels(http)
            phones = await _json(http, "/sandbox/api/state")
    with demo(tmp_path) as base:
        async with agent(base, "paolo") as http:
            after = await conversations(http)
            assert {item["id"] for item in before} <= {item["id"] for item in after}
            assert await _channels(http) == channels
            state = await _json(http, "/sandbox/api/state")
            for number, phone in phones["sms"]["phones"].items():
                assert (
                    state["sms"]["phones"][number]["messages"][: len(phone["messages"])] == phone["messages"]
                )


async def test_page_that_watches_is_sent_away_at_the_end(tmp_path: Path) -> None:
    """Ctrl+C with the sandbox open ends at once: the page is told, and tries again later."""
    with ExitStack() as running:
        base = running.enter_context(demo(tmp_path))
        async with agent(base) as http, http.ws_connect("/sandbox/api/live") as socket:
            ending = asyncio.create_task(asyncio.to_thread(running.close))
            async with asyncio.timeout(WITHIN):
                while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass  # what the demo's customers said meanwhile
            assert socket.close_code == 1013
            await ending


@pytest.mark.parametrize("real", [
    {"TELEGRAM_BOT_TOKEN": "123456789:" + "a" * 35},
    {"WHATSAPP_PHONE_NUMBER_ID": "106540352242922", "WHATSAPP_ACCESS_TOKEN": "EAAG" + "a" * 35,
     "WHATSAPP_APP_SECRET": "a" * 32, "WHATSAPP_VERIFY_TOKEN": "any words"},
], ids=["telegram", "whatsapp"])  # fmt: skip
def test_demo_never_runs_beside_real_credentials(tmp_path: Path, real: dict[str, str]) -> None:
    """Nobody should take the demo for the real thing, or write to real customers from it."""
    env = environment(tmp_path, free_port(), PYTHONPATH=str(ROOT), **real)
    ended = subprocess.run(
        [*BRIDGE, "demo"], cwd=tmp_path, env=env, capture_output=True, check=False, timeout=WITHIN
    )
    assert ended.returncode == 2
    assert b"real vendor" in ended.stderr
    assert not (tmp_path / "data" / "demo").exists()


async def _channels(http: aiohttp.ClientSession) -> set[tuple[str, str]]:
    items = (await _json(http, "/api/channels"))["items"]
    return {(item["type"], item["identity"]) for item in items}


async def _json(http: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    async with http.get(path) as response:
        body: dict[str, Any] = await response.json()
        return body


async def _text(http: aiohttp.ClientSession, path: str) -> str:
    async with http.get(path) as response:
        return await response.text()
