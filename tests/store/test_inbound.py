"""The way in: each event once, in order, whatever else is in its batch."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.ids import now_ms
from bridge.models import AddressState, Aside, Edit, Event, Ignored, Inbound, Media, Receipt, Standing
from bridge.store.engine import Database, Row
from bridge.store.failures import BadData
from bridge.store.inbound import Intake, Taken, receive
from bridge.store.messages import views
from bridge.store.tables import (
    activity,
    addresses,
    attachments,
    contacts,
    conversations,
    events,
    messages,
    versions,
)
from bridge.store.writer import Writer


def hello(number: int, *, chat: int = 7, **more: Any) -> Inbound:
    """A customer's message."""
    defaults = {"text": f"message {number}", "external_id": f"{chat}:{number}", "name": "Giulia"}
    return Inbound(key=f"update:{number}", urn=f"telegram:{chat}", **(defaults | more))


async def take(database: Database, channel: int, *found: Event) -> Taken:
    """Receive events as one webhook."""
    return (await database.write(lambda tx: receive(tx, [Intake(channel, found)])))[0]


async def rows(database: Database, table: sa.Table, *order: str) -> list[Row]:
    """All rows of a table."""
    query = sa.select(table).order_by(*(table.c[name] for name in order))
    return list(await database.read(lambda tx: tx.run(query)))


async def test_first_message_makes_contact_address_conversation(database: Database, channel: int) -> None:
    """A stranger's first message is all it takes to be answered."""
    await take(database, channel, hello(1, handle="@giulia"))
    (address,) = await rows(database, addresses)
    (conversation,) = await rows(database, conversations)
    (message,) = await rows(database, messages)
    assert (address.urn, address.handle, address.consent_source) == ("telegram:7", "@giulia", "wrote")
    assert (conversation.contact_id, conversation.status) == (address.contact_id, "open")
    assert (conversation.last_seq, conversation.unread) == (1, 1)
    assert (message.seq, message.text, message.status) == (1, "message 1", "received")


async def test_repeated_event_changes_nothing(database: Database, channel: int) -> None:
    """Vendors repeat webhooks: the second time is a success without effect."""
    first = await take(database, channel, hello(1), hello(2))
    again = await take(database, channel, hello(1), hello(2), hello(2))
    assert (first.new, again.new) == (2, 0)
    assert [row.seq for row in await rows(database, messages, "seq")] == [1, 2]


async def test_order_of_arrival_is_the_order_of_seq(database: Database, channel: int) -> None:
    """Several messages in one webhook keep their order, whatever their ids sort like."""
    await take(database, channel, *(hello(number) for number in (10, 9, 2, 11)))
    found = await rows(database, messages, "seq")
    assert [row.text for row in found] == [f"message {number}" for number in (10, 9, 2, 11)]
    assert [row.seq for row in found] == [1, 2, 3, 4]


async def test_many_writers_at_once_make_one_contact(database: Database, channel: int) -> None:
    """Two first messages of one customer at the same moment are one person in one conversation."""
    await asyncio.gather(*(take(database, channel, hello(number)) for number in range(12)))
    assert len(await rows(database, addresses)) == 1
    assert len(await rows(database, conversations)) == 1
    assert [row.seq for row in await rows(database, messages, "seq")] == list(range(1, 13))


async def test_message_reopens_a_resolved_conversation(database: Database, channel: int) -> None:
    """Whoever closed the thread, the customer's next word opens it again, and the thread says so."""
    await take(database, channel, hello(1))
    await database.write(lambda tx: tx.run(sa.update(conversations).values(status="resolved")))
    await take(database, channel, hello(2))
    (conversation,) = await rows(database, conversations)
    (line,) = await rows(database, activity)
    assert (conversation.status, conversation.last_seq) == ("open", 2)
    assert (line.kind, line.after_seq) == ("reopened", 1)


