"""What vendors do to those who listen to them: repeats, races, bursts, backlogs and poison."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.sandbox.vendors import Vendors
from bridge.store import engine
from bridge.store.tables import events
from tests.gateways import Desk, Json, running, until
from tests.webhooks import WEBHOOK_MODE, post_form, post_update, sms, update


async def contacts(desk: Desk) -> list[str]:
    """The names in the list of conversations."""
    return [item["contact"]["name"] for item in (await desk.get("/api/conversations"))["items"]]


async def texts(desk: Desk, name: str) -> list[str]:
    """What a customer has written, as agents see it."""
    return [message["text"] for message in await desk.messages(await desk.conversation(name))]


async def all_texts(desk: Desk, name: str, count: int) -> list[str]:
    """The same, once there are so many."""

    async def look() -> list[str] | None:
        found = await texts(desk, name)
        return found if len(found) >= count else None

    return await until(look)


async def test_f01_webhook_that_is_retried_makes_one_message(hooked: Desk, vendors: Vendors) -> None:
    """A vendor that missed our answer sends again: the repeat is a success that changes nothing."""
    for _ in range(3):
        assert await post_update(hooked.http, update(7, "Buongiorno")) == 200
        form = sms(vendors, "SM7", "Salve")
        assert await post_form(hooked.http, vendors, hooked.url, form) == 200
    assert await texts(hooked, "Giulia") == ["Buongiorno"]
    assert await texts(hooked, "+39 333 123 4567") == ["Salve"]


async def test_f02_identical_webhooks_at_the_same_moment_make_one_message(hooked: Desk) -> None:
    """Two front ends of a vendor deliver at once: the database decides, and all are thanked."""
    answers = await asyncio.gather(*(post_update(hooked.http, update(7, "Ciao")) for _ in range(20)))
    assert answers == [200] * 20
    assert await texts(hooked, "Giulia") == ["Ciao"]


async def test_f03_first_messages_that_race_make_one_contact_and_one_conversation(hooked: Desk) -> None:
    """Nobody is two customers because they wrote twice before we knew them."""
    answers = await asyncio.gather(*(post_update(hooked.http, update(n, f"{n}")) for n in range(1, 21)))
    assert answers == [200] * 20
    assert await contacts(hooked) == ["Giulia"]
    assert sorted(await texts(hooked, "Giulia"), key=int) == [str(n) for n in range(1, 21)]


async def test_f05_updates_of_many_chats_keep_their_order(desk: Desk, vendors: Vendors) -> None:
    """Chats are handled side by side, and within each the provider's order holds."""
    for number in range(30):
        for chat in range(1, 9):
            await vendors.telegram.say(f"{number}", chat_id=chat, name=f"Chat {chat}")
    for chat in range(1, 9):
        assert await all_texts(desk, f"Chat {chat}", 30) == [str(number) for number in range(30)]


async def test_f06_burst_of_one_customer_keeps_its_order(hooked: Desk, vendors: Vendors) -> None:
    """Fifty forwarded messages arrive in the same second, with one timestamp."""
    for number in range(50):
        await vendors.telegram.say(f"{number}", chat_id=1001, name="Giulia")
    assert await all_texts(hooked, "Giulia", 50) == [str(number) for number in range(50)]


