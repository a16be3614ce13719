"""WhatsApp from end to end: a gateway, an agent at the desk, and the stand-in for the Cloud API between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox.vendors import Vendors
from tests.channels.made import PUBLIC, site, whatsapp
from tests.gateways import Desk, running, until

MARCO = "+393331234567"


@pytest.fixture
async def desk(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    async with Vendors(pace=0.01) as vendors:
        settings = vendors.whatsapp_environment()
        async with running(tmp_path, sqlite_url, vendors, monkeypatch, settings) as made:
            await vendors.whatsapp.subscribe(f"{made.url}/webhooks/whatsapp")
            yield made


async def thread(desk: Desk, text: str = "Buongiorno", **more: Any) -> str:
    """Marco writes; the id of his conversation."""
    await desk.vendors.whatsapp.say(text, **more)
    return await desk.conversation("Marco Bianchi")


async def test_reply_reaches_the_phone_and_is_read(desk: Desk) -> None:
    """Every tick comes by webhook."""
    sent = await desk.reply(await thread(desk), "Sì, quella blu")
    await desk.becomes(sent, "delivered")
    assert desk.vendors.whatsapp.look(MARCO) == 1
    await desk.becomes(sent, "read")
    assert [entry["params"]["text"]["body"] for entry in desk.vendors.whatsapp.sent] == ["Sì, quella blu"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"kind": "image", "text": "Questa"}, "image"), ({"kind": "voice"}, "voice"),
        ({"kind": "document"}, "document"), ({"kind": "location", "text": "Piazza"}, "location"),
        ({"kind": "contacts"}, "contact"), ({"kind": "unsupported"}, "unsupported"),
    ],
)  # fmt: skip
async def test_what_a_customer_sends_is_one_entry_with_its_file(
    desk: Desk, said: dict[str, Any], kind: str
) -> None:
    """A file is fetched by its id, with the token."""
    conversation = await thread(desk, **said)

    async def settled() -> dict[str, Any] | None:
        (entry,) = await desk.messages(conversation)
        waits = [file for file in entry["attachments"] if file["state"] == "pending"]
        return None if waits else entry

    entry = await until(settled)
    assert entry["kind"] == kind
    assert {file["state"] for file in entry["attachments"]} <= {"stored"}


async def test_everything_comes_once_however_it_is_delivered(desk: Desk) -> None:
    """WhatsApp repeats, and in any order."""
    desk.vendors.whatsapp.fail(disorder=True, repeat=True)
    texts = {f"riga {number}" for number in range(8)}
    for text in texts:
        await desk.vendors.whatsapp.say(text)
    await desk.vendors.whatsapp.settled()
    messages = await desk.messages(await desk.conversation("Marco Bianchi"))
    assert sorted(message["text"] for message in messages) == sorted(texts)


async def test_customer_who_hides_the_number_is_answered(desk: Desk) -> None:
    """By the id that they have for this business."""
    sent = await desk.reply(await thread(desk, hidden=True), "Sì")
    await desk.becomes(sent, "delivered")
    assert "to" not in desk.vendors.whatsapp.sent[0]["params"]


async def test_reply_after_the_24_hours_says_so(desk: Desk) -> None:
    """WhatsApp takes it first, and refuses it afterwards."""
    conversation = await thread(desk)
    desk.vendors.whatsapp.lapse(MARCO)
    failed = await desk.becomes(await desk.reply(conversation, "Ancora lì?"), "failed")
    assert "24 hours" in failed["reason"]


async def test_refused_reply_says_why_and_what_is_down_waits(desk: Desk) -> None:
    """This message's fault ends it; WhatsApp's own does not."""
    conversation = await thread(desk)
    desk.vendors.whatsapp.fail(code=131026, times=1)
    refused = await desk.becomes(await desk.reply(conversation, "Uno"), "rejected")
    assert "131026" in refused["reason"]
    desk.vendors.whatsapp.fail(code=131016, times=2)
    await desk.becomes(await desk.reply(conversation, "Due"), "delivered")
    assert len(desk.vendors.whatsapp.sent) == 1


async def test_stop_closes_and_start_opens(desk: Desk) -> None:
    """What nobody agreed to never leaves."""
    conversation = await thread(desk)
    await thread(desk, "STOP")
    await desk.vendors.whatsapp.settled()
    path = f"/api/conversations/{conversation}/messages"
    await desk.post(path, {"text": "Offerta!", "client_id": "c"}, status=(409,))
    await thread(desk, "start")
    await desk.vendors.whatsapp.settled()
    await desk.becomes(await desk.reply(conversation, "Bentornato"), "delivered")
    assert desk.vendors.whatsapp.consent.violations == []


async def test_check_with_the_stand_in() -> None:
    """It is looked at as Meta is."""
    async with Vendors(pace=0.01) as vendors:
        number = whatsapp(site(), **vendors.whatsapp_environment())
        assert [finding.level for finding in await number.check()] == ["ok", "error"]
        vendors.whatsapp.account.webhook = f"{PUBLIC}/webhooks/whatsapp"
        assert [finding.level for finding in await number.check()] == ["ok", "ok"]
        await number.close()
