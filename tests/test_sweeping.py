"""Finding what webhooks lost: all of it, once, in the vendor's order, and at a pace that disturbs nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from bridge import sweeping
from bridge.bus.memory import MemoryBus
from bridge.channels import sms_wire
from bridge.channels.live import LiveChannel
from bridge.channels.sms import SmsChannel
from bridge.duty import Duty, steady_clock
from bridge.errors import Unavailable
from bridge.inbox import Inbox
from bridge.models import Event, Inbound, Standing
from bridge.sandbox import samples
from bridge.sandbox.twilio_messages import Message
from bridge.sandbox.vendors import Vendors
from bridge.store import channels, sweeps, tables
from bridge.store.engine import Database, connect
from bridge.store.writer import Writer
from bridge.sweeping import Sweeper
from tests.channels.made import sms
from tests.channels.scripted import Answer, Scripted, scripted
from tests.channels.test_sms_list import NUMBER, SERVICE, media, page, pool, refused, row
from tests.gateways import until

MARCO, ADA = "+393331234567", "+393339999999"
NEXT = "/2010-04-01/Accounts/AC/Messages.json?Page=1&PageToken=PASM2"


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it rests in between is another matter."""
    monkeypatch.setattr(sweeping, "PACE", 0.0)
    monkeypatch.setattr(sweeping, "pause", lambda *_: 0.0)


class Rig:
    """A number on a database, with whatever node sweeps it. `said` are the states that agents were shown."""

    def __init__(self, database: Database, live: LiveChannel) -> None:
        self.database, self.live = database, live
        self.writer = Writer(database)
        self.inbox = Inbox(database, self.writer, MemoryBus(), {live.id: live}, 60)
        self.said: list[tuple[str, str]] = []
        self._running: list[asyncio.Task[None]] = []

    def sweeper(self, node: str = "a", lease_ms: int = 10_000) -> tuple[Sweeper, Duty]:
        """A node's, with its duty."""

        async def say(state: str, detail: str) -> None:
            self.said.append((state, detail))

        duty = Duty(self.database, f"sweep:{self.live.id}", node, lease_ms)
        return Sweeper(self.live, self.inbox, self.database, duty, say), duty

    def start(self, node: str = "a", lease_ms: int = 10_000) -> Duty:
        """Begin to sweep."""
        sweeper, duty = self.sweeper(node, lease_ms)
        self._running.append(asyncio.create_task(sweeper.run()))
        return duty

    async def stop(self) -> None:
        """End all nodes without a word."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def sweep(self) -> sweeps.Swept:
        """A whole sweep by a node that has just started; how far it came."""
        before = (await self.swept()).at

        async def done() -> sweeps.Swept | None:
            swept = await self.swept()
            return swept if swept.at > before else None

        self.start()
        try:
            return await until(done)
        finally:
            await self.stop()

    async def swept(self) -> sweeps.Swept:
        """How far it was swept."""
        return await self.database.read(lambda tx: sweeps.find(tx, self.live.id))

    async def hook(self, *events: Event) -> None:
        """What a webhook brings."""
        await self.inbox.receive(self.live.id, events)

    async def texts(self) -> list[str]:
        """What is in the inbox, in its order."""
        return [found.text for found in await self.messages()]

    async def messages(self) -> Sequence[Any]:
        """The rows of all messages, as they came."""
        found = tables.messages
        query = sa.select(found).order_by(found.c.conversation_id, found.c.seq)
        return await self.database.read(lambda tx: tx.run(query))

    async def since(self, created_at: int) -> None:
        """Pretend that the channel was first on at another time (Unix ms)."""
        change = sa.update(tables.channels).values(created_at=created_at)
        await self.database.write(lambda tx: tx.run(change))


async def _rig(database_url: str, channel: SmsChannel) -> AsyncIterator[Rig]:
    database = connect(database_url)
    number = await database.write(lambda tx: channels.register(tx, "sms", channel.identity, "SMS"))
    made = Rig(database, LiveChannel(number, channel))
    yield made
    await made.stop()
    await made.writer.close()
    await channel.close()
    await database.close()


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        yield made


@pytest.fixture
async def rig(sqlite_url: str, vendor: Scripted) -> AsyncIterator[Rig]:
    """Before a vendor that answers by script."""
    async for made in _rig(sqlite_url, sms(TWILIO_API_BASE=vendor.base)):
        yield made


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    """Telegram and Twilio."""
    async with Vendors(pace=0.01) as made:
        yield made


@pytest.fixture
async def real(database_url: str, vendors: Vendors) -> AsyncIterator[Rig]:
    """Before the stand-in, on each engine."""
    async for made in _rig(database_url, number_of(vendors)):
        yield made


def number_of(vendors: Vendors) -> SmsChannel:
    """The stand-in's number."""
    account = vendors.sms.account
    return sms(
        TWILIO_ACCOUNT_SID=account.sid, TWILIO_AUTH_TOKEN=account.token, TWILIO_FROM=account.number,
        TWILIO_API_BASE=vendors.twilio_base,
    )  # fmt: skip


