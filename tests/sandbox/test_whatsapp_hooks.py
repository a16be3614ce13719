"""WhatsApp's webhooks: their shape, their signature, and what may happen to them."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.sandbox.vendors import Vendors
from tests.sandbox.conftest import Graph, Receiver, until

MARCO, CHIARA = "+393331234567", "+393471112233"
TEXT = {"type": "text", "text": {"body": "Ciao"}}


def items(receiver: Receiver, field: str) -> list[dict[str, Any]]:
    """All messages or statuses that came, in the order of their arrival."""
    return [item for value in receiver.values() for item in value.get(field, [])]


@pytest.fixture
def listening(vendors: Vendors, receiver: Receiver) -> Receiver:
    """A receiver that is the number's webhook."""
    vendors.whatsapp.account.webhook = f"{receiver.base}/webhooks/whatsapp"
    return receiver


async def test_message_is_signed_over_its_raw_body(vendors: Vendors, listening: Receiver) -> None:
    """The signature is all that tells WhatsApp from anybody else."""
    await vendors.whatsapp.say("È aperto? 🙂", sender=MARCO, name="Marco Bianchi")
    await vendors.whatsapp.settled()
    [hit] = listening.hits
    secret = vendors.whatsapp.account.app_secret.encode()
    expected = hmac.new(secret, hit.body, hashlib.sha256).hexdigest()
    assert hit.headers["x-hub-signature-256"] == f"sha256={expected}"
    [value] = listening.values()
    assert value["metadata"]["phone_number_id"] == vendors.whatsapp.account.phone_number_id
    [contact] = value["contacts"]
    assert (contact["profile"]["name"], contact["wa_id"]) == ("Marco Bianchi", "393331234567")
    [message] = value["messages"]
    assert (message["from"], message["type"], message["text"]) == (
        "393331234567", "text", {"body": "È aperto? 🙂"},
    )  # fmt: skip
    assert message["from_user_id"] == contact["user_id"]


async def test_verification_asks_for_the_challenge(vendors: Vendors) -> None:
    """A gateway that does not know the token, or answers with anything else, gets no webhooks."""

    async def answer(request: web.Request) -> web.Response:
        known = request.query["hub.verify_token"] == vendors.whatsapp.account.verify_token
        right = known and request.query["hub.mode"] == "subscribe" and request.path == "/right"
        return web.Response(text=request.query["hub.challenge"] if right else "hello")

    app = web.Application()
    app.router.add_get("/{path}", answer)
    async with TestServer(app) as server:
        with pytest.raises(ValueError, match="couldn't be validated"):
            await vendors.whatsapp.subscribe(str(server.make_url("/wrong")))
        assert vendors.whatsapp.account.webhook == ""
        await vendors.whatsapp.subscribe(str(server.make_url("/right")))
        assert vendors.whatsapp.account.webhook == str(server.make_url("/right"))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("image", "image"),
        ("video", "video"),
        ("audio", "audio"),
        ("voice", "audio"),
        ("document", "document"),
        ("sticker", "sticker"),
        ("location", "location"),
        ("contacts", "contacts"),
        ("unsupported", "unsupported"),
    ],
)
async def test_customer_can_send_every_kind(
    vendors: Vendors, listening: Receiver, kind: str, name: str
) -> None:
    """Each makes exactly one message at the gateway."""
    await vendors.whatsapp.say(kind=kind)
    await vendors.whatsapp.settled()
    [message] = items(listening, "messages")
    assert message["type"] == name
    if kind == "unsupported":
        assert message["errors"][0]["code"] == 131051
    elif name in ("image", "video", "audio", "document", "sticker"):
        assert message[name].keys() >= {"id", "mime_type", "sha256"}
    if name == "audio":
        assert message["audio"]["voice"] is (kind == "voice")


