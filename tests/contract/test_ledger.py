"""`bridge replay` and `bridge deliveries`, beside a gateway that serves."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from bridge.sandbox.vendors import Vendors
from bridge.store import engine
from bridge.store.tables import events
from tests.api.test_live import opened
from tests.bridges import Bridge
from tests.gateways import Desk, Json, until
from tests.webhooks import post_form, post_update, sms, update

pytestmark = pytest.mark.asyncio(loop_scope="session")
NOBODYS = "01a20535-20fa-7184-8cc4-dd443173916e"


async def run(bridge: Bridge, *command: str, code: int = 0) -> str:
    """What a command prints; of one that fails, what it says of that."""
    done = await asyncio.to_thread(bridge.run, *command)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr if code else done.stdout


async def listed(bridge: Bridge, *command: str) -> list[Json]:
    """What a command lists."""
    found: list[Json] = json.loads(await run(bridge, *command, "--limit", "1000", "--json"))["items"]
    return found


async def leave_poison(bridge: Bridge, desk: Desk, chat: int, text: str) -> str:
    """A message that could not be read, and could by now; the id of its event."""
    number = chat * 1000
    whole = update(number, text, chat=chat, name=f"Customer {chat}")
    poison = {**whole, "message": {**whole["message"], "date": "never", "text": ""}}
    assert await post_update(desk.http, poison) == 200
    (placeholder,) = await desk.messages(await desk.conversation(f"Customer {chat}"))
    database = engine.connect(bridge.settings["DATABASE_URL"])
    event = str(placeholder["id"])  # a customer's message has the id of its event
    mended = sa.update(events).where(events.c.id == event).values(body=json.dumps(whole))
    await database.write(lambda tx: tx.run(mended))
    await database.close()
    return event


async def test_event_that_is_replayed_beside_the_gateway_is_shown_by_it(
    bridge: Bridge, desk: Desk, chat: int
) -> None:
    """Another process wrote it: open pages hear of it all the same, within the sweep's second."""
    event = await leave_poison(bridge, desk, chat, "Quanto costa?")
    async with opened(desk.http) as page:
        await page.next("hello")
        assert await run(bridge, "replay", event) == "1 of 1 read.\n"
        frame = await page.next("message")
        while frame["message"]["id"] != event or frame["message"]["kind"] == "unsupported":
            frame = await page.next("message")
    (message,) = await desk.messages(await desk.conversation(f"Customer {chat}"))
    assert frame["message"] == message
    assert (message["seq"], message["kind"], message["text"]) == (1, "text", "Quanto costa?")
    assert await run(bridge, "replay", event, code=1) == f"{event}: No such event waits\n"


async def test_list_of_events_shows_words_only_where_they_are_asked_for(
    bridge: Bridge, desk: Desk, chat: int
) -> None:
    """An operator's terminal is no place for customers' words, nor is a log of it (I12)."""
    event = await leave_poison(bridge, desk, chat, "a secret of mine")
    shown = await run(bridge, "replay", "--channel", "telegram", "--limit", "1000")
    assert event in shown
    assert f"{bridge.url}/inbox/#/all/open/c/{await desk.conversation(f'Customer {chat}')}" in shown
    assert "message.date" in shown
    for output in (shown, await run(bridge, "replay", "--json")):
        assert "secret of mine" not in output
    assert "secret of mine" in await run(bridge, "replay", "--raw", "--limit", "1000")
    assert await run(bridge, "replay", "--give-up", event) == "1 of 1 given up.\n"
    assert event not in [one["id"] for one in await listed(bridge, "replay")]
    assert "secret of mine" not in bridge.log


async def test_what_still_cannot_be_read_is_said_one_by_one(bridge: Bridge, desk: Desk, chat: int) -> None:
    """And the command fails, so that a script can tell."""
    hologram = update(chat * 1000, "", chat=chat, name=f"Customer {chat}")
    hologram["message"]["hologram"] = hologram["message"].pop("text")
    assert await post_update(desk.http, hologram) == 200
    said = await run(bridge, "replay", "--all", "--channel", "telegram", code=1)
    assert "A message of a kind that is not known: hologram" in said
    found = json.loads((await asyncio.to_thread(bridge.run, "replay", "--all", "--json")).stdout)["items"]
    assert "A message of a kind that is not known: hologram" in [one["problem"] for one in found]
    await asyncio.to_thread(bridge.run, "replay", "--give-up", "--all")
    assert (await run(bridge, "replay")).startswith("No event waits")


async def phone(desk: Desk, vendors: Vendors, chat: int) -> str:
    """A conversation with a phone of this test's own."""
    number = f"+39333123{chat:04}"
    assert (
        await post_form(desk.http, vendors, desk.url, sms(vendors, f"SM{chat}", "Salve", sender=number))
        == 200
    )
    return await desk.conversation(f"+39 333 123 {chat:04}")


