"""`bridge outage`, beside a gateway that serves."""

from __future__ import annotations

import pytest

from bridge.sandbox.vendors import Vendors
from tests.bridges import Bridge
from tests.contract.test_ledger import run
from tests.gateways import Desk
from tests.webhooks import post_update, update

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def state_of(desk: Desk, kind: str) -> str:
    """How the pages show a channel."""
    items = (await desk.get("/api/channels"))["items"]
    state: str = next(item["state"] for item in items if item["type"] == kind)
    return state


async def test_operator_treats_a_channel_as_down_and_as_it_is_again(
    bridge: Bridge, desk: Desk, vendors: Vendors, chat: int
) -> None:
    """What is written meanwhile waits, and leaves afterwards; the incident tells what was done."""
    assert (
        await post_update(desk.http, update(chat * 1000, "Ci siete?", chat=chat, name=f"Customer {chat}"))
        == 200
    )
    thread = await desk.conversation(f"Customer {chat}")
    assert "Telegram is down" in await run(bridge, "outage", "treat", "telegram", "down")
    try:
        assert await state_of(desk, "telegram") == "down"
        reply = await desk.reply(thread, "Eccoci")
        assert (await desk.message(thread, reply["id"]))["status"] == "queued"
    finally:
        said = await run(bridge, "outage", "treat", "telegram", "automatic")
    assert "Telegram works" in said
    assert "treated as down on the command line" in said
    await desk.becomes(reply, "sent")
    (incident,) = (await desk.get("/api/incidents"))["items"][:1]
    assert [line["kind"] for line in incident["lines"]] == ["switch_down", "switch_automatic"]
    listed = await run(bridge, "outage")
    assert "SMS works" in listed
    assert "as it is found again on the command line" in listed


@pytest.mark.parametrize("name", ["pigeon", "999"])
async def test_channel_that_is_not_there_is_named_with_those_that_are(bridge: Bridge, name: str) -> None:
    said = await run(bridge, "outage", "treat", name, "down", code=2)
    assert f"{name} is no channel" in said
    assert "telegram (number" in said


async def test_state_that_is_none_is_refused(bridge: Bridge) -> None:
    assert "automatic" in await run(bridge, "outage", "treat", "telegram", "broken", code=2)