async def test_album_is_one_message_with_several_files(database: Database, channel: int) -> None:
    """The parts of an album come apart, in one webhook or in several."""
    photo = Media(kind="image", ref="f1")
    parts = [hello(n, kind="image", album="7:a", media=(replace(photo, ref=f"f{n}"),)) for n in (1, 2, 3)]
    await take(database, channel, *parts[:2])
    await take(database, channel, parts[2])
    (message,) = await rows(database, messages)
    files = await rows(database, attachments, "created_at", "position")
    assert {row.message_id for row in files} == {message.id}
    assert sorted(row.ref for row in files) == ["f1", "f2", "f3"]


def part(number: int, text: str = "", **more: Any) -> Inbound:
    """A picture of an album, with what is written below."""
    photo = (Media(kind="image", ref=f"f{number}"),)
    return hello(number, kind="image", album="7:a", media=photo, text=text, **more)


def below(number: int, text: str, **more: Any) -> Edit:
    """What is written below a picture of an album from now on."""
    key = f"edit:{number}:{text}"
    return Edit(key=key, urn="telegram:7", external_id=f"7:{number}", text=text, album="7:a", **more)


async def test_every_caption_of_an_album_is_kept(database: Database, channel: int) -> None:
    """A customer may write under each picture, not only under the first that comes."""
    parts = [part(number, text) for number, text in enumerate(("", "davanti", "dietro", "", "sotto"))]
    await take(database, channel, *parts[:3])
    await take(database, channel, *parts[3:])
    (message,) = await rows(database, messages)
    assert message.text == "davanti\ndietro\nsotto"


async def test_f24_caption_of_any_picture_of_an_album_can_be_edited(database: Database, channel: int) -> None:
    """It changes its own part of the message, which says all of them and keeps every version."""
    first = part(2, "davanti", reply_to="7:1", data={"forwarded_from": "Ada"})
    await take(database, channel, hello(1), first)
    await take(database, channel, part(3, reply_to="7:1"), part(4, "sotto", reply_to="7:1"))
    changes = [below(4, "sopra"), below(3, "dietro"), below(2, "avanti", data={"forwarded_from": "Eva"})]
    for change in changes:
        await take(database, channel, change)
    (_, message) = await rows(database, messages, "seq")
    (shown,) = (await database.read(lambda tx: views(tx, [message.id]))).values()
    assert shown.text == "avanti\ndietro\nsopra"
    assert shown.data == {"forwarded_from": "Eva"}
    assert shown.reply_to
    assert shown.reply_to.seq == 1
    before = {row.text for row in await rows(database, versions)}
    assert before == {"davanti\nsotto", "davanti\nsopra", "davanti\ndietro\nsopra"}


async def test_f24_caption_of_an_album_that_is_edited_early_waits(database: Database, channel: int) -> None:
    """The album has begun, and this picture of it is still on its way."""
    await take(database, channel, part(1, "davanti"), below(2, "sopra"))
    await take(database, channel, part(2, "sotto"))
    (message,) = await rows(database, messages)
    assert message.text == "davanti\nsopra"
    assert [row.text for row in await rows(database, versions)] == ["davanti\nsotto"]


async def test_album_sent_twice_at_once_stays_one_message(database: Database, channel: int) -> None:
    """Two webhooks with parts of one album may run in parallel."""
    photo = Media(kind="image", ref="f")
    parts = [hello(n, kind="image", album="7:a", media=(photo,)) for n in range(6)]
    await asyncio.gather(*(take(database, channel, part) for part in parts))
    assert len(await rows(database, messages)) == 1
    assert len(await rows(database, attachments)) == 6


async def test_edit_keeps_both_versions(database: Database, channel: int) -> None:
    """What the customer wrote first is not lost, and an edit without a change is no edit."""
    await take(database, channel, hello(1))
    same = Edit(key="update:2", urn="telegram:7", external_id="7:1", text="message 1")
    await take(database, channel, same, replace(same, key="update:3", text="message one"))
    (message,) = await rows(database, messages)
    assert message.text == "message one"
    assert message.edited_at is not None
    assert [row.text for row in await rows(database, versions)] == ["message 1"]