async def test_reply_that_waits_is_listed_with_its_reason_and_given_up(
    bridge: Bridge, desk: Desk, vendors: Vendors, chat: int
) -> None:
    """Why, since when and until when; neither what it says nor to whom."""
    thread = await phone(desk, vendors, chat)
    # Not for long: other tests write through this gateway, too.
    await vendors.sms.turn("429", retry_after=30, times=1)
    reply = await desk.reply(thread, "the words of a reply")

    async def paused() -> Json | None:
        items = await listed(bridge, "deliveries", "--channel", "sms")
        return next((one for one in items if one["id"] == reply["id"] and one["why"] == "paused"), None)

    found = await until(paused)
    assert (found["status"], found["tries"], found["reason"]) == (
        "queued",
        1,
        "Twilio asks for a pause (20429)",
    )
    shown = await run(bridge, "deliveries", "--channel", "sms", "--limit", "1000")
    assert shown.startswith("! SMS: ")
    assert "asks for a pause of" in shown.splitlines()[0]
    assert reply["id"] in shown
    for output in (shown, await run(bridge, "deliveries", "--json", "--limit", "1000")):
        assert "words of a reply" not in output
        assert "+39" not in output
    assert await run(bridge, "deliveries", "give-up", reply["id"]) == "1 of 1 given up.\n"
    message = await desk.message(thread, reply["id"])
    assert (message["status"], message["reason"]) == ("rejected", "given_up")
    assert await run(bridge, "deliveries", "give-up", reply["id"], NOBODYS, code=1) == (
        f"{reply['id']}: This reply is rejected now\n{NOBODYS}: There is no such reply\n"
    )


async def test_failed_replies_are_sent_again_all_at_once(
    bridge: Bridge, desk: Desk, vendors: Vendors, chat: int
) -> None:
    """After an outage nobody clicks through threads; what a person ended stays ended."""
    thread = await begin(desk, chat)
    await vendors.telegram.turn("5xx")
    lost, ended = await desk.reply(thread, "lost"), await desk.reply(thread, "not wanted any more")
    await run(bridge, "deliveries", "give-up", ended["id"])
    await expire(bridge, lost["id"])
    await desk.becomes(lost, "expired")
    await vendors.telegram.turn("ok")
    failed = [one["id"] for one in await listed(bridge, "deliveries", "--state", "failed")]
    assert (lost["id"] in failed, ended["id"] in failed) == (True, False)
    assert "to be sent again" in await run(
        bridge, "deliveries", "retry", "--all-failed", "--channel", "telegram"
    )
    await desk.becomes(lost, "sent")
    assert (await desk.message(thread, ended["id"]))["reason"] == "given_up"


async def begin(desk: Desk, chat: int) -> str:
    """A conversation on Telegram."""
    assert (
        await post_update(desk.http, update(chat * 1000, "Ciao", chat=chat, name=f"Customer {chat}")) == 200
    )
    return await desk.conversation(f"Customer {chat}")


async def expire(bridge: Bridge, message_id: str) -> None:
    """Have a reply's time run out."""
    database = engine.connect(bridge.settings["DATABASE_URL"])
    late = sa.text("UPDATE messages SET deadline_at = 1 WHERE id = :id")
    await database.write(lambda tx: tx.run(late, {"id": message_id}))
    await database.close()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["replay", "--give-up"], "Name events, or say --all."),
        (["replay", NOBODYS, "--all"], "Name events, or take all: not both."),
        (["replay", "7"], "7 is not an id: the list shows them."),
        (["replay", "--channel", "telgram"], "--channel: there is no channel telgram. There are: "),
        (["deliveries", "--channel", "telgram"], "--channel: there is no channel telgram. There are: "),
        (["deliveries", "retry"], "Name replies, or say --all-failed."),
        (["deliveries", "retry", "--all-failed", "--channel", "x"], "--channel: there is no channel x. "),
        (["deliveries", "give-up", "7"], "7 is not an id: the list shows them."),
    ],
)
async def test_slip_of_the_finger_is_one_line(bridge: Bridge, command: list[str], says: str) -> None:
    """And no empty list, from which one would conclude that all is well."""
    said = await run(bridge, *command, code=2)
    assert said.startswith(says)
    assert said.count("\n") == 1


async def test_commands_make_no_database(bridge: Bridge, tmp_path: Path) -> None:
    """In the wrong folder everything would look well."""
    elsewhere = Bridge(tmp_path / "elsewhere", {**bridge.settings, "DATABASE_URL": "sqlite:///none.db"})
    for command in ("replay", "deliveries"):
        assert "there is no database at" in await run(elsewhere, command, code=2)
    assert not (elsewhere.folder / "none.db").exists()
