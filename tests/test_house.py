"""The ground that the other tests stand on: real servers, and no way out of this machine."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests import servers

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_a_database_without_rows(
    postgresql: servers.PostgreSQL, postgresql_url: str, turn: int
) -> None:
    """A test that finds another's rows would pass or fail by the order of the run."""
    name = postgresql_url.rpartition("/")[2]
    assert postgresql.run("SELECT count(*) FROM contacts", name) == "0"
    row = f"gen_random_uuid(), 'left by turn {turn}', 0"
    postgresql.run(f"INSERT INTO contacts (id, name, created_at) VALUES ({row})", name)


def test_a_stopped_postgresql_comes_back_with_its_rows() -> None:
    """Outages are tested by stopping the real server, so it must come back as it was."""
    with servers.postgresql() as server:
        server.run("CREATE TABLE kept AS SELECT 7 AS n")
        server.stop()
        with pytest.raises(RuntimeError, match="refused"):
            server.run("SELECT 1")
        server.start()
        assert server.run("SELECT n FROM kept") == "7"


async def test_redis_is_real_and_empty(redis_url: str) -> None:
    """What the bus relies on is Redis's behaviour, not an imitation's."""
    from redis.asyncio import Redis

    async with Redis.from_url(redis_url) as redis:
        assert await redis.dbsize() == 0
        await redis.set("left", "behind")


def test_servers_end_when_the_tests_are_killed(tmp_path: Path) -> None:
    """Nobody wants to hunt for database servers after a run that went wrong."""
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from tests import servers\n"
        "with servers.postgresql() as pg, servers.valkey() as vk:\n"
        "    print(pg.port, vk.port, pg._folder, flush=True); time.sleep(60)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", script, str(ROOT)], stdout=subprocess.PIPE, text=True)
    assert run.stdout
    first, second, folder = run.stdout.readline().split(maxsplit=2)
    started = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.wait()
    run.stdout.close()
    assert psutil.wait_procs(started, timeout=20)[1] == []
    for port in (first, second):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)), timeout=5)
    deadline = time.monotonic() + 10
    while Path(folder.strip()).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder.strip()).exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "api.telegram.org"])
async def test_reaching_beyond_loopback_is_refused(host: str) -> None:
    """A test must never write to a real vendor, whatever is in the developer's environment."""
    with pytest.raises(pytest.fail.Exception, match="stay on this machine"):
        await asyncio.open_connection(host, 443)


async def test_a_name_that_does_not_exist_fails_as_in_life() -> None:
    """Code that meets a vendor without a name is tested without asking any name server."""
    with pytest.raises(socket.gaierror):
        await asyncio.open_connection("vendor.invalid", 443)