async def test_f10_replayed_backlog_makes_no_duplicate(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came by webhook comes again, in another order and by polling."""
    said = [await vendors.telegram.say(f"{number}", chat_id=1001, name="Giulia") for number in range(20)]
    async with running(tmp_path, database_url, vendors, monkeypatch, WEBHOOK_MODE) as desk:
        wanted = await all_texts(desk, "Giulia", 20)
        await vendors.telegram.settled()
        replayed = random.Random(10).sample(said, len(said))
        assert {await post_update(desk.http, one) for one in replayed} == {200}
        assert await texts(desk, "Giulia") == wanted
    monkeypatch.delenv("TELEGRAM_MODE")
    async with running(tmp_path, database_url, vendors, monkeypatch, agent="Bruno") as desk:
        for one in said:
            await vendors.telegram.say(update=one)
        await vendors.telegram.say("new", chat_id=1001, name="Giulia")
        assert await all_texts(desk, "Giulia", 21) == [*wanted, "new"]


POISON: tuple[Json, ...] = (
    {"message": {"message_id": 901, "date": "never", "chat": {"id": 1001, "type": "private"}, "text": "hm"}},
    {"message": {"message_id": 902, "date": 1, "chat": {"id": 1001, "type": "private"}, "text": {"a": []}}},
    {"message": {"message_id": 903, "date": 1, "chat": {"id": 1001, "type": "private"}, "hologram": {}}},
    {"message": {"message_id": 904, "date": 10**14, "chat": {"id": 1001, "type": "private"}, "text": "ho"}},
    {"message": ["not", "a", "message"]},
)


async def test_f15_poison_update_stops_no_other_and_is_shown(
    desk: Desk, vendors: Vendors, database_url: str
) -> None:
    """What makes no sense is kept raw and shown as a placeholder; the rest of its batch goes on."""
    await vendors.telegram.turn("ok", drop_webhooks=True)  # so that all of it is one batch
    await vendors.telegram.say("before", chat_id=1001, name="Giulia")
    for poison in POISON:
        await vendors.telegram.say(update=poison)
    await vendors.telegram.say("after", chat_id=1001, name="Giulia")
    await vendors.telegram.turn("ok", drop_webhooks=False)
    assert await all_texts(desk, "Giulia", 6) == ["before", "hm", "", "", "ho", "after"]
    found = await desk.messages(await desk.conversation("Giulia"))
    assert [message["kind"] for message in found] == ["text", *["unsupported"] * 4, "text"]
    await vendors.telegram.settled()
    kept = await parked(database_url)
    assert len(kept) == len(POISON)
    assert all(
        "hologram" in raw or "901" in raw or "902" in raw or "904" in raw or "not" in raw for raw in kept
    )


async def test_f15_number_that_no_column_holds_stops_nobody(
    desk: Desk, vendors: Vendors, database_url: str
) -> None:
    """Readable, and too large to be stored: shown with its words, parked, and the poll goes on."""
    await vendors.telegram.turn("ok", drop_webhooks=True)  # so that all of it is one batch
    await vendors.telegram.say("before", chat_id=1001, name="Giulia")
    far = {"message_id": 905, "date": 10**18, "chat": {"id": 1001, "type": "private"}, "text": "far away"}
    await vendors.telegram.say(update={"message": far})
    await vendors.telegram.say("after", chat_id=1001, name="Giulia")
    await vendors.telegram.turn("ok", drop_webhooks=False)
    assert await all_texts(desk, "Giulia", 3) == ["before", "far away", "after"]
    found = await desk.messages(await desk.conversation("Giulia"))
    assert [message["kind"] for message in found] == ["text", "unsupported", "text"]
    await vendors.telegram.settled()
    assert len(await parked(database_url)) == 1


TOO_LARGE: tuple[Json, ...] = (
    {"date": 10**30},
    {"dice": {"emoji": "🎲", "value": 10**30}, "text": None},
    {"entities": [{"type": "bold", "offset": 10**30, "length": 1}]},
)


async def test_f15_number_beyond_every_type_is_taken_and_stops_no_other(
    hooked: Desk, database_url: str
) -> None:
    """What JSON can say and no database can keep: refused, a vendor would bring it again and again."""
    odd = [update(number, f"{number}") for number, _ in enumerate(TOO_LARGE, 1)]
    for one, nonsense in zip(odd, TOO_LARGE, strict=True):
        one["message"] |= nonsense
    posts = [post_update(hooked.http, one) for one in odd]
    posts += [post_update(hooked.http, update(n, "fine", chat=2, name="Marco")) for n in range(11, 15)]
    assert set(await asyncio.gather(*posts)) == {200}
    assert len(await texts(hooked, "Giulia")) == len(TOO_LARGE)
    assert await texts(hooked, "Marco") == ["fine"] * 4
    # What only adorns a text is left out; all else waits for a person's look.
    assert sorted(json.loads(body)["update_id"] for body in await parked(database_url)) == [1, 2]


async def test_f15_key_that_no_index_holds_is_kept_by_its_digest(
    hooked: Desk, vendors: Vendors, database_url: str
) -> None:
    """PostgreSQL indexes no text of several kilobytes: what came under such an id is parked all the same."""
    sid = "SM" + "".join(random.Random(15).choices("0123456789abcdef", k=6_000))
    for _ in range(2):
        form = sms(vendors, sid, "Salve")
        assert await post_form(hooked.http, vendors, hooked.url, form) == 200
    kept = await parked(database_url)
    assert len(kept) == 1 if kept else await texts(hooked, "+39 333 123 4567") == ["Salve"]


async def parked(database_url: str) -> list[str]:
    """The raw bodies that wait for a person's look."""
    database = engine.connect(database_url)

    async def look(tx: Any) -> list[str]:
        return [row.body for row in await tx.run(sa.select(events.c.body).where(events.c.state == "parked"))]

    try:
        return await database.read(look)
    finally:
        await database.close()


async def test_f24_edited_message_keeps_both_versions(desk: Desk, vendors: Vendors) -> None:
    """The customer changed a word; the agent may have read the first one."""
    await vendors.telegram.say("alle 8", chat_id=1001, name="Giulia")
    await all_texts(desk, "Giulia", 1)
    await vendors.telegram.say("alle 9", kind="edit", chat_id=1001, name="Giulia")

    async def edited() -> Json | None:
        found = (await desk.messages(await desk.conversation("Giulia")))[0]
        return found if found["edited_at"] else None

    message = await until(edited)
    assert message["text"] == "alle 9"
    versions = (await desk.get(f"/api/messages/{message['id']}/versions"))["items"]
    assert [version["text"] for version in versions] == ["alle 8", "alle 9"]
    assert len(await texts(desk, "Giulia")) == 1
