"""Conversations, messages and replies, as a program that uses the API sees them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import aiohttp
import pytest

from bridge.sandbox.vendors import Vendors
from tests.gateways import Desk, Json, until
from tests.webhooks import post_update, update

pytestmark = pytest.mark.asyncio(loop_scope="session")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MESSAGE = {
    "id", "conversation_id", "seq", "direction", "channel", "text", "attachments", "status", "author",
    "client_id", "created_at", "provider_at",
}  # fmt: skip


async def begin(desk: Desk, chat: int, text: str = "Buongiorno") -> str:
    """A conversation with a customer of this test's own."""
    body = update(chat * 1000, text, chat=chat, name=f"Customer {chat}")
    assert await post_update(desk.http, body) == 200
    return await desk.conversation(f"Customer {chat}")


async def test_2xx_means_that_the_api_shows_the_message(
    stranger: aiohttp.ClientSession, desk: Desk, chat: int
) -> None:
    """At once, without waiting: the next request already finds it."""
    conversation = await begin(desk, chat)
    for number in range(1, 20):
        body = update(chat * 1000 + number, f"{number}", chat=chat, name=f"Customer {chat}")
        assert await post_update(stranger, body) == 200
        assert (await desk.messages(conversation))[-1]["text"] == f"{number}"


async def test_message_has_the_promised_fields(desk: Desk, chat: int) -> None:
    """Ids are UUIDv7, times RFC 3339 UTC, the author an agent with id and name."""
    conversation = await begin(desk, chat)
    await desk.reply(conversation, "Salve")
    inbound, outbound = await desk.messages(conversation)
    for message in (inbound, outbound):
        assert set(message) >= MESSAGE
        assert UUID7.fullmatch(message["id"])
        assert message["conversation_id"] == conversation
        assert message["created_at"].endswith("Z")
        assert datetime.fromisoformat(message["created_at"]).tzinfo == UTC
        assert message["channel"] == "telegram"
    assert (inbound["seq"], inbound["direction"]) == (1, "inbound")
    assert inbound["author"]["name"] == f"Customer {chat}"
    assert datetime.fromisoformat(inbound["provider_at"]).tzinfo == UTC
    me = await desk.get("/api/me")
    assert outbound["author"] == {"id": me["id"], "name": me["name"]}
    assert (outbound["seq"], outbound["direction"]) == (2, "outbound")


async def test_conversation_knows_its_contact_and_the_contact_its_addresses(desk: Desk, chat: int) -> None:
    """`contact: {id, name}`, and there `addresses` with their URNs."""
    conversation = await begin(desk, chat)
    item = await desk.get(f"/api/conversations/{conversation}")
    assert item["contact"]["name"] == f"Customer {chat}"
    contact = await desk.get(f"/api/contacts/{item['contact']['id']}")
    assert contact["name"] == f"Customer {chat}"
    assert [address["urn"] for address in contact["addresses"]] == [f"telegram:{chat}"]


async def test_list_is_filtered_and_paged_by_its_cursor(desk: Desk, chat: int) -> None:
    """No `status` means all; every page follows the last, nothing twice, nothing missing."""
    mine = [await begin(desk, chat * 100 + number) for number in range(5)]
    async with desk.http.patch(f"/api/conversations/{mine[0]}", json={"status": "resolved"}) as answer:
        assert answer.status == 200
    assert mine[0] in await listed(desk)
    assert mine[0] in await listed(desk, status="resolved")
    assert mine[0] not in await listed(desk, status="open")
    assert set(mine) <= set(await listed(desk, channel="telegram"))
    assert not set(mine) & set(await listed(desk, channel="sms"))
    assert not set(mine) & set(await listed(desk, assignee="me"))
    assert await listed(desk, q=f"{chat * 100}") == [mine[0]]


async def listed(desk: Desk, **query: str) -> list[str]:
    """The ids of all pages, two by two."""
    found: list[str] = []
    cursor = ""
    while True:
        page = await desk.get("/api/conversations", limit=2, cursor=cursor, **query)
        assert len(page["items"]) <= 2
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            assert len(found) == len(set(found))
            return found