async def test_customer_quotes_reacts_and_taps_a_button(
    vendors: Vendors, graph: Graph, listening: Receiver
) -> None:
    """All three are about another message."""
    first = await vendors.whatsapp.say("Avete il vaso?")
    buttons = [{"type": "reply", "reply": {"id": key, "title": key}} for key in ("yes", "no")]
    asked = {"type": "button", "body": {"text": "Sabato?"}, "action": {"buttons": buttons}}
    _, body = await graph.send(MARCO, type="interactive", interactive=asked)
    wamid = body["messages"][0]["id"]
    quote = await vendors.whatsapp.say("Quello blu", message_id=first["id"])
    assert quote["context"] == {"from": "393331234567", "id": first["id"]}
    reaction = await vendors.whatsapp.say(kind="reaction", emoji="😀")
    assert (reaction["type"], reaction["reaction"]) == ("reaction", {"message_id": wamid, "emoji": "😀"})
    taken_back = await vendors.whatsapp.say(kind="reaction", emoji="")
    assert taken_back["reaction"] == {"message_id": wamid}
    tapped = await vendors.whatsapp.say(kind="button", button="no")
    assert tapped["interactive"]["button_reply"] == {"id": "no", "title": "no"}
    assert tapped["context"] == {"from": vendors.whatsapp.account.number[1:], "id": wamid}
    await vendors.whatsapp.settled()
    assert len(items(listening, "messages")) == 5


async def test_kind_that_nobody_knows_yet_is_sent_as_it_is(vendors: Vendors, listening: Receiver) -> None:
    """WhatsApp adds kinds without notice."""
    said = await vendors.whatsapp.say(raw={"type": "order", "order": {"catalog_id": "7"}})
    assert (said["type"], said["order"], said["from"]) == ("order", {"catalog_id": "7"}, "393331234567")
    assert vendors.whatsapp.state()["phones"][MARCO]["messages"][-1]["kind"] == "order"


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "telepathy"},
        {"sender": "333"},
        {"message_id": "wamid.no"},
        {"kind": "reaction"},
        {"kind": "button"},
    ],
)
async def test_what_a_customer_cannot_do_is_refused(vendors: Vendors, said: dict[str, str]) -> None:
    """A mistyped test must not look like a message that had no effect."""
    with pytest.raises(ValueError, match=r"unknown|no number|no message|nothing of the kind"):
        await vendors.whatsapp.say(**said)
    assert all(not phone["messages"] for phone in vendors.whatsapp.state()["phones"].values())


async def test_webhook_is_repeated_until_200(vendors: Vendors, listening: Receiver) -> None:
    """What came later is not held up by it: the order is lost, the messages are not."""
    listening.statuses = [503, 204]
    await vendors.whatsapp.say("first")
    await until(lambda: listening.hits)
    await vendors.whatsapp.say("second")
    await vendors.whatsapp.settled()
    bodies = [hit.body for hit in listening.hits]
    assert len(bodies) == 4
    assert bodies[0] == bodies[2] or bodies[1] == bodies[3]
    assert {item["text"]["body"] for item in items(listening, "messages")} == {"first", "second"}


async def test_one_webhook_carries_several_messages_and_statuses(
    vendors: Vendors, graph: Graph, listening: Receiver
) -> None:
    """After an outage they come in bulk, both kinds in one entry."""
    await vendors.whatsapp.say("hi")
    await vendors.whatsapp.settled()
    listening.hits.clear()
    await vendors.whatsapp.turn("ok", drop_webhooks=True)
    await vendors.whatsapp.say("uno", sender=MARCO)
    await vendors.whatsapp.say("due", sender=CHIARA)
    await graph.send(MARCO, **TEXT)
    await until(lambda: vendors.whatsapp.state()["phones"][MARCO]["messages"][-1]["status"] == "delivered")
    assert listening.hits == []
    await vendors.restore()
    await vendors.whatsapp.settled()
    [messages, statuses] = listening.values()
    assert len(listening.hits) == 1
    assert [item["text"]["body"] for item in messages["messages"]] == ["uno", "due"]
    assert [item["status"] for item in statuses["statuses"]] == ["sent", "delivered"]
    assert len(messages["contacts"]) == 2


async def test_sends_break_while_customers_are_heard(
    vendors: Vendors, graph: Graph, listening: Receiver
) -> None:
    """One direction can fail alone."""
    await vendors.whatsapp.turn("5xx")
    status, body = await graph.send(MARCO, **TEXT)
    assert (status, body["error"]["code"], body["error"]["is_transient"]) == (503, 2, True)
    await vendors.whatsapp.say("anybody?")
    await vendors.whatsapp.settled()
    assert len(items(listening, "messages")) == 1


