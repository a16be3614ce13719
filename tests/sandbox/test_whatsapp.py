"""The stand-in for WhatsApp, as a client of the Cloud API sees it."""

from __future__ import annotations

import hashlib
from typing import Any

import aiohttp
import pytest

from bridge.sandbox import samples
from bridge.sandbox.vendor import Upload
from bridge.sandbox.vendors import Vendors
from tests.sandbox.conftest import Graph, Receiver, until

MARCO = "+393331234567"
TEXT = {"type": "text", "text": {"body": "Ciao"}}


def statuses(receiver: Receiver) -> list[dict[str, Any]]:
    """All statuses that came, in the order of their arrival."""
    return [item for value in receiver.values() for item in value.get("statuses", [])]


async def test_send_is_accepted_and_goes_from_sent_to_delivered_to_read(
    vendors: Vendors, graph: Graph, receiver: Receiver
) -> None:
    """The answer says only that it was taken; the rest comes by webhook, with the word given along."""
    await vendors.whatsapp.say("Buongiorno")
    vendors.whatsapp.account.webhook = f"{receiver.base}/w"
    status, body = await graph.send(MARCO, **TEXT, biz_opaque_callback_data="part-7")
    assert (status, body["contacts"]) == (200, [{"input": MARCO, "wa_id": "393331234567"}])
    wamid = body["messages"][0]["id"]
    assert wamid.startswith("wamid.")
    await until(lambda: len(statuses(receiver)) == 2)
    assert vendors.whatsapp.look(MARCO) == 1
    await until(lambda: len(statuses(receiver)) == 3)
    found = statuses(receiver)
    assert [item["status"] for item in found] == ["sent", "delivered", "read"]
    assert {item["id"] for item in found} == {wamid}
    assert {item["biz_opaque_callback_data"] for item in found} == {"part-7"}
    assert found[0]["recipient_id"] == "393331234567"
    assert found[0]["pricing"]["billable"] is False
    assert [entry["params"]["text"]["body"] for entry in vendors.whatsapp.sent] == ["Ciao"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image", {"caption": "guarda"}),
        ("video", {}),
        ("audio", {}),
        ("document", {"filename": "ordine.pdf"}),
        ("sticker", {}),
    ],
)
async def test_file_is_sent_by_its_id(
    vendors: Vendors, graph: Graph, kind: str, content: dict[str, str]
) -> None:
    """A file is uploaded once and named by its id."""
    await vendors.whatsapp.say("x")
    status, body = await graph.upload(samples.of("photo" if kind == "image" else kind))
    assert status == 200
    status, _ = await graph.send(MARCO, type=kind, **{kind: {"id": body["id"], **content}})
    assert status == 200
    shown = vendors.whatsapp.state()["phones"][MARCO]["messages"][-1]
    assert (shown["kind"], shown["file"]["id"]) == (kind, body["id"])


async def test_file_by_link_is_fetched_and_a_dead_link_fails_later(
    vendors: Vendors, graph: Graph, receiver: Receiver
) -> None:
    """WhatsApp fetches what is sent; the send itself was accepted already."""
    await vendors.whatsapp.say("x")
    status, _ = await graph.send(MARCO, type="image", image={"link": f"{receiver.base}/a.jpg"})
    assert status == 200
    phone = vendors.whatsapp.state
    await until(lambda: phone()["phones"][MARCO]["messages"][-1]["status"] == "delivered")
    assert phone()["phones"][MARCO]["messages"][-1]["file"]["name"] == "a.jpg"
    receiver.statuses = [404]
    await graph.send(MARCO, type="image", image={"link": f"{receiver.base}/b.jpg"})
    await until(lambda: phone()["phones"][MARCO]["messages"][-1]["status"] == "failed")
    assert phone()["phones"][MARCO]["messages"][-1]["error"] == 131053


@pytest.mark.parametrize(
    "content",
    [
        {"type": "location", "location": {"latitude": 44.2, "longitude": 11.8, "name": "Bottega"}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ida"}, "phones": [{"phone": "+39"}]}]},
        {
            "type": "interactive",
            "interactive": {
                "type": "button",
                "body": {"text": "Va bene sabato?"},
                "action": {"buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Sì"}}]},
            },
        },
        {
            "type": "template",
            "template": {
                "name": "riprendiamo",
                "language": {"code": "it"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "Marco"}]}],
            },
        },
    ],
)
async def test_other_kinds_are_sent(vendors: Vendors, graph: Graph, content: dict[str, Any]) -> None:
    """What an agent can send besides words and files."""
    await vendors.whatsapp.say("x")
    assert (await graph.send(MARCO, **content))[0] == 200
    await until(lambda: vendors.whatsapp.state()["phones"][MARCO]["messages"][-1]["status"] == "delivered")


