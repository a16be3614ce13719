"""Row 25: an agent's page loses its connection, and misses nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bridge.sandbox.vendors import Vendors
from tests.bridges import serving
from tests.gateways import Desk, Json
from tests.store.test_feeds import put, vacuum_into
from tests.webhooks import WEBHOOK_MODE


class Page:
    """An open inbox that remembers its cursor, as the real one does."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.cursor = ""
        self.texts: dict[str, str] = {}

    async def read(self, *wanted: str) -> None:
        """Connect and read until the messages with these texts have been shown."""
        query = {"cursor": self.cursor} if self.cursor else {}
        async with asyncio.timeout(30), self.desk.http.ws_connect("/api/live", params=query) as socket:
            frame = await socket.receive_json()
            assert frame["type"] == "hello", frame
            self._keep(frame)
            while not set(wanted) <= set(self.texts.values()):
                self._keep(await socket.receive_json())

    def _keep(self, frame: Json) -> None:
        self.cursor = frame.get("cursor", self.cursor)
        if frame["type"] == "message":
            self.texts[frame["message"]["id"]] = frame["message"]["text"]


async def customers_write(desk: Desk, first: int, last: int) -> list[str]:
    """Messages of four customers at once; waits until the API shows them all."""
    for number in range(first, last):
        await desk.vendors.telegram.say(f"{number}", chat_id=number % 4 + 1, name=f"Chat {number % 4 + 1}")
    await desk.vendors.telegram.settled(within=30)
    return [f"{number}" for number in range(first, last)]


async def test_f25_page_that_reconnects_gets_what_it_missed(desk: Desk) -> None:
    """By its cursor, three times in a row, with messages in between and nothing twice in the thread."""
    page, wanted = Page(desk), list[str]()
    await page.read()
    for absence in range(3):
        wanted += await customers_write(desk, absence * 40, absence * 40 + 40)
        await page.read(*wanted)
    assert sorted(page.texts.values(), key=int) == wanted


async def test_f25_page_resumes_over_a_killed_gateway(
    tmp_path: Path, database_url: str, vendors: Vendors
) -> None:
    """The cursor means the same to the next process."""
    async with serving(tmp_path, database_url, vendors, WEBHOOK_MODE) as (bridge, desk):
        page = Page(desk)
        await page.read()
        wanted = await customers_write(desk, 0, 20)
        bridge.kill()
        for number in range(20, 40):
            await vendors.telegram.say(f"{number}", chat_id=1, name="Chat 1")
        await asyncio.to_thread(bridge.start)
        await page.read(*wanted, *[f"{number}" for number in range(20, 40)])
        assert sorted(page.texts.values(), key=int) == [f"{number}" for number in range(40)]


async def test_f25_page_of_a_database_that_was_restored_is_told_to_reload(
    tmp_path: Path, sqlite_url: str, vendors: Vendors
) -> None:
    """It shows what is not there any more, although its cursor would fit by now."""
    file, backup = Path(sqlite_url.removeprefix("sqlite:///")), tmp_path / "backup.db"
    async with serving(tmp_path, sqlite_url, vendors, WEBHOOK_MODE) as (bridge, desk):
        page = Page(desk)
        await page.read()
        await page.read(*await customers_write(desk, 0, 4))
        await asyncio.to_thread(vacuum_into, backup, file)
        await page.read(*await customers_write(desk, 4, 8))
        await asyncio.to_thread(bridge.stop)
        put(backup, file)
        await asyncio.to_thread(bridge.start)
        await customers_write(desk, 8, 28)
        async with desk.http.ws_connect("/api/live", params={"cursor": page.cursor}) as socket:
            frame = await socket.receive_json(timeout=30)
        assert frame["type"] == "reset"


async def test_f25_page_with_a_cursor_of_another_database_is_told_to_reload(desk: Desk) -> None:
    """After a restore the old cursor means nothing; silence would be a page that is wrong for ever."""
    async with desk.http.ws_connect("/api/live", params={"cursor": "elsewhere-0-5"}) as socket:
        frame = await socket.receive_json(timeout=30)
    assert frame["type"] == "reset"
    assert frame["cursor"]
    await customers_write(desk, 0, 4)
    page = Page(desk)
    page.cursor = frame["cursor"]
    await page.read("0", "1", "2", "3")