async def test_down_refuses_and_keeps_what_customers_write(
    vendors: Vendors, graph: Graph, listening: Receiver
) -> None:
    """Also what was accepted just before stays on its way."""
    await vendors.whatsapp.say("hi")
    await vendors.whatsapp.settled()
    await graph.send(MARCO, **TEXT)
    await vendors.whatsapp.turn("down")
    with pytest.raises(aiohttp.ClientConnectorError):
        await graph.send(MARCO, **TEXT)
    await vendors.whatsapp.say("anybody?")
    before = len(listening.hits)
    await vendors.whatsapp.turn("ok")
    await until(lambda: [item["status"] for item in items(listening, "statuses")] == ["sent", "delivered"])
    assert before < len(listening.hits)
    assert [item["text"]["body"] for item in items(listening, "messages")] == ["hi", "anybody?"]


async def test_429_is_130429_and_a_lost_answer_was_taken(vendors: Vendors, graph: Graph) -> None:
    """The one was never processed, the other has arrived."""
    await vendors.whatsapp.say("hi")
    await vendors.whatsapp.turn("429")
    status, body = await graph.send(MARCO, **TEXT)
    assert (status, body["error"]["code"]) == (429, 130429)
    assert vendors.whatsapp.sent == []
    await vendors.whatsapp.turn("lose", times=1)
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await graph.send(MARCO, **TEXT)
    assert len(vendors.whatsapp.sent) == 1
    assert (await graph.send(MARCO, **TEXT))[0] == 200


async def test_code_for_a_number_of_sends_ends_by_itself(vendors: Vendors, graph: Graph) -> None:
    """Reads of the account are spared: only what sends counts."""
    await vendors.whatsapp.say("hi")
    vendors.whatsapp.fail(code=131016, times=2)
    assert (await graph.get(graph.number))[0] == 200
    for _ in range(2):
        status, body = await graph.send(MARCO, **TEXT)
        assert (status, body["error"]["code"]) == (500, 131016)
    assert (await graph.send(MARCO, **TEXT))[0] == 200
    with pytest.raises(ValueError, match="no error of WhatsApp"):
        vendors.whatsapp.fail(code=7)


async def test_stall_accepts_and_never_says_more_until_it_ends(
    vendors: Vendors, graph: Graph, listening: Receiver
) -> None:
    """A silent stall: nothing fails, nothing arrives; afterwards everything comes late."""
    await vendors.whatsapp.say("hi")
    vendors.whatsapp.fail(stall=True, times=1)
    _, stuck = await graph.send(MARCO, **TEXT)
    _, passed = await graph.send(MARCO, **TEXT)
    await until(lambda: len(items(listening, "statuses")) == 2)
    assert {item["id"] for item in items(listening, "statuses")} == {passed["messages"][0]["id"]}
    vendors.whatsapp.fail()
    await until(lambda: len(items(listening, "statuses")) == 4)
    assert {item["id"] for item in items(listening, "statuses")[2:]} == {stuck["messages"][0]["id"]}


async def test_disorder_and_repeats(vendors: Vendors, graph: Graph, listening: Receiver) -> None:
    """After an outage webhooks come twice and the last one first."""
    await vendors.whatsapp.say("hi")
    await vendors.whatsapp.settled()
    listening.hits.clear()
    vendors.whatsapp.fail(disorder=True, repeat=True)
    await graph.send(MARCO, **TEXT)
    await vendors.whatsapp.say("uno")
    await vendors.whatsapp.say("due")
    await until(lambda: len(items(listening, "messages")) == 4)
    assert [item["text"]["body"] for item in items(listening, "messages")] == ["due", "uno"] * 2
    await until(lambda: len(items(listening, "statuses")) == 4)
    assert [item["status"] for item in items(listening, "statuses")] == ["delivered", "sent"] * 2


async def test_reset_forgets_what_is_on_its_way(vendors: Vendors, graph: Graph, listening: Receiver) -> None:
    """The next test starts over, with the same account and webhook."""
    await vendors.whatsapp.say("hi")
    await vendors.whatsapp.settled()
    listening.hits.clear()
    await vendors.whatsapp.turn("ok", drop_webhooks=True)
    await vendors.whatsapp.say("lost")
    await vendors.reset()
    assert vendors.whatsapp.state()["phones"] == {}
    await vendors.whatsapp.say("new")
    await vendors.whatsapp.settled()
    assert [item["text"]["body"] for item in items(listening, "messages")] == ["new"]
