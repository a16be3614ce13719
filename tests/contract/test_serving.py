"""Starting, waiting, being refused and ending: what operators and service managers rely on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest
import pytest_asyncio

from bridge.sandbox.vendors import Vendors
from tests import servers
from tests.bridges import SECRET, Bridge
from tests.gateways import until
from tests.servers import free_port
from tests.webhooks import WEBHOOK_MODE, post_update, update

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def vendors_apart() -> AsyncIterator[Vendors]:
    """Vendors for one test: two gateways on one bot would take each other's webhook away."""
    async with Vendors(known_only=False) as made:
        yield made


async def status(url: str, path: str) -> int:
    """What a GET answers; 0 when nobody does."""
    try:
        async with aiohttp.ClientSession() as http, http.get(url + path) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


def answers(url: str, path: str, wanted: int) -> Callable[[], Awaitable[bool]]:
    """A look whether a GET answers so."""

    async def look() -> bool:
        return await status(url, path) == wanted

    return look


@asynccontextmanager
async def launched(folder: Path, settings: dict[str, str]) -> AsyncIterator[Bridge]:
    """A process that was started and not waited for."""
    with Bridge(folder, settings) as bridge:
        bridge.launch()
        yield bridge


# ── the end ─────────────────────────────────────────────────────────────────────────────────────


async def test_sigterm_ends_it_and_leaves_nothing(tmp_path: Path, vendors_apart: Vendors) -> None:
    """Also with pages open and a poll on the wire: no process, no port, no lock, and code 0."""
    with Bridge(tmp_path / "bridge", vendors_apart.environment()) as bridge:
        await asyncio.to_thread(bridge.start)
        process = psutil.Process(bridge.process.pid)
        async with aiohttp.ClientSession(bridge.url) as http:
            visitor = await (
                await http.post("/widget/session", json={}, headers={"Origin": bridge.url})
            ).json()
            async with http.ws_connect("/widget/socket", headers={"Origin": bridge.url}) as page:
                await page.send_json({"type": "hello", "token": visitor["token"]})
                await page.receive(timeout=30)
                children = process.children(recursive=True)
                await asyncio.to_thread(bridge.stop)
        assert not process.is_running()
        assert not [child for child in children if child.is_running()]
        assert await status(bridge.url, "/healthz") == 0
        await asyncio.to_thread(bridge.start)  # the port, the lock and the data are free
        await asyncio.to_thread(bridge.stop)
        assert "Traceback" not in bridge.log


async def test_it_ends_while_it_waits_for_its_database(tmp_path: Path) -> None:
    """Whoever starts the wrong thing can take it back."""
    settings = {"DATABASE_URL": f"postgresql://postgres@127.0.0.1:{free_port()}/bridge"}
    async with launched(tmp_path, settings) as bridge:
        await until(answers(bridge.url, "/healthz", 200))
        await asyncio.to_thread(bridge.stop)


# ── two at once ─────────────────────────────────────────────────────────────────────────────────


async def test_second_process_on_one_sqlite_file_is_refused(bridge: Bridge, tmp_path: Path) -> None:
    """At once, with the pid of the first; the first does not notice."""
    second = Bridge(tmp_path, {"DATABASE_URL": bridge.settings["DATABASE_URL"]})
    ended = await asyncio.to_thread(second.run, "serve")
    assert ended.returncode != 0
    assert str(bridge.process.pid) in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert await status(bridge.url, "/readyz") == 200


async def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    """Waiting would not make a file of it."""
    ended = await asyncio.to_thread(Bridge(tmp_path, {"DATABASE_URL": f"sqlite:///{tmp_path}"}).run, "serve")
    assert ended.returncode != 0
    assert ended.stderr.startswith("DATABASE_URL")
    assert "bridge.db" in ended.stderr
    assert ended.stderr.count("\n") == 1


async def test_port_in_use_is_said_in_one_line(bridge: Bridge, tmp_path: Path) -> None:
    """With the name of the setting that changes it."""
    second = Bridge(tmp_path)
    second.port = bridge.port
    ended = await asyncio.to_thread(second.run, "serve")
    assert ended.returncode != 0
    assert "BRIDGE_PORT" in ended.stderr
    assert ended.stderr.count("\n") == 1


# ── settings ────────────────────────────────────────────────────────────────────────────────────

