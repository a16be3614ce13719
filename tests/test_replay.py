"""Reading again: what could not be read takes its place, once, and nothing that is newer gives way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from bridge.channels.base import Channel
from bridge.errors import BadRequest
from bridge.models import (
    Edit,
    Event,
    Ignored,
    Inbound,
    Limits,
    Media,
    Outbound,
    Rates,
    Sent,
    Standing,
    Webhook,
)
from bridge.replay import Replayed, Replayer
from bridge.store import changes, channels, handling, messages, parked
from bridge.store.engine import Database, connect
from bridge.store.tables import activity, addresses, attachments, contacts, conversations, events, receipts
from bridge.store.tables import messages as message_rows
from tests.channels.made import ACCOUNT, sms, telegram
from tests.store.test_inbound import hello, rows, take
from tests.webhooks import update

POISON = "An update that cannot be read"


class Reader:
    """A channel that reads an event as a newer version would: as the test says, or as an error."""

    type: ClassVar[str] = "telegram"
    label: ClassVar[str] = "Telegram"
    webhooks: ClassVar[tuple[str, ...]] = ()
    pulled: ClassVar[bool] = False
    identity = "1"
    limits = Limits(text=100, part=100)
    rates = Rates(overall=1, address=1)

    def __init__(self) -> None:
        self.says: dict[str, list[Event] | Exception] = {}

    def parse(self, hook: Webhook) -> list[Event]:
        """Nothing comes in here."""
        return []

    async def send(self, part: Outbound) -> Sent:
        """Nothing goes out here."""
        return Sent(external_id=part.message_id)

    async def close(self) -> None:
        """There is nothing to give back."""

    def reread(self, key: str, raw: str) -> list[Event]:
        """What the test wants it to say by now."""
        found = self.says[key]
        if isinstance(found, Exception):
            raise found
        return found


class Room:
    """A database in which events wait, and who reads them again."""

    def __init__(self, database: Database, row: int) -> None:
        self.database, self.row, self.reader = database, row, Reader()

    async def leave(self, *found: Event) -> None:
        """Keep what a version before could not read."""
        await take(self.database, self.row, *found)

    async def grow_older(self, seconds: float) -> None:
        """What waits has waited for so much longer."""
        older = sa.update(events).where(events.c.state == "parked")
        older = older.values(received_at=events.c.received_at - int(seconds * 1000))
        await self.database.write(lambda tx: tx.run(older))

    async def waiting(self) -> list[str]:
        """The ids of the events that wait."""
        found, _ = await self.database.read(lambda tx: parked.page(tx, limit=100))
        return [each.id for each in found]

    async def replay(self, channel: Channel | None = None) -> list[Replayed]:
        """Read all of them again."""
        replayer = Replayer(self.database, {self.row: channel or self.reader})
        return [await replayer.replay(event) for event in await self.waiting()]

    async def now_says(self, *found: Event) -> list[Replayed]:
        """Read the one event again, which by now says this."""
        self.reader.says = {key: [*found] for key in ("update:2", "refused:1")}
        return await self.replay()

    async def thread(self) -> Sequence[Any]:
        """All messages, in order."""
        return await rows(self.database, message_rows, "conversation_id", "seq")


@pytest.fixture
async def room(database_url: str) -> AsyncIterator[Room]:
    """A bot that is on."""
    database = connect(database_url)
    row = await database.write(lambda tx: channels.register(tx, "telegram", "1", "Telegram"))
    yield Room(database, row)
    await database.close()


def placeholder(number: int = 2, raw: str = "{}", **more: Any) -> Inbound:
    """What the version before made of a message."""
    return hello(number, kind="unsupported", text="", raw=raw, parked=POISON, **more)


async def test_message_takes_the_place_of_its_placeholder(room: Room) -> None:
    """The same entry of the thread, with its words, its file and what it answers; never a second one."""
    await room.leave(hello(1), placeholder(), hello(3))
    before = await room.database.read(changes.now)
    photo = Media(kind="image", ref="f1", mime="image/jpeg")
    says = hello(2, kind="image", text="Guarda!", media=(photo,), reply_to="7:1", provider_at=1_000)
    (done,) = await room.now_says(says)
    assert (done.outcome, done.media) == ("done", True)
    _, found, _ = await room.thread()
    assert (found.seq, found.kind, found.text, found.provider_at) == (2, "image", "Guarda!", 1_000)
    assert json.loads(found.data)["quote"]["seq"] == 1
    (file,) = await rows(room.database, attachments)
    assert (file.message_id, file.ref, file.due_at is not None) == (found.id, "f1", True)
    heard = await room.database.read(lambda tx: changes.after(tx, before, limit=10))
    assert ("message", found.id) in [(change.kind, change.subject_id) for change in heard]
    assert await room.waiting() == []


async def test_what_had_no_place_comes_to_the_end_and_is_late(room: Room) -> None:
    """Nobody knew whose it was; the thread shows when it came."""
    await room.leave(hello(1), Ignored(key="update:2", raw="{}", parked=POISON))
    long_ago = sa.update(events).where(events.c.key == "update:2").values(received_at=1_000)
    await room.database.write(lambda tx: tx.run(long_ago))
    await room.now_says(hello(2))
    _, found = await room.thread()
    (view,) = (await room.database.read(lambda tx: messages.views(tx, [found.id]))).values()
    assert (view.seq, view.text, view.late, view.provider_at) == (2, "message 2", True, 1_000)
    assert (await take(room.database, room.row, hello(2))).new == 0


async def test_what_still_cannot_be_read_stays_with_the_reason_of_today(room: Room) -> None:
    """A person reads it, and decides."""
    await room.leave(placeholder(), placeholder(3), placeholder(4), placeholder(5))
    room.reader.says = {
        "update:2": [placeholder(2)], "update:3": BadRequest("No JSON"), "update:4": KeyError("Giulia"),
        "update:5": [hello(5, data={"value": 2**70})],
    }  # fmt: skip
    ended = await room.replay()
    whys = [POISON, "No JSON", "Reading it failed: KeyError", "the database refused it"]
    assert [(one.outcome, one.why) for one in ended] == [("parked", why) for why in whys]
    found, _ = await room.database.read(lambda tx: parked.page(tx, limit=10, raw=True))
    assert [(one.why, one.raw) for one in found] == [(why, "{}") for why in whys]
    assert {row.kind for row in await room.thread()} == {"unsupported"}


async def test_channel_that_is_off_leaves_everything_as_it_is(room: Room) -> None:
    """The reason that a person needs is still the first one."""
    await room.leave(placeholder())
    replayer = Replayer(room.database, {})
    (ended,) = [await replayer.replay(event) for event in await room.waiting()]
    assert (ended.outcome, ended.why) == ("parked", "Its channel is off: `bridge check` says why")
    found, _ = await room.database.read(lambda tx: parked.page(tx, limit=10))
    assert [one.why for one in found] == [POISON]


async def test_event_of_which_nothing_was_kept_can_only_be_given_up(room: Room) -> None:
    """A visitor's message that the database refused has no raw form."""
    await room.leave(placeholder(raw=""))
    (ended,) = await room.replay()
    assert (ended.outcome, ended.why) == ("parked", "Nothing was kept that could be read again")
    (event,) = await room.waiting()
    assert await room.database.write(lambda tx: parked.give_up(tx, event))
    assert not await room.database.write(lambda tx: parked.give_up(tx, event))
    assert await room.waiting() == []
    assert [row.kind for row in await room.thread()] == ["unsupported"]