async def test_edit_changes_only_what_its_writer_wrote(database: Database, channel: int) -> None:
    """Whoever else edits in the same commit, and whatever a vendor's ids look like."""
    await take(database, channel, hello(1))
    own = Edit(key="update:2", urn="telegram:7", external_id="7:1", text="better")
    await take(database, channel, own, replace(own, key="update:3", urn="telegram:8", text="worse"))
    (message,) = await rows(database, messages)
    assert message.text == "better"


async def test_edit_keeps_what_the_message_answers(database: Database, channel: int) -> None:
    """A corrected answer is still the answer to something."""
    await take(database, channel, hello(1), hello(2, reply_to="7:1"))
    await take(database, channel, Edit(key="update:3", urn="telegram:7", external_id="7:2", text="better"))
    message = (await rows(database, messages, "seq"))[-1]
    assert message.text == "better"
    assert '"text":"message 1"' in message.data


async def test_place_that_moves_is_shown_where_it_is(database: Database, channel: int) -> None:
    """A live location has no words that could change; what was written has not been changed by it."""
    await take(database, channel, hello(1, kind="location", text="", data={"latitude": 44.1}))
    moved = Edit(key="update:2", urn="telegram:7", external_id="7:1", text="", data={"latitude": 44.2})
    await take(database, channel, moved, replace(moved, key="update:3"))
    (message,) = await rows(database, messages)
    assert message.data == '{"latitude":44.2}'
    assert await rows(database, versions) == []


async def test_edit_beside_its_message_in_one_batch(database: Database, channel: int) -> None:
    """A quick customer edits before the first poll."""
    edit = Edit(key="update:2", urn="telegram:7", external_id="7:1", text="better")
    await take(database, channel, hello(1), edit)
    (message,) = await rows(database, messages)
    assert message.text == "better"


async def test_f24_edit_that_is_here_before_its_message_is_applied_to_it(
    database: Database, channel: int
) -> None:
    """The vendor was told to send the message again, and had the edit on its way: both versions are kept."""
    await take(database, channel, hello(1))
    edit = Edit(key="update:3", urn="telegram:7", external_id="7:2", text="better", data={"entities": []})
    await take(database, channel, replace(edit, key="update:4", text="good"), edit)
    writer = Writer(database)  # as messages come in: one call that commits by itself
    await writer.write(receive, Intake(channel, (hello(2), hello(5))))
    await writer.close()
    await take(database, channel, hello(2))
    (_, message, after) = await rows(database, messages, "seq")
    assert (message.text, message.data, after.text) == ("better", '{"entities":[]}', "message 5")
    assert [row.text for row in await rows(database, versions)] == ["message 2"]
    assert {row.key for row in await rows(database, events)} == {f"update:{n}" for n in range(1, 6)}


async def test_f24_edit_that_is_the_first_word_of_a_customer_waits(database: Database, channel: int) -> None:
    """It makes no conversation; that comes with its message."""
    await take(database, channel, Edit(key="update:2", urn="telegram:7", external_id="7:1", text="better"))
    assert await rows(database, conversations) == []
    taken = await take(database, channel, hello(1))
    assert taken.new == 1
    assert [row.text for row in await rows(database, messages)] == ["better"]


async def test_f24_early_edit_is_applied_by_a_repeat_of_its_message(database: Database, channel: int) -> None:
    """The node ended between the message and the edit; no 2xx was given, so the message comes again."""
    await take(database, channel, hello(1))
    await take(database, channel, Edit(key="update:2", urn="telegram:7", external_id="7:9", text="better"))
    moved = sa.update(events).where(events.c.key == "early:7:9").values(key="early:7:1")
    await database.write(lambda tx: tx.run(moved))
    taken = await take(database, channel, hello(1))
    assert taken.new == 0
    assert [row.text for row in await rows(database, messages)] == ["better"]