async def test_reaction_and_quote_name_a_message(vendors: Vendors, graph: Graph) -> None:
    """Both are shown with the words they are about."""
    said = await vendors.whatsapp.say("Avete il vaso?")
    await graph.send(MARCO, type="reaction", reaction={"message_id": said["id"], "emoji": "❤️"})
    await graph.send(MARCO, **TEXT, context={"message_id": said["id"]})
    _, reaction, answer = vendors.whatsapp.state()["phones"][MARCO]["messages"]
    assert (reaction["text"], reaction["quoted"]) == ("❤️", "Avete il vaso?")
    assert (answer["text"], answer["quoted"]) == ("Ciao", "Avete il vaso?")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"text": {"body": "x" * 4097}}, 400, 100),
        ({"messaging_product": "fax"}, 400, 100),
        ({"type": "telepathy"}, 400, 100),
        ({"text": {"body": " "}}, 400, 131008),
        ({"text": "x"}, 400, 131009),
        ({"to": "12"}, 400, 131009),
        ({"to": ""}, 400, 131008),
        ({"type": "image", "image": {"id": "1"}}, 400, 100),
        ({"type": "image", "image": {"caption": "x"}}, 400, 131008),
        ({"type": "interactive", "interactive": {"type": "button", "body": {"text": "x"}}}, 400, 131009),
        ({"type": "template", "template": {"name": "x", "language": {"code": "it"}}}, 404, 132001),
        ({"type": "template", "template": {"name": "riprendiamo", "language": {"code": "it"}}}, 400, 132000),
    ],
)
async def test_wrong_send_is_refused_with_metas_code(
    vendors: Vendors, graph: Graph, changes: dict[str, Any], status: int, code: int
) -> None:
    """The channel decides by these codes whether to try again."""
    wanted = {"messaging_product": "whatsapp", "to": MARCO, **TEXT, **changes}
    answered, body = await graph.post(f"{graph.number}/messages", wanted)
    assert (answered, body["error"]["code"]) == (status, code)
    assert body["error"].keys() >= {"message", "type", "code", "fbtrace_id"}
    assert vendors.whatsapp.sent == []


async def test_wrong_token_is_190(vendors: Vendors, graph: Graph) -> None:
    """Wrong credentials are our fault and must not look like an outage."""
    graph.token = "another"
    status, body = await graph.send(MARCO, **TEXT)
    assert (status, body["error"]["code"], body["error"]["type"]) == (401, 190, "OAuthException")


async def test_number_shows_the_fields_that_are_asked_for(vendors: Vendors, graph: Graph) -> None:
    """This is what `bridge check` looks at; health says whether the account may send, not that it can."""
    vendors.whatsapp.account.webhook = "https://chat.example.com/webhooks/whatsapp"
    asked = "display_phone_number,verified_name,webhook_configuration,health_status"
    status, body = await graph.get(f"{graph.number}?fields={asked}")
    assert status == 200
    assert body["id"] == graph.number
    assert body["webhook_configuration"] == {"application": "https://chat.example.com/webhooks/whatsapp"}
    assert body["health_status"]["can_send_message"] == "AVAILABLE"
    assert "quality_rating" not in body
    assert (await graph.get(graph.number))[1]["platform_type"] == "CLOUD_API"
    status, body = await graph.get(f"{graph.number}?fields=mood")
    assert (status, body["error"]["code"]) == (400, 100)
    status, body = await graph.get("999")
    assert (status, body["error"]["error_subcode"]) == (400, 33)


async def test_templates_and_subscriptions_are_listed(vendors: Vendors, graph: Graph) -> None:
    """After the 24 hours the agent chooses among these."""
    owner = vendors.whatsapp.account.business_id
    _, found = await graph.get(f"{owner}/message_templates?name=riprendiamo")
    assert [(item["name"], item["language"], item["status"]) for item in found["data"]] == [
        ("riprendiamo", "it", "APPROVED")
    ]
    assert (await graph.get(f"{owner}/subscribed_apps"))[1]["data"] == []


async def test_files_need_the_token_twice(vendors: Vendors, graph: Graph, receiver: Receiver) -> None:
    """A customer's file has an address that is asked for, and both want the bearer token."""
    said = await vendors.whatsapp.say("guarda", kind="image", file=samples.photo())
    status, body = await graph.get(said["image"]["id"])
    assert (status, body["mime_type"], body["file_size"]) == (200, "image/jpeg", len(samples.photo().data))
    assert body["sha256"] == said["image"]["sha256"] == hashlib.sha256(samples.photo().data).hexdigest()
    async with aiohttp.ClientSession() as http:
        async with http.get(body["url"]) as response:
            assert response.status == 401
        async with http.get(body["url"], headers=graph.headers) as response:
            assert await response.read() == samples.photo().data
    assert (await graph.call("DELETE", said["image"]["id"]))[1] == {"success": True}
    assert (await graph.get(said["image"]["id"]))[0] == 400


async def test_upload_of_a_wrong_file_is_refused(graph: Graph) -> None:
    """Types and sizes are WhatsApp's own."""
    wrong = Upload("a.exe", "application/x-msdownload", b"MZ")
    status, body = await graph.upload(wrong)
    assert (status, body["error"]["code"]) == (400, 100)
    large = Upload("a.jpg", "image/jpeg", bytes(5 * 1024 * 1024 + 1))
    assert (await graph.upload(large))[1]["error"]["code"] == 131053