MALFORMED = {
    "BRIDGE_PORT": "http", "BRIDGE_PUBLIC_URL": "chat.example.com", "BRIDGE_SECRET": "short",
    "DATABASE_URL": "mysql://localhost/bridge", "TELEGRAM_BOT_TOKEN": "not-a-token",
    "TELEGRAM_MODE": "pigeon", "TELEGRAM_WEBHOOK_SECRET": "with blanks", "TELEGRAM_API_BASE": "ftp://x",
    "TWILIO_ACCOUNT_SID": "XX1", "WIDGET_ALLOWED_ORIGINS": "https://a.example/path",
    "REDIS_URL": "http://localhost", "BRIDGE_LOG_LEVEL": "loud",
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_setting_ends_it_at_once(tmp_path: Path, name: str) -> None:
    """One line: its name, what is wrong, an example; never the value, which may be a secret."""
    ended = await asyncio.to_thread(Bridge(tmp_path, {name: MALFORMED[name]}).run, "serve")
    assert ended.returncode != 0
    lines = [line for line in ended.stderr.splitlines() if name in line]
    assert len(lines) == 1, ended.stderr
    assert f"xample: {name}=" in lines[0]
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "bridge.db"), ("DATABASE_URL", "postgresql://bridge@db:port/bridge"),
        ("DATABASE_URL", "postgresql://bridge@db/bridge?sslmod=require"),
        ("DATABASE_URL", "postgresql://bridge@db/bridge?sslmode=perhaps"),
        ("DATABASE_URL", "sqlite:////dev/null/bridge.db"), ("BRIDGE_DATA_DIR", "/dev/null/data"),
        ("BRIDGE_HOST", "192.0.2.1"), ("BRIDGE_HOST", "no..name"), ("BRIDGE_REPLY_DEADLINE", "1e308"),
        ("BRIDGE_PUBLIC_URL", "https://chat example.com"), ("TELEGRAM_RATE", "inf"), ("TWILIO_RATE", "inf"),
    ],
)  # fmt: skip
async def test_setting_that_cannot_work_ends_it_at_once(tmp_path: Path, name: str, value: str) -> None:
    """Also where only the machine can tell: the one setting that is wrong is named, in one line."""
    ended = await asyncio.to_thread(Bridge(tmp_path, {name: value}).run, "serve")
    assert ended.returncode != 0
    assert ended.stderr.startswith(f"{name}: ")
    assert ended.stderr.count("\n") == 1
    assert f"Example: {name}=" in ended.stderr


@pytest.mark.parametrize("command", ["serve", "check"])
async def test_all_problems_are_said_at_once(tmp_path: Path, command: str) -> None:
    """Nobody likes to mend one line, start, and read the next."""
    wrong = {name: MALFORMED[name] for name in ("BRIDGE_PORT", "TELEGRAM_BOT_TOKEN", "BRIDGE_PUBLIC_URL")}
    ended = await asyncio.to_thread(Bridge(tmp_path, wrong | {"TWILIO_ACCOUNT_SID": "AC1"}).run, command)
    named = [line.partition(":")[0] for line in ended.stderr.splitlines()]
    assert sorted(named) == sorted([*wrong, "TWILIO_AUTH_TOKEN", "TWILIO_FROM"])


async def test_settings_come_from_the_environment_in_any_folder(tmp_path: Path) -> None:
    """No file is needed, and none is written but in the data folder."""
    elsewhere, data = tmp_path / "elsewhere", tmp_path / "data"
    elsewhere.mkdir()
    with Bridge(elsewhere, {"BRIDGE_DATA_DIR": str(data), "DATABASE_URL": "", "BRIDGE_SECRET": ""}) as bridge:
        await asyncio.to_thread(bridge.start)
        assert {path.name for path in elsewhere.iterdir()} == {"log"}
        assert {"bridge.db", "secret"} <= {path.name for path in data.iterdir()}
        assert (data / "secret").stat().st_mode & 0o077 == 0
        await asyncio.to_thread(bridge.stop)


async def test_channel_without_credentials_is_off_and_says_so(tmp_path: Path) -> None:
    """At start, on standard output, with what would turn it on."""
    async with launched(tmp_path, {}) as bridge:
        await until(answers(bridge.url, "/readyz", 200))
        assert "TELEGRAM_BOT_TOKEN" in bridge.log
        assert "TWILIO_ACCOUNT_SID" in bridge.log
        async with aiohttp.ClientSession(bridge.url) as http:
            assert await post_update(http, {}) == 404


async def test_first_start_prints_a_link_that_makes_the_first_administrator_once(tmp_path: Path) -> None:
    """There is never a default password."""
    async with launched(tmp_path, {}) as bridge, aiohttp.ClientSession(bridge.url) as http:
        await until(answers(bridge.url, "/readyz", 200))

        async def link() -> str:
            return next((word for word in bridge.log.split() if "/#/setup/" in word), "")

        token = (await until(link)).rpartition("/")[2]
        anna = {"email": "anna@example.com", "name": "Anna", "password": "correct horse battery"}
        for body, wanted in (({"token": "x"}, 403), ({"token": token}, 201), ({"token": token}, 403)):
            async with http.post("/api/setup", json={**anna, **body}) as answer:
                assert answer.status == wanted
        async with http.get("/api/setup") as answer:
            assert await answer.json() == {"needed": False}


