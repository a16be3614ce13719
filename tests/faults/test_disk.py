"""No place left: nothing is acknowledged that is not stored, and it goes on by itself once there is."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from bridge.ids import new_id
from bridge.sandbox.vendors import Vendors
from tests import servers
from tests.bridges import Bridge, serving
from tests.gateways import Desk, until
from tests.webhooks import WEBHOOK_MODE, post_update, update

ENDLESS = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


async def texts(desk: Desk) -> list[str]:
    """What is in Giulia's thread."""
    return [message["text"] for message in await desk.messages(await desk.conversation("Giulia"))]


async def refused(desk: Desk, path: str, body: dict[str, str]) -> str:
    """The words with which a POST is refused for now."""
    async with desk.http.post(path, json=body) as answer:
        problem = await answer.json()
        assert answer.status == 503, problem
        return str(problem["detail"])


async def goes_on(desk: Desk, number: int, text: str) -> None:
    """A vendor that brings its message again is heard, without anybody's help."""

    async def taken() -> bool:
        return await post_update(desk.http, update(number, text)) == 200

    await until(taken)


@pytest.fixture
async def on_sqlite(tmp_path: Path, sqlite_url: str, vendors: Vendors) -> AsyncIterator[tuple[Bridge, Desk]]:
    """A process whose file may be kept from growing."""
    async with serving(tmp_path, sqlite_url, vendors, WEBHOOK_MODE) as made:
        yield made


async def test_f34_full_disk_acknowledges_nothing_and_recovers_by_itself(
    on_sqlite: tuple[Bridge, Desk], vendors: Vendors
) -> None:
    """No file may grow: every write of the real process fails, what is read still is."""
    bridge, desk = on_sqlite
    assert await post_update(desk.http, update(1, "before")) == 200
    thread = await desk.conversation("Giulia")
    await desk.becomes(await desk.reply(thread, "an answer"), "sent")
    process = psutil.Process(bridge.process.pid)
    process.rlimit(psutil.RLIMIT_FSIZE, (0, ENDLESS[1]))
    assert await post_update(desk.http, update(2, "meanwhile")) == 503
    body = {"text": "not kept", "client_id": new_id()}
    words = await refused(desk, f"/api/conversations/{thread}/messages", body)
    assert "cannot be written" in words
    assert await texts(desk) == ["before", "an answer"]
    process.rlimit(psutil.RLIMIT_FSIZE, ENDLESS)
    await goes_on(desk, 2, "meanwhile")
    await desk.becomes(await desk.reply(thread, "after"), "sent")
    assert await texts(desk) == ["before", "an answer", "meanwhile", "after"]
    assert "Traceback" not in bridge.log


async def test_f34_disk_that_is_full_at_the_first_message_is_not_remembered(
    on_sqlite: tuple[Bridge, Desk],
) -> None:
    """What a process prepares for its first message is lost with it, and is prepared again."""
    bridge, desk = on_sqlite
    quoting = update(2, "and this", reply_to_message=update(1, "before")["message"])
    process = psutil.Process(bridge.process.pid)
    process.rlimit(psutil.RLIMIT_FSIZE, (0, ENDLESS[1]))
    assert await post_update(desk.http, quoting) == 503
    process.rlimit(psutil.RLIMIT_FSIZE, ENDLESS)
    await goes_on(desk, 3, "after")
    assert await texts(desk) == ["after"]
    assert "Traceback" not in bridge.log


def test_f34_log_that_finds_no_room_stops_nothing() -> None:
    """It is often on the same disk: whoever reports a trouble must not perish of the report."""
    goes_on = (
        "import os, structlog; from bridge.logs import configure; configure('json', 'info');"
        "structlog.get_logger().warning('no room'); os.write(2, b'goes on'); os._exit(0)"
    )
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", goes_on], stdout=full, stderr=subprocess.PIPE, check=True
        )
    assert ended.stderr == b"goes on"


@pytest.fixture
async def on_postgresql(
    tmp_path: Path, postgresql: servers.PostgreSQL, postgresql_url: str, vendors: Vendors
) -> AsyncIterator[tuple[Bridge, Desk, str]]:
    """A process, and the name of its database."""
    async with serving(tmp_path, postgresql_url, vendors, WEBHOOK_MODE) as (bridge, desk):
        yield bridge, desk, postgresql_url.rpartition("/")[2]


# The server's own error, raised where it would be: when a table's file should grow.
FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON messages EXECUTE FUNCTION full_disk();
"""


async def test_f34_full_disk_of_postgresql_acknowledges_nothing(
    on_postgresql: tuple[Bridge, Desk, str], postgresql: servers.PostgreSQL
) -> None:
    """The error is PostgreSQL's own for it; a batch of many is refused as a whole."""
    bridge, desk, database = on_postgresql
    assert await post_update(desk.http, update(1, "before")) == 200
    thread = await desk.conversation("Giulia")
    postgresql.run(FULL, database)
    assert await post_update(desk.http, update(2, "meanwhile")) == 503
    body = {"text": "not kept", "client_id": new_id()}
    assert "out of room" in await refused(desk, f"/api/conversations/{thread}/messages", body)
    assert await texts(desk) == ["before"]
    postgresql.run("DROP FUNCTION full_disk CASCADE", database)
    await goes_on(desk, 2, "meanwhile")
    await desk.becomes(await desk.reply(thread, "after"), "sent")
    assert await texts(desk) == ["before", "meanwhile", "after"]
    assert "Traceback" not in bridge.log


async def test_f34_file_that_finds_no_place_is_refused(on_sqlite: tuple[Bridge, Desk]) -> None:
    """The upload is told so, nothing half of it is left, and it can be sent again."""
    bridge, desk = on_sqlite
    process = psutil.Process(bridge.process.pid)
    # The database may grow as before; a file of this size may not be written.
    process.rlimit(psutil.RLIMIT_FSIZE, (5_000_000, ENDLESS[1]))
    async with desk.http.post("/api/files?name=scan.bin", data=io.BytesIO(bytes(6_000_000))) as answer:
        problem = await answer.json()
        assert answer.status == 503, problem
    process.rlimit(psutil.RLIMIT_FSIZE, ENDLESS)
    left = [path for path in (bridge.folder / "data" / "files").rglob("*") if path.is_file()]
    assert left == []
    async with desk.http.post("/api/files?name=scan.bin", data=io.BytesIO(bytes(6_000_000))) as answer:
        assert answer.status == 201
    assert "Traceback" not in bridge.log