@pytest.mark.parametrize("has_place", [True, False])
async def test_replayed_by_many_at_once_it_is_one_message(
    room: Room, database_url: str, has_place: bool
) -> None:
    """Two administrators, or one who is impatient: one does it, the others hear that it is done."""
    event = placeholder() if has_place else Ignored(key="update:2", raw="{}", parked=POISON)
    await room.leave(hello(1), event)
    says = hello(2, kind="image", media=(Media(kind="image", ref="f1"),))
    room.reader.says = {"update:2": [says]}
    waiting = await room.waiting()
    databases = [connect(database_url) for _ in range(4)]

    async def replay(database: Database) -> list[str]:
        replayer = Replayer(database, {room.row: room.reader})
        return [(await replayer.replay(event)).outcome for event in waiting * 2]

    outcomes = await asyncio.gather(*(replay(database) for database in databases))
    await asyncio.gather(*(database.close() for database in databases))
    assert sorted(one for each in outcomes for one in each) == ["done"] + ["gone"] * 7
    assert [row.seq for row in await room.thread()] == [1, 2]
    assert len(await rows(room.database, attachments)) == 1


@pytest.mark.parametrize("has_place", [True, False])
async def test_replayed_while_its_vendor_repeats_it_it_is_one_message(
    room: Room, database_url: str, has_place: bool
) -> None:
    """WhatsApp repeats for seven days: the key is there before, during and after."""
    event = placeholder() if has_place else Ignored(key="update:2", raw="{}", parked=POISON)
    await room.leave(hello(1), event)
    room.reader.says = {"update:2": [hello(2)]}
    other = connect(database_url)
    repeats = asyncio.gather(*(take(other, room.row, event) for _ in range(8)))
    ended, taken = await asyncio.gather(room.replay(), repeats)
    await other.close()
    assert [one.outcome for one in ended] == ["done"]
    assert [one.new for one in taken] == [0] * 8
    assert [row.text for row in await room.thread()] == ["message 1", "message 2"]
    assert await room.waiting() == []