async def test_quoted_message_is_found(database: Database, channel: int) -> None:
    """An answer to a message shows which one."""
    await take(database, channel, hello(1), hello(2, chat=8))
    await take(database, channel, hello(3, reply_to="7:1"))
    message = (await rows(database, messages, "created_at", "seq"))[-1]
    assert '"seq":1' in message.data
    assert '"text":"message 1"' in message.data


async def test_quoted_message_of_the_same_batch_is_found(database: Database, channel: int) -> None:
    """Both come with one poll, or share a commit by chance."""
    await take(database, channel, hello(1), hello(2, reply_to="7:1"))
    message = (await rows(database, messages, "seq"))[-1]
    assert '"seq":1' in message.data


async def test_opt_out_outlives_messages_and_blocks(database: Database, channel: int) -> None:
    """STOP holds until START: neither a later message nor an unblock undoes it."""
    stop = Standing(key="stop", urn="telegram:7", state="opted_out", reason="stop")
    await take(database, channel, hello(1), stop)
    await take(database, channel, hello(2), replace(stop, key="unblock", state="open", reason="unblocked"))
    (address,) = await rows(database, addresses)
    assert address.state == "opted_out"
    await take(database, channel, replace(stop, key="start", state="open", opt_in=True))
    (address,) = await rows(database, addresses)
    assert (address.state, address.consent_source) == ("open", "start")


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        # As their webhooks bring them; with a number: heard late, said so many minutes ago.
        (["stop", "start 5"], "opted_out"),
        (["start 5", "stop"], "opted_out"),
        (["stop 5", "start"], "open"),
        (["start", "stop 5"], "open"),  # also of a number that was open when START came
        (["start", "stop 0"], "opted_out"),  # too near to each other, by two clocks, to be sure
        (["stop 5", "stop 1", "start 3"], "opted_out"),  # STOP was said again since
        (["start 5", "start 1", "stop 3"], "open"),
        (["stop 5", "start 3", "stop 1"], "opted_out"),
        (["stop 5", "start 5"], "open"),  # within a second: in the order of the vendor's list
        (["stop 3", "start 5", "stop 4"], "opted_out"),
        (["stop 5", "start 3", "start 1", "stop"], "opted_out"),
    ],
)
async def test_last_word_counts_whenever_it_is_heard(
    database: Database, channel: int, words: list[str], ends: str
) -> None:
    """What no webhook brought is found minutes later, and undoes nothing that was said since (I7)."""
    await take(database, channel, hello(1))
    for number, (word, _, minutes) in enumerate(said.partition(" ") for said in words):
        at = now_ms() - int(minutes) * 60_000 if minutes else None
        state: AddressState = "opted_out" if word == "stop" else "open"
        is_start = word == "start"
        said = Standing(key=f"w{number}", urn="telegram:7", state=state, opt_in=is_start, at=at)
        await take(database, channel, said)
    (address,) = await rows(database, addresses)
    assert address.state == ends


async def test_word_that_is_said_again_is_no_news(database: Database, channel: int) -> None:
    """One line in the thread for each real change."""
    start = Standing(key="start", urn="telegram:7", state="open", opt_in=True)
    stop = replace(start, key="stop", state="opted_out", opt_in=False)
    await take(database, channel, hello(1), start, stop, replace(stop, key="again"))
    assert [row.kind for row in await rows(database, activity)] == ["address"]


async def test_blocked_address_opens_when_the_customer_writes(database: Database, channel: int) -> None:
    """Who writes can be written to."""
    block = Standing(key="block", urn="telegram:7", state="blocked")
    await take(database, channel, hello(1), block)
    await take(database, channel, hello(2))
    (address,) = await rows(database, addresses)
    assert address.state == "open"
    assert [row.kind for row in await rows(database, activity)] == ["address"]