def wrote(vendors: Vendors, text: str, *, sender: str = MARCO, ago: timedelta = timedelta()) -> Message:
    """A customer wrote, some time ago, and no webhook told."""
    message = vendors.sms.account.received(sender, text, [])
    message.created = message.sent = datetime.now(UTC) - ago
    return message


def ms(moment: datetime) -> int:
    return int(moment.replace(microsecond=0).timestamp() * 1000)


def calls(vendors: Vendors) -> list[str]:
    """What Twilio was asked, in order."""
    return [entry["call"] for entry in vendors.wire.entries() if entry["direction"] == "out"]


def now_row(sid: str, **more: Any) -> dict[str, Any]:
    """A message of the scripted list that came just now."""
    return row(sid, at=ms(datetime.now(UTC)), body=sid, **more)


async def nothing_more(somebody: str) -> None:
    """As long as many calls take: who would ask would have asked."""
    async with aiohttp.ClientSession() as http:
        for _ in range(50):
            await (await http.get(f"{somebody}/another")).read()


def asked(vendor: Scripted) -> list[str]:
    """The paths that were asked for, but for `nothing_more`."""
    return [one.path for one in vendor.asked if not one.path.endswith("/another")]


# All of it, once, in order


@pytest.mark.parametrize("most", [7, 2_000])
async def test_what_webhooks_lost_is_brought_once_and_as_it_was_written(
    real: Rig, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Page by page of a list that begins with the newest, with what came by webhook in the middle of it."""
    monkeypatch.setattr(sms_wire, "PAGE", 3)
    monkeypatch.setattr(sweeping, "MOST", most)
    await real.since(0)
    said = [
        wrote(vendors, f"{n}", sender=(MARCO, ADA)[n % 2], ago=timedelta(seconds=40 - n)) for n in range(40)
    ]
    channel: Any = real.live.channel
    (listed, *_), _ = await channel.listed(vendors.sms.account.number, ms(said[39].created), "")
    await real.hook(*await channel.read(listed))
    swept = await real.sweep()
    found = await real.messages()
    assert sorted(int(one.text) for one in found) == list(range(40))
    marco, ada = ([one for one in found if int(one.text) % 2 == n] for n in (0, 1))
    assert [one.text for one in marco] == [f"{n}" for n in range(0, 40, 2)]
    assert [one.text for one in ada] == ["39", *(f"{n}" for n in range(1, 39, 2))]
    assert {one.text: one.provider_at for one in found} == {one.body: ms(one.created) for one in said}
    assert swept.reached == {vendors.sms.account.number: ms(said[39].created)}
    await real.sweep()
    assert len(await real.messages()) == 40


async def test_messages_of_one_second_stay_in_order(real: Rig, vendors: Vendors) -> None:
    """Twilio's times have whole seconds; the list's order says the rest."""
    moment = datetime.now(UTC)
    for number in range(20):
        wrote(vendors, f"{number}").sent = moment
    await real.sweep()
    assert await real.texts() == [f"{number}" for number in range(20)]


async def test_stop_that_no_webhook_brought_closes_the_number(real: Rig, vendors: Vendors) -> None:
    """I7 holds also for what was written while nobody listened; START after it opens again."""
    for text in ("Salve", "STOP"):
        wrote(vendors, text)
    await real.sweep()
    assert await states(real) == ["opted_out"]
    wrote(vendors, "Start")
    await real.sweep()
    assert await states(real) == ["open"]


async def test_start_that_no_webhook_brought_does_not_undo_a_later_stop(real: Rig, vendors: Vendors) -> None:
    """The database was away for YES, and back for STOP: the sweep finds the older word later (I7)."""
    await real.since(0)
    wrote(vendors, "YES", ago=timedelta(minutes=3))
    await real.hook(Standing(key="stop", urn=f"tel:{MARCO}", state="opted_out"))
    await real.sweep()
    assert (await real.texts(), await states(real)) == (["YES"], ["opted_out"])


async def states(rig: Rig) -> list[str]:
    """Whether the customers may be written to."""
    return [
        found.state
        for found in await rig.database.read(lambda tx: tx.run(sa.select(tables.addresses.c.state)))
    ]


async def test_message_that_its_webhook_brought_costs_nothing_and_changes_nothing(
    real: Rig, vendors: Vendors
) -> None:
    """Its files are not asked for, and Twilio's own verdict on its words (Advanced Opt-Out) stands."""
    said = vendors.sms.account.received(MARCO, "END", [("ME1", samples.photo())])
    channel: Any = real.live.channel
    (listed,), _ = await channel.listed(vendors.sms.account.number, ms(said.created), "")
    message, _closed = await channel.read(listed)  # as the webhook, whose `OptOutType` was HELP
    await real.hook(message)
    before = calls(vendors)
    await real.sweep()
    assert calls(vendors) == [*before, "GET /Messages.json"]
    assert (await real.texts(), await states(real)) == (["END"], ["open"])


async def test_message_that_twilio_lists_late_is_found(real: Rig, vendors: Vendors) -> None:
    """It was put together for minutes, while later ones were there already."""
    wrote(vendors, "later")
    await real.since(0)
    await real.sweep()
    wrote(vendors, "earlier", ago=timedelta(minutes=10))
    await real.sweep()
    assert await real.texts() == ["later", "earlier"]


# From when on


async def test_history_of_a_number_is_not_brought(real: Rig, vendors: Vendors) -> None:
    """It was in use before, and somebody answered all that."""
    wrote(vendors, "long ago", ago=timedelta(days=400))
    wrote(vendors, "a minute ago", ago=timedelta(minutes=1))
    wrote(vendors, "now")
    await real.sweep()
    assert await real.texts() == ["now"]


async def test_channel_that_was_on_before_there_were_sweeps_goes_back_some_days(
    real: Rig, vendors: Vendors
) -> None:
    """Far enough for the last outage, not so far that keys are forgotten."""
    await real.since(0)
    for days in (10, 2):
        wrote(vendors, f"{days} days ago", ago=timedelta(days=days))
    swept = await real.sweep()
    assert await real.texts() == ["2 days ago"]
    assert list(swept.reached) == [vendors.sms.account.number]


async def test_time_without_messages_is_no_gap(real: Rig, vendors: Vendors) -> None:
    """Nobody wrote in the first days; then Bridge was away for longer than a first sweep goes back."""
    await real.since(0)
    swept = await real.sweep()
    swept.reached = {name: at - 10 * 24 * 3600_000 for name, at in swept.reached.items()}
    swept.at -= 8 * 24 * 3600_000
    await real.database.write(lambda tx: sweeps.keep(tx, real.live.id, swept))
    wrote(vendors, "a week ago", ago=timedelta(days=7))
    await real.sweep()
    assert await real.texts() == ["a week ago"]


async def test_message_whose_key_is_forgotten_does_not_come_again(real: Rig, vendors: Vendors) -> None:
    """Keys are kept for thirty days: beyond that nobody knows what is new, and the log says so."""
    await real.since(0)
    for days in (40, 29, 27):
        wrote(vendors, f"{days}", ago=timedelta(days=days))
    long_ago = ms(datetime.now(UTC) - timedelta(days=60))
    reached = {vendors.sms.account.number: long_ago}
    away = sweeps.Swept(created_at=0, now=0, at=long_ago, reached=reached)
    await real.database.write(lambda tx: sweeps.keep(tx, real.live.id, away))
    with capture_logs() as lines:
        await real.sweep()
    assert await real.texts() == ["27"]
    assert [line["days"] for line in lines if "older" in line["event"]] == [28]


async def test_number_that_joins_the_pool_brings_nothing_from_before(
    sqlite_url: str, vendor: Scripted
) -> None:
    """Until then its customers were somebody else's."""
    channel = sms(TWILIO_API_BASE=vendor.base, TWILIO_FROM=None, TWILIO_MESSAGING_SERVICE_SID=SERVICE)
    async for rig in _rig(sqlite_url, channel):
        await rig.since(0)
        vendor.will(pool("phone_numbers", "phone_number", NUMBER), pool("short_codes", "short_code"), page())
        swept = await rig.sweep()
        before = swept.at - sweeping.OVERLAP_MS - 60_000
        old = row("SM1", at=before, to="+390546010299")
        vendor.will(
            pool("phone_numbers", "phone_number", "+390546010299"), pool("short_codes", "short_code"),
            page(now_row("SM2", to="+390546010299"), old),
        )  # fmt: skip
        await rig.sweep()
        assert await rig.texts() == ["SM2"]


# When something is in the way


async def test_pause_in_the_middle_is_kept_and_the_page_asked_for_again(
    rig: Rig, vendor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the whole list: what has been read is not asked for twice, least of all now."""
    pauses: list[float | None] = []

    def pause(_tries: int, _chance: float, retry_after: float | None) -> float:
        pauses.append(retry_after)
        return 0.0

    monkeypatch.setattr(sweeping, "pause", pause)
    vendor.will(
        page(now_row("SM3"), now_row("SM2"), following=NEXT), refused(429, 20429, **{"Retry-After": "7"}),
        refused(429, 20429), page(now_row("SM1")),
    )  # fmt: skip
    await rig.sweep()
    assert await rig.texts() == ["SM1", "SM2", "SM3"]
    assert pauses == [7.0, None]
    assert [one.query.get("PageToken", "") for one in vendor.asked] == ["", "PASM2", "PASM2", "PASM2"]


async def test_outage_of_the_list_is_borne_and_says_nothing_of_the_channel(
    rig: Rig, vendor: Scripted
) -> None:
    """Its webhooks may come all the same; the log has no number in it."""
    away = [Answer(cut=True), Answer(status=502, body="<html>"), refused(503, 20503), Answer(body="[]")]
    vendor.will(*away, page(now_row("SM1")))
    with capture_logs() as lines:
        await rig.sweep()
    assert (await rig.texts(), rig.said) == (["SM1"], [])
    assert [line["event"] for line in lines].count("sweep waits") >= 3
    assert not any(digits in str(lines) for digits in ("39333", "390546"))


async def test_account_that_is_refused_is_shown_until_it_is_good_again(rig: Rig, vendor: Scripted) -> None:
    """A token that was changed at Twilio stops everything, and only a person can help."""
    vendor.will(*[refused(401, 20003)] * 3, page(now_row("SM1")))
    await rig.sweep()
    assert [state for state, _ in rig.said] == ["setup", "setup", "up"]
    assert "TWILIO_AUTH_TOKEN" in rig.said[0][1]
    assert await rig.texts() == ["SM1"]


async def test_list_that_is_refused_stops_no_other(sqlite_url: str, vendor: Scripted) -> None:
    """One number of the pool is odd; customers wrote to the others."""
    channel = sms(TWILIO_API_BASE=vendor.base, TWILIO_FROM=None, TWILIO_MESSAGING_SERVICE_SID=SERVICE)
    numbers = pool("phone_numbers", "phone_number", "+390546010299", NUMBER)
    async for rig in _rig(sqlite_url, channel):
        vendor.will(numbers, pool("short_codes", "short_code"), refused(400, 20001), page(now_row("SM1")))
        await rig.sweep()
        assert await rig.texts() == ["SM1"]


async def test_turn_whose_lists_are_refused_ends_and_the_next_one_asks_again(
    sqlite_url: str, vendor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twilio does not say today which numbers the pool has: that is no reason to ask every second."""
    monkeypatch.setattr(sweeping, "EVERY", 0.1)
    channel = sms(TWILIO_API_BASE=vendor.base, TWILIO_FROM=None, TWILIO_MESSAGING_SERVICE_SID=SERVICE)
    numbers = pool("phone_numbers", "phone_number", NUMBER)
    async for rig in _rig(sqlite_url, channel):
        vendor.will(refused(400, 20001), numbers, pool("short_codes", "short_code"), page(now_row("SM1")))
        with capture_logs() as lines:
            await rig.sweep()
        assert await rig.texts() == ["SM1"]
        assert [line["event"] for line in lines].count("not swept") == 1


async def test_nothing_counts_as_read_before_it_is_stored(rig: Rig, vendor: Scripted) -> None:
    """The end came while files were asked for: the next start reads and stores all of it."""
    first = now_row("SM1")
    listing = [page(now_row("MM2", num_media="1"), first)]
    vendor.will(*listing, Answer(hang=True))
    rig.start()
    await until(lambda: asked_for(vendor, 2))
    await rig.stop()
    assert ((await rig.swept()).reached, (await rig.swept()).at) == ({}, 0)
    vendor.will(*listing, media(("/2010-04-01/x/Media/ME1", "image/jpeg")))
    await rig.sweep()
    assert await rig.texts() == ["SM1", "MM2"]


async def asked_for(vendor: Scripted, count: int) -> bool:
    return len(asked(vendor)) >= count


async def test_database_that_takes_nothing_is_waited_for(
    rig: Rig, vendor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be stored has not been read: the sweep begins anew when the database is back."""
    monkeypatch.setattr(sweeping, "AGAIN", 0.01)
    vendor.will(page(now_row("SM1")))
    shut, rig.inbox = rig.inbox, Inbox(rig.database, await closed(rig.database), MemoryBus(), {}, 60)
    rig.start()
    await until(lambda: asked_for(vendor, 3))
    assert (await rig.swept()).reached == {}
    await rig.stop()
    rig.inbox = shut
    await rig.sweep()
    assert await rig.texts() == ["SM1"]


async def test_what_could_not_be_stored_is_looked_for_soon(
    rig: Rig, vendor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twilio was told to come again, came again, and gave up: that is known here, so nobody waits minutes."""
    monkeypatch.setattr(sweeping, "AGAIN", 0.01)
    vendor.will(page(), page(now_row("SM1")))
    rig.start()
    await until(lambda: is_swept(rig))
    full = Inbox(rig.database, await closed(rig.database), MemoryBus(), {rig.live.id: rig.live}, 60)
    with pytest.raises(Unavailable):
        await full.receive(rig.live.id, [Inbound(key="SM1", urn=f"tel:{MARCO}", text="SM1")])
    await until(rig.texts)
    assert await rig.texts() == ["SM1"]


async def is_swept(rig: Rig) -> bool:
    return bool((await rig.swept()).at)


async def closed(database: Database) -> Writer:
    """A writer that takes nothing more."""
    writer = Writer(database)
    await writer.close()
    return writer


async def test_nothing_is_asked_while_the_vendor_wants_a_pause(rig: Rig, vendor: Scripted) -> None:
    """It said so to a reply, and meant the account."""
    rig.live.paused_until = steady_clock() + 3600
    duty = rig.start()
    await until(lambda: is_held(duty))
    await nothing_more(vendor.base)
    assert asked(vendor) == []


async def is_held(duty: Duty, *, held: bool = True) -> bool:
    return duty.held is held


# By one node


async def test_one_node_sweeps_at_a_time(rig: Rig, vendor: Scripted) -> None:
    """Two would ask twice as often, and store in two orders."""
    vendor.will(Answer(hang=True), page())
    rig.start("a")
    await until(lambda: asked_for(vendor, 1))
    rig.start("b")
    await nothing_more(vendor.base)
    assert len(asked(vendor)) == 1


async def test_node_whose_turn_comes_right_after_anothers_leaves_it_out(rig: Rig, vendor: Scripted) -> None:
    """Many nodes look as often as one."""
    vendor.will(page())
    await rig.sweep()
    before = len(vendor.asked)
    for spared, more in ((3600.0, 0), (0.0, 1)):
        sweeper, duty = rig.sweeper("b")
        assert await duty.take()
        await sweeper._serve(spared)
        assert len(vendor.asked) == before + more


async def test_clock_that_was_set_back_stops_no_sweep(rig: Rig, vendor: Scripted) -> None:
    """The last one is in the future then, and for as long nobody would look."""
    vendor.will(page())
    swept = await rig.sweep()
    swept.at += 3600_000
    await rig.database.write(lambda tx: sweeps.keep(tx, rig.live.id, swept))
    before = len(vendor.asked)
    sweeper, duty = rig.sweeper()
    assert await duty.take()
    await sweeper._serve(60.0)
    assert len(vendor.asked) == before + 1
    assert (await rig.swept()).at < swept.at


async def test_node_that_lost_the_duty_asks_nothing_more(
    rig: Rig, vendor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was frozen for longer than its lease, and another has begun."""
    monkeypatch.setattr(sweeping, "AGAIN", 3600.0)
    theirs = sa.update(tables.duties).values(owner="b", epoch=tables.duties.c.epoch + 1, until=2**50)

    async def another_takes_it() -> None:
        await rig.database.write(lambda tx: tx.run(theirs))
        await until(lambda: is_held(duty, held=False))

    vendor.will(Answer(body=page(now_row("SM1"), following=NEXT).body, meanwhile=another_takes_it), page())
    duty = rig.start("a", lease_ms=400)
    await until(lambda: asked_for(vendor, 1))
    await until(lambda: is_held(duty, held=False))
    await nothing_more(vendor.base)
    assert len(asked(vendor)) == 1
    assert await rig.texts() == []