async def test_event_that_came_again_in_full_is_not_told_twice(room: Room) -> None:
    """The database refused it under its own name; its vendor repeated it to the version after."""
    await room.leave(Ignored(key="refused:1", raw="{}", parked="the database refused it"))
    await room.leave(hello(2))
    assert [one.outcome for one in await room.now_says(hello(2))] == ["done"]
    assert [row.text for row in await room.thread()] == ["message 2"]


async def test_thread_is_unread_from_there_and_open(room: Room) -> None:
    """What could not be read was not read, whatever came after it and whoever closed the thread."""
    await room.leave(hello(1), placeholder(), hello(3))
    (thread,) = await rows(room.database, conversations)
    resolved = sa.update(conversations).values(status="resolved", unread=0, read_seq=3, resolved_at=1)
    await room.database.write(lambda tx: tx.run(resolved))
    await room.now_says(hello(2))
    (found,) = await rows(room.database, conversations)
    assert (found.status, found.resolved_at, found.unread, found.read_seq) == ("open", None, 2, 1)
    assert [line.kind for line in await rows(room.database, activity)] == ["reopened"]
    await room.database.write(lambda tx: handling.read(tx, thread.id, 3))
    assert (await rows(room.database, conversations))[0].unread == 0


async def test_thread_that_is_over_stays_over(room: Room) -> None:
    """The customer writes in a newer one: two open threads would be one too many."""
    await room.leave(placeholder())
    ended = sa.update(conversations).values(status="resolved", resolved_at=1, ended_at=2)
    await room.database.write(lambda tx: tx.run(ended))
    await room.now_says(hello(2))
    (found,) = await rows(room.database, conversations)
    assert (found.status, found.ended_at) == ("resolved", 2)
    assert [row.text for row in await room.thread()] == ["message 2"]


async def test_nameless_customer_gets_a_name(room: Room) -> None:
    """The first that came of them could not be read, and said no name that we knew of."""
    await room.leave(placeholder(name=""))
    await room.now_says(hello(2))
    assert [row.name for row in await rows(room.database, contacts)] == ["Giulia"]


async def test_words_that_the_customer_put_right_since_are_the_last_ones(room: Room) -> None:
    """The edit was read at once, what it edits only now; its file still comes."""
    await room.leave(placeholder())
    await room.leave(Edit(key="update:3", urn="telegram:7", external_id="7:2", text="alle 9"))
    await room.now_says(hello(2, kind="image", text="alle 8", media=(Media(kind="image", ref="f1"),)))
    (found,) = await room.thread()
    assert (found.kind, found.text) == ("image", "alle 9")
    assert len(await rows(room.database, attachments)) == 1


async def test_edit_that_is_read_late_gives_way_to_a_later_one(room: Room) -> None:
    """Alone it changes its message; overtaken it changes nothing."""
    late = Edit(key="update:2", urn="telegram:7", external_id="7:1", text="second")
    await room.leave(hello(1), Ignored(key="update:2", raw="{}", parked=POISON))
    await room.now_says(late)
    assert [row.text for row in await room.thread()] == ["second"]
    await room.leave(Ignored(key="refused:1", raw="{}", parked=POISON))
    await asyncio.sleep(0.002)  # the two must not be of one millisecond
    await room.leave(replace(late, key="update:4", text="fourth"))
    room.reader.says = {"refused:1": [replace(late, key="update:3", text="third")]}
    assert [one.outcome for one in await room.replay()] == ["done"]
    assert [row.text for row in await room.thread()] == ["fourth"]


@pytest.mark.parametrize(
    ("state", "since", "becomes"),
    [
        ("opted_out", None, "opted_out"),
        ("opted_out", Standing(key="s", urn="telegram:7", state="open", opt_in=True), "open"),
        ("blocked", None, "open"),
        ("invalid", None, "open"),
    ],
)
async def test_of_what_closes_an_address_only_an_opt_out_that_nothing_overtook_is_heard_late(
    room: Room, state: Any, since: Standing | None, becomes: str
) -> None:
    """Whether an address works its vendor says at the next send. STOP holds until START (I7)."""
    await room.leave(hello(1), Ignored(key="update:2", raw="{}", parked=POISON))
    if since:
        await room.leave(Standing(key="stop", urn="telegram:7", state="opted_out"), since)
        await room.grow_older(seconds=120)
    (ended,) = await room.now_says(Standing(key="update:2", urn="telegram:7", state=state))
    assert ended.outcome == "done"
    assert [row.state for row in await rows(room.database, addresses)] == [becomes]


