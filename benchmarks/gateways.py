"""The processes that are compared, each started alike and ended with its measurement."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

from benchmarks.telegram import SECRET, TOKEN, BotApi
from bridge.store.engine import connect
from tests import processes, servers

ROOT = Path(__file__).resolve().parents[1]
_SET_UP_WITHIN = 30.0
# Of 16 MB each: more than a benchmark writes.
_LOG_FILES = 60
# What every gateway of a benchmark is told: to be this clone's, wherever it runs, and to say little.
QUIET = {"PYTHONPATH": str(ROOT), "BRIDGE_LOG_LEVEL": "warning"}


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bridge-bench-", ignore_cleanup_errors=True) as place:
        yield Path(place)


@contextmanager
def program(name: str, **settings: str) -> Iterator[int]:
    """`python -m benchmarks.NAME` as a process; yields its port."""
    with folder() as place, processes.serving(
        (sys.executable, "-m", f"benchmarks.{name}"), folder=place,
        settings={"PYTHONPATH": str(ROOT), **settings},
    ) as url:  # fmt: skip
        yield _port(url)


def telegram(api: BotApi) -> dict[str, str]:
    """The settings of a bot by webhook, with the vendor's limits lifted."""
    return {
        "TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_MODE": "webhook", "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "TELEGRAM_API_BASE": f"http://127.0.0.1:{api.port}", "TELEGRAM_RATE": "1000000",
        "TELEGRAM_CHAT_RATE": "1000000",
    }  # fmt: skip


@asynccontextmanager
async def bridge(api: BotApi, database_url: str, place: Path, *command: str) -> AsyncIterator[int]:
    """`bridge serve` (or `command`) on a database, once its bot is set up; yields its port."""
    settings = {
        **telegram(api), **QUIET, "DATABASE_URL": database_url, "BRIDGE_SECRET": "s" * 40,
    }  # fmt: skip
    api.calls.clear()
    with processes.serving(command or processes.BRIDGE, folder=place, settings=settings) as url:
        deadline = time.monotonic() + _SET_UP_WITHIN
        while b"setWebhook" not in api.calls:
            assert time.monotonic() < deadline, (place / "log").read_text()
            await asyncio.sleep(0.05)
        yield _port(url)


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """An empty database of each engine, `{engine: url}`, which lets no commit go before it is on disk."""
    with folder() as place, servers.postgresql(durable=True) as server:
        _break_in(server)
        yield {
            "sqlite": f"sqlite:///{place / 'bridge.db'}",
            "postgresql": server.url(server.create()),
        }


def _break_in(server: servers.PostgreSQL) -> None:
    """Have the server make the files of its log now, as one in use has them.

    A new one makes each when it first needs it, 16 MB of zeros, and every commit waits meanwhile.
    """
    server.run("ALTER SYSTEM SET min_wal_size = '1GB'")
    server.run("SELECT pg_reload_conf()")
    for _ in range(_LOG_FILES):
        server.run("SELECT pg_logical_emit_message(true, '', 'full'), pg_switch_wal()")
    server.run("CHECKPOINT")


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port


async def demand_messages(url: str, count: int) -> None:
    """Every message that was answered with 2xx is there, and none twice: else nothing was measured."""
    database = connect(url)
    try:
        rows = await database.read(lambda tx: tx.run(sa.text("SELECT count(*) AS n FROM messages")))
    finally:
        await database.close()
    assert rows[0].n == count, f"{count} messages were acknowledged, and {rows[0].n} are stored"
