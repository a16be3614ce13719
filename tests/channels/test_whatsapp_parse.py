"""What WhatsApp's webhooks become, and which are believed."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from bridge.errors import BadRequest, BadWebhook, WrongType
from bridge.models import Edit, Event, Ignored, Inbound, Media, Receipt, Standing, Webhook
from tests.channels.made import APP_SECRET, NUMBER_ID, PUBLIC, SAMPLES, whatsapp

URN = "whatsapp:+393331234567"
FILE = "1479537139650973"


def body(name: str) -> bytes:
    """A sample webhook as it came."""
    return (SAMPLES / "whatsapp" / f"{name}.json").read_bytes()


def hook(
    raw: bytes, *, secret: str = APP_SECRET, signature: str | None = None,
    content_type: str = "application/json",
) -> Webhook:  # fmt: skip
    """Meta's call."""
    made = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": made if signature is None else signature, "content-type": content_type}
    return Webhook(path="whatsapp", url=f"{PUBLIC}/webhooks/whatsapp", headers=headers, body=raw)


def parse(name: str) -> list[Event]:
    return whatsapp().parse(hook(body(name)))


def message_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body(name))["entry"][0]["changes"][0]["value"]["messages"][0]
    return found


def media(kind: Any, mime: str, name: str = "") -> tuple[Media, ...]:
    return (Media(kind=kind, ref=FILE, mime=mime, name=name),)