async def test_start_that_is_heard_late_does_not_undo_a_later_stop(room: Room) -> None:
    """START, and then STOP, which was read at once: the customer's last word is STOP (I7)."""
    await room.leave(hello(1), Ignored(key="update:2", raw="{}", parked=POISON))
    await room.leave(Standing(key="stop", urn="telegram:7", state="opted_out"))
    await room.grow_older(seconds=1)
    start = Standing(key="update:2", urn="telegram:7", state="open", opt_in=True)
    assert [one.outcome for one in await room.now_says(start)] == ["done"]
    assert [row.state for row in await rows(room.database, addresses)] == ["opted_out"]


async def test_start_that_nothing_overtook_opens_when_it_is_read_at_last(room: Room) -> None:
    """The customer wants messages again, and has said nothing else since."""
    await room.leave(hello(1), Standing(key="stop", urn="telegram:7", state="opted_out"))
    await room.leave(Ignored(key="update:2", raw="{}", parked=POISON))
    start = Standing(key="update:2", urn="telegram:7", state="open", opt_in=True)
    assert [one.outcome for one in await room.now_says(start)] == ["done"]
    assert [row.state for row in await rows(room.database, addresses)] == ["open"]


async def test_file_of_an_album_joins_the_others(room: Room) -> None:
    """The album has its message: what comes late has no seq of its own."""
    photo = Media(kind="image", ref="f1")
    await room.leave(hello(1, kind="image", album="7:a", media=(photo,)))
    await room.leave(Ignored(key="update:2", raw="{}", parked=POISON))
    await room.now_says(hello(2, kind="image", album="7:a", media=(replace(photo, ref="f2"),), text=""))
    assert len(await room.thread()) == 1
    assert [row.position for row in await rows(room.database, attachments, "position")] == [0, 1]


async def test_telegrams_update_is_read_by_todays_code(room: Room) -> None:
    """The raw form is the update itself, by webhook as by polling."""
    raw = json.dumps(update(2, "Buongiorno \ud83d\ude00", chat=7))
    await room.leave(placeholder(raw=raw))
    assert [one.outcome for one in await room.replay(telegram())] == ["done"]
    (found,) = await room.thread()
    assert (found.text, found.external_id) == ("Buongiorno 😀", "7:2")


async def test_twilios_forms_are_read_by_todays_code(room: Room) -> None:
    """A message, with the STOP in it, and a state: the key says on which path each came."""
    form = {"MessageSid": "SM2", "AccountSid": ACCOUNT, "From": "+393331234567", "Body": "Stop"}
    state = {"MessageSid": "SM3", "MessageStatus": "delivered"}
    await room.leave(
        Ignored(key="SM2", raw=urlencode(form), parked=POISON),
        Ignored(key="status:1", raw=urlencode(state), parked="A status that is not known"),
        Ignored(key="SM4", raw="nonsense", parked=POISON),
    )
    outcomes = {one.why: one.outcome for one in await room.replay(sms())}
    assert outcomes == {"": "done", "The body is not a form": "parked"}
    assert [row.text for row in await room.thread()] == ["Stop"]
    assert [(row.urn, row.state) for row in await rows(room.database, addresses)] == [
        ("tel:+393331234567", "opted_out")
    ]
    assert [row.external_id for row in await rows(room.database, receipts)] == ["SM3"]


async def test_pages_of_what_waits_have_no_gap(room: Room) -> None:
    """All came in the same millisecond: their vendor numbered them, and that is the order (F5)."""
    await room.leave(*(placeholder(number) for number in range(7, 14)))
    seen: list[Any] = []
    place: parked.Place | None = parked.BEGIN
    while place:
        after = place
        found, place = await room.database.read(lambda tx: parked.page(tx, after=after, limit=3))  # noqa: B023
        seen += [each.message.seq for each in found if each.message and each.raw is None]
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert await room.database.read(lambda tx: parked.page(tx, channel="sms", limit=3)) == ([], None)
    assert [await room.database.read(lambda tx, n=n: parked.count(tx, n)) for n in (5, 50)] == [5, 7]  # type: ignore[misc]  # read at once