async def test_customer_who_was_known_before_they_wrote_gets_their_name(
    database: Database, channel: int
) -> None:
    """Who unblocks the bot, or changes an old message, is an address first and a name later."""
    await take(database, channel, Standing(key="member", urn="telegram:7", state="open"))
    await take(database, channel, hello(1))
    await take(database, channel, hello(2, name="Another"))
    assert [row.name for row in await rows(database, contacts)] == ["Giulia"]


async def test_parked_event_keeps_its_raw_form_and_a_placeholder(database: Database, channel: int) -> None:
    """What cannot be understood is kept for a person, and the thread shows that something came."""
    await take(database, channel, hello(1, kind="unsupported", raw='{"strange": 1}', parked="unknown kind"))
    (event,) = await rows(database, events)
    (message,) = await rows(database, messages)
    assert (event.state, event.body, event.error) == ("parked", '{"strange": 1}', "unknown kind")
    assert message.kind == "unsupported"


@pytest.mark.parametrize(
    "text", ["a\x00b", "a\ud800b", "\u202egnal", "<script>alert(1)</script>", "🐘" * 3000]
)
async def test_odd_text_is_stored_as_it_is_but_for_what_cannot_be(
    database: Database, channel: int, text: str
) -> None:
    """NUL and lone surrogates are replaced; all else is data, whatever it looks like."""
    await take(database, channel, hello(1, text=text, name=text, raw=text))
    (message,) = await rows(database, messages)
    assert message.text == text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")


async def test_nothing_that_a_vendor_says_is_unstorable(database: Database, channel: int) -> None:
    """NUL and lone surrogates hide in ids and reasons as well as in texts."""
    odd = "x\x00\ud800"
    block = Standing(key=odd, urn="telegram:7", state="blocked", reason=odd, raw=odd)
    await take(
        database, channel, hello(1), block,
        Receipt(external_id=odd, status="failed", reason=odd), Ignored(key=f"{odd}2", raw=odd, parked=odd),
        Aside(key=f"{odd}3", urn=odd, text=odd),
    )  # fmt: skip
    (address,) = await rows(database, addresses)
    assert (address.state, address.state_reason) == ("blocked", "x\ufffd\ufffd")
    kept = {row.key: (row.body, row.error) for row in await rows(database, events)}
    assert kept["x\ufffd\ufffd2"] == ("x\ufffd\ufffd", "x\ufffd\ufffd")


async def test_receipt_before_its_message_is_kept(database: Database, channel: int) -> None:
    """A vendor's receipt may be faster than our own commit."""
    await take(database, channel, Receipt(external_id="SM1", status="delivered"))
    found = await database.read(lambda tx: tx.run(sa.text("SELECT status FROM receipts")))
    assert [row.status for row in found] == ["delivered"]


@pytest.mark.parametrize("bad", [{"data": {"value": 2**70}}, {"provider_at": 2**70}])
async def test_number_that_no_column_holds_stops_no_other(
    database: Database, channel: int, bad: dict[str, Any]
) -> None:
    """It fails before the database sees it, and must not take the whole batch with it."""
    writer = Writer(database)
    jobs = [
        writer.write(receive, Intake(channel, (hello(number, **(bad if number == 5 else {})),)))
        for number in range(10)
    ]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    await writer.close()
    assert isinstance(results[5], BadData)
    assert [r.new for i, r in enumerate(results) if i != 5 and isinstance(r, Taken)] == [1] * 9


async def test_bad_row_in_a_batch_stops_no_other(database: Database, channel: int) -> None:
    """One job that cannot be stored fails alone; those around it are stored, in order."""
    writer = Writer(database)
    missing = channel + 1000
    jobs = [
        writer.write(receive, Intake(missing if number == 5 else channel, (hello(number),)))
        for number in range(10)
    ]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    await writer.close()
    assert isinstance(results[5], BadData)
    assert [r.new for i, r in enumerate(results) if i != 5 and isinstance(r, Taken)] == [1] * 9
    texts = [row.text for row in await rows(database, messages, "seq")]
    assert texts == [f"message {number}" for number in range(10) if number != 5]