async def test_read_mark_colours_the_ticks_and_shows_typing(vendors: Vendors, graph: Graph) -> None:
    """One call marks the message and all before it, and may say that somebody is writing."""
    await vendors.whatsapp.say("uno")
    last = await vendors.whatsapp.say("due")
    with vendors.feed.watch() as frames:
        mark = {"status": "read", "message_id": last["id"], "typing_indicator": {"type": "text"}}
        assert await graph.post(f"{graph.number}/messages", {"messaging_product": "whatsapp", **mark}) == (
            200, {"success": True},
        )  # fmt: skip
        kinds = [frames.get_nowait()["type"] for _ in range(frames.qsize())]  # type: ignore[index]
    assert "typing" in kinds
    shown = vendors.whatsapp.state()["phones"][MARCO]["messages"]
    assert [message["status"] for message in shown] == ["read", "read"]
    assert vendors.whatsapp.sent == []
    status, _ = await graph.post(f"{graph.number}/messages", {**mark, "message_id": "wamid.no"})
    assert status == 400


async def test_outside_the_24_hours_only_a_template_arrives(
    vendors: Vendors, graph: Graph, receiver: Receiver
) -> None:
    """The send is accepted; that it was too late is said by a status."""
    await vendors.whatsapp.say("x")
    vendors.whatsapp.account.webhook = f"{receiver.base}/w"
    vendors.whatsapp.lapse(MARCO)
    status, _ = await graph.send(MARCO, **TEXT)
    assert status == 200
    await until(lambda: statuses(receiver))
    [failed] = statuses(receiver)
    assert (failed["status"], failed["errors"][0]["code"]) == ("failed", 131047)
    assert failed["errors"][0].keys() >= {"title", "message", "error_data", "href"}
    filled = [{"type": "body", "parameters": [{"type": "text", "text": "Marco"}]}]
    template = {"name": "riprendiamo", "language": {"code": "it"}, "components": filled}
    _, body = await graph.send(MARCO, type="template", template=template)
    assert body["messages"][0]["message_status"] == "accepted"
    await until(lambda: statuses(receiver)[-1]["status"] == "delivered")
    assert vendors.whatsapp.consent.violations == []


async def test_send_that_nobody_agreed_to_is_a_violation(vendors: Vendors, graph: Graph) -> None:
    """Who never wrote may get a template only, who said stop nothing at all."""
    await graph.send("+393330000001", **TEXT)
    await vendors.whatsapp.say(" Stop ", sender=MARCO)
    hello = {"name": "hello_world", "language": {"code": "en_US"}}
    await graph.send(MARCO, type="template", template=hello)
    await graph.send("+393330000002", type="template", template=hello)
    await vendors.whatsapp.say("START", sender=MARCO)
    await graph.send(MARCO, **TEXT)
    found = [(item["to"], item["why"]) for item in vendors.whatsapp.consent.violations]
    assert found == [("+393330000001", "never wrote"), (MARCO, "stopped")]


async def test_dead_number_fails_and_a_phone_that_is_off_waits(
    vendors: Vendors, graph: Graph, receiver: Receiver
) -> None:
    """The one ends with a code, the other stays at one tick until the phone is on again."""
    await vendors.whatsapp.say("x")
    vendors.whatsapp.account.webhook = f"{receiver.base}/w"
    vendors.whatsapp.account.dead[MARCO] = 131026
    await graph.send(MARCO, **TEXT)
    await until(lambda: len(statuses(receiver)) == 1)
    assert statuses(receiver)[0]["errors"][0]["code"] == 131026
    vendors.whatsapp.kill(MARCO, None)
    vendors.whatsapp.switch(MARCO, on=False)
    await graph.send(MARCO, **TEXT)
    await until(lambda: len(statuses(receiver)) == 2)
    assert statuses(receiver)[1]["status"] == "sent"
    vendors.whatsapp.switch(MARCO, on=True)
    await until(lambda: [item["status"] for item in statuses(receiver)][2:] == ["delivered"])


async def test_customer_without_a_number_is_written_to_by_user_id(
    vendors: Vendors, graph: Graph, receiver: Receiver
) -> None:
    """Since April 2026 the business-scoped id is always there and the number may be missing."""
    vendors.whatsapp.account.webhook = f"{receiver.base}/w"
    said = await vendors.whatsapp.say("x", hidden=True)
    await vendors.whatsapp.settled()
    [value] = receiver.values()
    assert "from" not in said
    assert "wa_id" not in value["contacts"][0]
    user_id = said["from_user_id"]
    assert user_id == value["contacts"][0]["user_id"]
    status, body = await graph.post(
        f"{graph.number}/messages", {"messaging_product": "whatsapp", "recipient": user_id, **TEXT}
    )
    assert (status, body["contacts"]) == (200, [{"input": user_id, "user_id": user_id}])
    await until(lambda: len(statuses(receiver)) == 2)
    assert {item["recipient_user_id"] for item in statuses(receiver)} == {user_id}
    assert not any("recipient_id" in item for item in statuses(receiver))
