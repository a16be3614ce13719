"""Customers' files: fetched after their message is there, once, and never in its way."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from bridge import media
from bridge.bus.memory import MemoryBus
from bridge.channels.live import LiveChannel
from bridge.ids import now_ms
from bridge.models import Inbound, Media
from bridge.sandbox.vendor import Upload
from bridge.sandbox.vendors import Vendors
from bridge.store import channels, engine
from bridge.store.engine import Database, Row
from bridge.store.files import Files
from bridge.store.inbound import Intake, receive
from bridge.store.tables import attachments
from tests.channels.made import ok, refused, telegram
from tests.channels.scripted import Answer, scripted
from tests.gateways import Desk, Json, running, until


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    """Telegram and Twilio."""
    async with Vendors(pace=0.01) as made:
        yield made


@pytest.fixture
async def desk(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """Anna before a running gateway."""
    async with running(tmp_path, database_url, vendors, monkeypatch) as made:
        yield made


async def files(desk: Desk, *, until_state: str = "stored") -> list[Json]:
    """The files of the only message, once all are in this state."""

    async def look() -> list[Json] | None:
        conversations = (await desk.get("/api/conversations"))["items"]
        if not conversations:
            return None
        (message,) = await desk.messages(conversations[0]["id"])
        found: list[Json] = message["attachments"]
        return found if all(file["state"] == until_state for file in found) else None

    return await until(look, 60)


THERE = ok({"file_id": "f1", "file_path": "photos/1.jpg"})
PICTURE = Answer(body=b"\xff\xd8\xff")


@dataclass(frozen=True, slots=True)
class Photo:
    """A customer's photo that is being fetched."""

    database: Database

    async def row(self) -> Row:
        """What is known of it."""
        (found,) = await self.database.read(lambda tx: tx.run(sa.select(attachments)))
        return found

    async def end(self) -> str | None:
        """What became of it, once that is clear."""
        state = str((await self.row()).state)
        return None if state == "pending" else state


@asynccontextmanager
async def fetching(database_url: str, folder: Path, *answers: Answer) -> AsyncIterator[Photo]:
    """A photo is fetched from a bot whose server answers so."""
    database = engine.connect(database_url)
    row = await database.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))
    photo = Inbound(key="1", urn="telegram:7", kind="image", media=(Media(kind="image", ref="f1"),))
    await database.write(lambda tx: receive(tx, [Intake(row, (photo,))]))
    async with scripted() as vendor:
        bot = telegram(TELEGRAM_API_BASE=vendor.base)
        vendor.will(*answers)
        live = {row: LiveChannel(row, bot)}
        fetcher = media.MediaFetcher(database, MemoryBus(), Files(folder / "files"), live, 1000)
        working = asyncio.create_task(fetcher.run())
        try:
            yield Photo(database)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await bot.close()
            await database.close()


async def test_photo_is_fetched_and_served_to_agents(desk: Desk) -> None:
    """The picture is there a moment after its message, of the type that its bytes show."""
    await desk.vendors.telegram.say("Guardi", kind="photo", name="Giulia")
    (photo,) = await files(desk)
    assert photo["mime"].startswith("image/")
    async with desk.http.get(photo["url"]) as answer:
        assert answer.status == 200
        assert len(await answer.read()) == photo["size"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_files_of_an_mms_come_with_it(desk: Desk) -> None:
    """Twilio's media need credentials and redirect."""
    picture = Upload("a.png", "image/png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 64)
    await desk.vendors.sms.say("Ecco", sender="+393331234567", media=[picture, picture])
    found = await files(desk)
    assert [file["size"] for file in found] == [len(picture.data)] * 2


async def test_file_of_a_slow_server_keeps_nobody_else_waiting(desk: Desk) -> None:
    """One customer's picture hangs at the vendor; another's is there at once."""
    picture = Upload("a.png", "image/png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 64)

    async def is_swept() -> bool:
        return any(entry["call"] == "GET /Messages.json" for entry in desk.vendors.wire.entries())

    await until(is_swept)  # or the look at the start would be what hangs
    await desk.vendors.sms.turn("slow", delay=100, times=1)
    await desk.vendors.sms.say("Ecco", sender="+393331234567", media=[picture])
    await desk.conversation("+39 333 123 4567")

    async def it_hangs() -> bool:
        return desk.vendors.sms.knobs.mode == "ok"

    await until(it_hangs)
    await desk.vendors.sms.say("Anche io", sender="+393331234568", media=[picture])
    other = await desk.conversation("+39 333 123 4568")

    async def there() -> bool:
        (message,) = await desk.messages(other)
        return bool(message["attachments"][0]["state"] == "stored")

    await until(there, within=20)  # the vendor's silence is borne for longer


async def test_file_over_the_limit_is_said_to_be_too_big(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is there, the file is not, and the thread says why."""
    async with running(tmp_path, database_url, vendors, monkeypatch, {"BRIDGE_UPLOAD_LIMIT": "100"}) as desk:
        await vendors.telegram.say("Grande", kind="photo", name="Giulia")
        (photo,) = await files(desk, until_state="too_big")
        assert photo["url"] == ""


async def test_f20_file_outlives_its_vendors_outage(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes without an answer, a pause asked for, a file that is not there yet: then it comes."""
    monkeypatch.setattr(media, "pause", lambda *_: 0.0)
    away, pause = [Answer(status=502, body="<html>"), Answer(cut=True)], refused(429, "Too Many Requests")
    async with fetching(sqlite_url, tmp_path, *away * 10, pause, THERE, PICTURE) as photo:
        assert await until(photo.end) == "stored"


async def test_f34_disk_that_is_full_is_no_failure_of_the_file(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For hours there is no room; the vendor's hiccup after that is the first failure, not the last."""
    monkeypatch.setattr(media, "pause", lambda *_: 0.0)
    monkeypatch.setattr(media, "_AT_ONCE", 1)
    monkeypatch.setattr(media, "_HOLD_MS", 0)
    monkeypatch.setattr(media, "_TRIES", 2)
    assert isinstance(PICTURE.body, bytes)
    place = tmp_path / "files" / hashlib.sha256(PICTURE.body).hexdigest()[:2]
    place.parent.mkdir()
    place.touch()  # no folder can be made here

    async def make_room() -> None:
        place.unlink()

    hiccup = Answer(status=502, body="<html>", meanwhile=make_room)
    async with fetching(database_url, tmp_path, *[THERE, PICTURE] * 3, hiccup, THERE, PICTURE) as photo:
        assert await until(photo.end) == "stored"


async def test_f13_file_waits_as_long_as_the_vendor_says(tmp_path: Path, database_url: str) -> None:
    """An hour is asked for: the file is not asked for before, and the channel rests on every node."""
    async with fetching(database_url, tmp_path, refused(429, "Too Many Requests", retry_after=3600)) as photo:

        async def has_failed() -> Row | None:
            row = await photo.row()
            return row if row.tries else None

        row = await until(has_failed)
        assert row.due_at > now_ms() + 1_800_000
        assert await photo.database.read(lambda tx: channels.paused_for(tx, row.channel_id)) > 1800