PLACE = {"latitude": 44.2856, "longitude": 11.8798}
SQUARE = {"title": "Piazza del Popolo", "address": "48018 Faenza RA"}
MESSAGES: dict[str, dict[str, Any]] = {
    "text": {"kind": "text", "text": "Buongiorno, avete ancora la borsa blu? 👜 100% & più", "urn": URN,
             "name": "Giulia Bandini", "handle": "+39 333 123 4567", "provider_at": 1795356000000},
    "reply": {"text": "Sì, quella", "reply_to": "wamid.HBgMOURS"},
    "image": {"kind": "image", "text": "Questa", "media": media("image", "image/jpeg")},
    "video": {"kind": "video", "text": "", "media": media("video", "video/mp4")},
    "voice": {"kind": "voice", "media": media("voice", "audio/ogg")},
    "audio": {"kind": "audio", "media": media("audio", "audio/mpeg")},
    "document": {"kind": "document", "text": "L'ordine",
                 "media": media("document", "application/pdf", "ordine.pdf")},
    "sticker": {"kind": "sticker", "media": media("sticker", "image/webp")},
    "location": {"kind": "location", "text": "Piazza del Popolo, 48018 Faenza RA", "data": PLACE | SQUARE},
    "location_bare": {"kind": "location", "text": "", "data": PLACE},
    "contacts": {"kind": "contact", "text": "Anna Neri, +39 333 765 4321",
                 "data": {"name": "Anna Neri", "phone": "+39 333 765 4321", "own": False}},
    "contacts_two": {"kind": "contact", "text": "Anna Neri, +39 333 765 4321\nSartoria Lugo",
                     "data": {"own": False}},
    "reaction": {"kind": "text", "text": "👍", "reply_to": "wamid.HBgMOURS", "data": {"kind": "reaction"}},
    "button": {"kind": "text", "text": "Confermo", "reply_to": "wamid.HBgMOURS"},
    "button_reply": {"kind": "text", "text": "Domani"},
    "list_reply": {"kind": "text", "text": "Ritiro\nIn negozio"},
    "form": {"kind": "text", "text": "Sent\ntaglia: M\npezzi: 2"},
    "order": {"kind": "text", "text": "Order\n• 2 × BORSA-BLU, 39.5 EUR\n• 1 × CINTURA\nPer sabato"},
    "unsupported": {"kind": "unsupported", "data": {"kind": "unsupported"}, "parked": ""},
    "welcome": {"kind": "unsupported", "data": {"kind": "request_welcome"}, "parked": ""},
    "revoke": {"kind": "unsupported", "data": {"kind": "revoke"}, "parked": ""},
    "kind_of_tomorrow": {"kind": "unsupported", "data": {"kind": "hologram"},
                         "parked": "A message of a kind that is not known: hologram"},
    "stop_in_a_sentence": {"text": "Non fate stop alle consegne"},
    "stop_chosen": {"text": "Stop"},
    "hidden_number": {"urn": "whatsapp:IT.222", "name": "Marco", "handle": "@marco.r"},
    "hidden_number_without_from": {"urn": "whatsapp:IT.222", "name": "Marco"},
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_each_message_is_one_entry(name: str) -> None:
    """What a customer sent is in the thread once, under WhatsApp's own id."""
    (event,) = parse(name)
    assert isinstance(event, Inbound)
    assert event.key == event.external_id == message_of(name)["id"]
    for field, expected in MESSAGES[name].items():
        assert getattr(event, field) == expected, field


@pytest.mark.parametrize("name", [*MESSAGES, "edit", "stop", "number_changed", "poison_image"])
def test_what_is_kept_reads_as_what_came(name: str) -> None:
    """A version of tomorrow reads again what this one could not."""
    events = parse(name)
    kept = events[0].raw  # type: ignore[union-attr]  # none of them is a receipt
    if kept:
        assert whatsapp().reread("key", kept) == events


@pytest.mark.parametrize("name", ["poison_image", "poison_location"])
def test_poison_message_is_shown_and_parked(name: str) -> None:
    """The agent sees that something came, and a person can look at it."""
    (event,) = parse(name)
    assert isinstance(event, Inbound)
    assert (event.kind, event.urn, event.name) == ("unsupported", URN, "Giulia Bandini")
    assert event.parked.startswith("A message that cannot be read: ")
    assert "north" not in event.parked


def test_message_without_a_sender_is_parked() -> None:
    """Nobody can be answered, and nothing is lost."""
    (event,) = parse("without_sender")
    assert isinstance(event, Ignored)
    assert event.parked == "A message without a sender"


def test_batch_is_read_one_by_one() -> None:
    """Several entries and changes in one call; poison stops no other, another number's are left alone."""
    one, poison, other, receipt = parse("batch")
    assert isinstance(one, Inbound)
    assert isinstance(poison, Inbound)
    assert isinstance(other, Inbound)
    assert (one.text, other.text, other.name, other.urn) == ("Uno", "Tre", "Anna", "whatsapp:+393337654321")
    assert poison.parked
    assert "Tre" not in one.raw  # each keeps its own
    assert receipt == Receipt(external_id="wamid.OURS1", status="delivered")


@pytest.mark.parametrize("name", ["other_number", "other_field"])
def test_what_is_not_for_this_number_is_passed_over(name: str) -> None:
    """All numbers of an account, and all subscriptions of an app, share the webhook."""
    assert parse(name) == []


@pytest.mark.parametrize("name", ["reaction_removed", "identity_changed"])
def test_what_nobody_said_makes_no_entry(name: str) -> None:
    """Known, so nobody has to look at it."""
    assert parse(name) == [Ignored(key=message_of(name)["id"])]


@pytest.mark.parametrize(("name", "text"), [("edit", "La borsa rossa"), ("edit_caption", "Questa qui")])
def test_edit_changes_its_message(name: str, text: str) -> None:
    """The id of the change tells a repeat, the original's says what is changed."""
    (event,) = parse(name)
    assert isinstance(event, Edit)
    assert (event.urn, event.external_id, event.text) == (URN, "wamid.HBgMORIGINAL", text)


def test_number_that_was_given_up_is_closed() -> None:
    """A reply to it would reach nobody, or a stranger."""
    (event,) = parse("number_changed")
    assert isinstance(event, Standing)
    assert (event.urn, event.state) == (URN, "invalid")


@pytest.mark.parametrize(
    ("name", "state", "opt_in"), [("stop", "opted_out", False), ("start", "open", True)]
)  # fmt: skip
def test_word_that_was_typed_changes_the_consent(name: str, state: str, opt_in: bool) -> None:
    """The same words as for SMS, with WhatsApp's time, for it repeats for days."""
    said, standing = parse(name)
    assert isinstance(said, Inbound)
    assert isinstance(standing, Standing)
    assert (standing.urn, standing.state, standing.opt_in) == (URN, state, opt_in)
    assert standing.at == 1795356000000


@pytest.mark.parametrize(
    ("name", "status"),
    [("sent", "sent"), ("delivered", "delivered"), ("read", "read"), ("played", "read")],
)
def test_status_is_a_receipt(name: str, status: Any) -> None:
    """Under the id that the send gave."""
    assert parse(f"status_{name}") == [Receipt(external_id="wamid.OURS1", status=status)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("failed_window",
         "More than 24 hours since the customer last wrote: WhatsApp takes only templates now (131047)"),
        ("failed", "Details of it (131999)"),
        ("failed_bare", "WhatsApp gives no reason"),
    ],
)  # fmt: skip
def test_failure_says_why(name: str, reason: str) -> None:
    """In words that an agent understands, else in WhatsApp's own."""
    expected = Receipt(external_id="wamid.OURS1", status="failed", reason=reason)
    assert parse(f"status_{name}") == [expected]