# ── databases ───────────────────────────────────────────────────────────────────────────────────


async def test_database_that_is_missing_at_start_is_waited_for(
    tmp_path: Path, vendors_apart: Vendors
) -> None:
    """With a message; alive, not ready, webhooks 503, and then everything works."""
    with servers.postgresql() as server:
        url = server.url(server.create())
        await asyncio.to_thread(server.stop)
        settings = {**vendors_apart.environment(), **WEBHOOK_MODE, "DATABASE_URL": url}
        async with launched(tmp_path, settings) as bridge, aiohttp.ClientSession(bridge.url) as http:
            await until(answers(bridge.url, "/healthz", 200))
            await until(says(bridge, "waiting for the database"))
            assert await status(bridge.url, "/readyz") == 503
            assert await post_update(http, update(1, "early")) == 503
            await asyncio.to_thread(server.start)
            await until(answers(bridge.url, "/readyz", 200))
            assert await post_update(http, update(1, "early")) == 200


async def test_nobody_is_thrown_out_when_it_gets_ready(tmp_path: Path, vendors_apart: Vendors) -> None:
    """Vendors who knock all the time are told 503, then 200, and never meet a closed door in between."""
    with servers.postgresql() as server:
        url = server.url(server.create())
        await asyncio.to_thread(server.stop)
        settings = {**vendors_apart.environment(), **WEBHOOK_MODE, "DATABASE_URL": url}
        async with launched(tmp_path, settings) as bridge, aiohttp.ClientSession(bridge.url) as http:

            async def knock(number: int) -> set[int]:
                found = {await post_update(http, update(number, "knock"))}
                while 200 not in found:
                    found.add(await post_update(http, update(number, "knock")))
                return found

            await until(answers(bridge.url, "/healthz", 200))
            knocking = asyncio.gather(*(knock(number) for number in range(1, 17)))
            await asyncio.to_thread(server.start)
            assert await knocking == [{503, 200}] * 16


def says(bridge: Bridge, words: str) -> Callable[[], Awaitable[bool]]:
    """A look whether the log has these words."""

    async def look() -> bool:
        return words in bridge.log

    return look


async def test_socket_folder_and_redis_are_taken_by_url(
    tmp_path: Path, postgresql: servers.PostgreSQL, valkey: servers.Valkey
) -> None:
    """`postgresql://user@/db?host=<folder>`, as PostgreSQL's own tools take it, and `REDIS_URL`."""
    name, folder = postgresql.create(), postgresql.run("SHOW unix_socket_directories")
    url = f"postgresql://postgres@:{postgresql.port}/{name}?host={folder}"
    with Bridge(tmp_path, {"DATABASE_URL": url, "REDIS_URL": valkey.url}) as bridge:
        await asyncio.to_thread(bridge.start)
        added = await asyncio.to_thread(
            bridge.run, "agent", "add", "a@example.com", "--name", "A", "--password-stdin",
            stdin="correct horse battery\n",
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        await asyncio.to_thread(bridge.stop)
    assert postgresql.run("SELECT email FROM agents", name) == "a@example.com"
    postgresql.drop(name)


async def test_postgresql_without_a_secret_is_refused(tmp_path: Path) -> None:
    """Processes that sign with secrets of their own would trust each other's nothing."""
    settings = {"DATABASE_URL": f"postgresql://postgres@127.0.0.1:{free_port()}/x", "BRIDGE_SECRET": ""}
    ended = await asyncio.to_thread(Bridge(tmp_path, settings).run, "serve")
    assert ended.returncode != 0
    assert ended.stderr.startswith("BRIDGE_SECRET")


# ── logs ────────────────────────────────────────────────────────────────────────────────────────


async def test_log_has_no_text_no_number_and_no_token(bridge: Bridge, vendors: Vendors, chat: int) -> None:
    """Whoever reads the log of a business need not read its customers' mail."""
    await vendors.sms.say(f"confidential words {chat}", sender=f"+39340000{chat}")
    await vendors.telegram.say(f"confidential words {chat}", chat_id=chat, name=f"Confidential {chat}")
    await vendors.telegram.settled(within=30)
    secrets = ("onfidential", f"39340000{chat}", vendors.telegram.token, vendors.sms.account.token, SECRET)
    assert not [secret for secret in secrets if secret in bridge.log]