async def test_thread_is_read_by_seq(desk: Desk, chat: int) -> None:
    """`after` from 0, `before`, `limit` up to 100, else the newest; always ascending."""
    conversation = await begin(desk, chat, "1")
    for number in range(2, 8):
        await desk.reply(conversation, f"{number}", kind="note")

    async def seqs(**query: int) -> list[int]:
        page = await desk.get(f"/api/conversations/{conversation}/messages", **query)
        return [message["seq"] for message in page["items"]]

    assert await seqs() == await seqs(after=0) == [1, 2, 3, 4, 5, 6, 7]
    assert await seqs(after=0, limit=3) == [1, 2, 3]
    assert await seqs(after=3, limit=100) == [4, 5, 6, 7]
    assert await seqs(before=4, limit=2) == [2, 3]
    assert await seqs(limit=2) == [6, 7]
    assert await seqs(after=7) == []


async def test_client_id_names_one_message(desk: Desk, chat: int) -> None:
    """The same body again is the same message, 200 or 201; another body is 409."""
    conversation = await begin(desk, chat)
    path, body = f"/api/conversations/{conversation}/messages", {"text": "Salve", "client_id": "my-1"}
    first = await desk.post(path, body, status=(201,))
    assert first["client_id"] == "my-1"
    again = await desk.post(path, body, status=(200, 201))
    assert (again["id"], again["seq"]) == (first["id"], first["seq"])
    for other in ({**body, "text": "Altro"}, {**body, "kind": "note"}):
        await desk.post(path, other, status=(409,))
    elsewhere = await begin(desk, chat + 500_000)
    await desk.post(f"/api/conversations/{elsewhere}/messages", body, status=(201,))


async def test_reply_goes_through_its_states_to_the_customer(desk: Desk, vendors: Vendors, chat: int) -> None:
    """Telegram tells no more than `sent`; what was sent is what was written."""
    conversation = await begin(desk, chat)
    reply = await desk.reply(conversation, "Salve")
    assert reply["status"] in ("queued", "sending", "sent")
    await desk.becomes(reply, "sent", within=60)
    sent = [entry["params"]["text"] for entry in vendors.telegram.sent if entry["chat_id"] == chat]
    assert sent == ["Salve"]


async def test_waiting_reply_says_why(desk: Desk, vendors: Vendors, chat: int) -> None:
    """Telegram is away: the agent reads a reason, not a silence."""
    conversation = await begin(desk, chat)
    await desk.becomes(await desk.reply(conversation, "warm"), "sent", within=60)
    await vendors.telegram.turn("down")
    try:
        reply = await desk.reply(conversation, "Salve")
        await waits_with_a_reason(desk, reply)
    finally:
        await vendors.restore()
    await desk.becomes(reply, "sent", within=60)


async def waits_with_a_reason(desk: Desk, reply: Json) -> None:
    async def look() -> bool:
        found = await desk.message(reply["conversation_id"], reply["id"])
        return bool(found["status"] == "queued" and found["reason"])

    await until(look)


async def test_channels_show_type_label_health_and_limits(desk: Desk) -> None:
    """Pages know channels by what these say, never by name."""
    items = (await desk.get("/api/channels"))["items"]
    assert {item["type"] for item in items} == {"telegram", "sms", "webchat"}
    for item in items:
        assert item["label"]
        assert item["state"] in ("up", "degraded", "down", "setup")
        assert item["health"] in ("up", "degraded", "down")
        assert item["limits"]["text"] > 0


async def test_openapi_document_names_every_route_of_the_contract(stranger: aiohttp.ClientSession) -> None:
    """OpenAPI 3.1, open to everybody."""
    async with stranger.get("/api/openapi.json") as answer:
        assert answer.status == 200
        document = await answer.json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {
        "/api/session", "/api/me", "/api/conversations", "/api/conversations/{conversation_id}",
        "/api/conversations/{conversation_id}/messages", "/api/contacts/{contact_id}", "/api/channels",
        "/api/incidents", "/api/live",
    }  # fmt: skip


async def test_operators_routes_need_no_token(stranger: aiohttp.ClientSession) -> None:
    """A balancer and Prometheus have none."""
    for path in ("/healthz", "/readyz", "/metrics"):
        async with stranger.get(path) as answer:
            assert answer.status == 200