@pytest.mark.parametrize(
    ("name", "parked"),
    [
        ("status_of_tomorrow", "A status that is not known"),
        ("fault", "WhatsApp asks for a pause: too many messages at once (130429)"),
    ],
)
def test_what_is_news_is_kept_for_a_person(name: str, parked: str) -> None:
    """It is no message, and somebody may want to know."""
    (event,) = parse(name)
    assert isinstance(event, Ignored)
    assert event.parked == parked
    assert whatsapp().reread(event.key, event.raw) == [event]


# Who is believed


@pytest.mark.parametrize("signature", ["", "wrong", "sha256=", "sha256=é", "sha256=" + "0" * 64])
def test_forged_webhook_is_refused(signature: str) -> None:
    """Whoever knows the address may call it."""
    with pytest.raises(BadWebhook):
        whatsapp().parse(hook(body("text"), signature=signature))


def test_signature_is_over_the_bytes_as_they_came() -> None:
    """The same JSON written otherwise has another signature; and another secret signs nothing here."""
    signed = hook(body("text"))
    again = Webhook(path="whatsapp", url=signed.url, headers=signed.headers, body=body("text") + b" ")
    for forged in (again, hook(body("text"), secret="another")):
        with pytest.raises(BadWebhook):
            whatsapp().parse(forged)


def test_several_secrets_are_all_accepted() -> None:
    """While the app's secret is changed nothing is lost."""
    both = whatsapp(WHATSAPP_APP_SECRET=f"new-one,{APP_SECRET}")
    assert both.parse(hook(body("text")))
    assert both.parse(hook(body("text"), secret="new-one"))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{}", b'{"entry": 1}', b"[" * 9999]
)
def test_what_is_no_webhook_is_refused(raw: bytes) -> None:
    """Signed, and of no use."""
    with pytest.raises(BadRequest):
        whatsapp().parse(hook(raw))


@pytest.mark.parametrize(
    "value",
    [
        1, None, {"messages": 1}, {"messages": [1]}, {"messages": [{}]},
        {"messages": [{"id": "", "from": 5}]},
        {"statuses": [None]}, {"contacts": [1], "messages": [{"id": "a", "from": "n/a", "type": []}]},
        {"errors": ["x"]}, {"statuses": [{"id": "a", "status": "failed", "errors": [{"code": "x"}]}]},
    ],
)  # fmt: skip
def test_nonsense_within_never_raises(value: Any) -> None:
    """It would come again for seven days."""
    if isinstance(value, dict):
        value["metadata"] = {"phone_number_id": NUMBER_ID}
    document = {"entry": [{"changes": [{"field": "messages", "value": value}, 5]}, 6]}
    for event in whatsapp().parse(hook(json.dumps(document).encode())):
        assert isinstance(event, Receipt) or event.key


def test_what_text_cannot_be_is_replaced() -> None:
    """JSON may say half a character; no database keeps it."""
    raw = body("text").replace(b"100%", rb"\ud83d \u0000")
    (event,) = whatsapp().parse(hook(raw))
    assert isinstance(event, Inbound)
    assert "\ufffd \ufffd" in event.text


def test_wrong_type_is_refused() -> None:
    """Meta sends JSON."""
    with pytest.raises(WrongType):
        whatsapp().parse(hook(body("text"), content_type="text/plain"))


# The handshake


def asked(**changed: str) -> dict[str, str]:
    given = {"mode": "subscribe", "verify_token": "words-of-ours", "challenge": "1158201444"} | changed
    return {f"hub.{name}": value for name, value in given.items()}


def test_handshake_gives_the_challenge_back() -> None:
    """So Meta knows that the address is ours."""
    answer = whatsapp().greet(asked())
    assert (answer.body, answer.content_type) == ("1158201444", "text/plain")


@pytest.mark.parametrize("wrong", [{"verify_token": "wrong"}, {"verify_token": "é\ud83d"}, {"mode": "x"}])
def test_handshake_with_a_wrong_token_is_refused(wrong: dict[str, str]) -> None:
    """Nobody else may point their app at us."""
    with pytest.raises(BadWebhook):
        whatsapp().greet(asked(**wrong))
    with pytest.raises(BadWebhook):
        whatsapp().greet({})
