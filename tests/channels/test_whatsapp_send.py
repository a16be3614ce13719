"""Sending by WhatsApp: what goes over the wire, and what each answer means."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.channels.whatsapp import WhatsAppChannel
from bridge.errors import AccountRefused, NotSent, Rejected, SendError, Throttled, Unknown
from bridge.models import MediaKind, Sent
from tests.channels.made import ACCESS, NUMBER_ID, reply, site, stored, whatsapp
from tests.channels.scripted import Answer, Scripted, scripted

URN = "whatsapp:+393331234567"
MESSAGES = f"/v25.0/{NUMBER_ID}/messages"
TAKEN = Answer(
    body={
        "messaging_product": "whatsapp",
        "contacts": [{"input": "393331234567", "wa_id": "393331234567"}],
        "messages": [{"id": "wamid.OURS", "message_status": "accepted"}],
    }
)
UPLOADED = Answer(body={"id": "1479537139650973"})


def refused(
    status: int, code: Any, subcode: int | None = None, headers: dict[str, str] | None = None
) -> Answer:
    error = {"message": "(#1) Something", "type": "OAuthException", "code": code, "fbtrace_id": "Az8"}
    more = {"error_subcode": subcode} if subcode else {"error_data": {"details": "Details of it"}}
    return Answer(status=status, body={"error": error | more}, headers=headers or {})


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        made.will(TAKEN)
        yield made


@pytest.fixture
async def number(vendor: Scripted) -> AsyncIterator[WhatsAppChannel]:
    channel = whatsapp(site(send_timeout=2), WHATSAPP_API_BASE=vendor.base)
    yield channel
    await channel.close()


async def test_text_is_sent_with_our_own_id(number: WhatsAppChannel, vendor: Scripted) -> None:
    """With the token in a header, and an id by which a status can be told from others'."""
    assert await number.send(reply(URN, "Sì, 39 €")) == Sent(external_id="wamid.OURS")
    (asked,) = vendor.asked
    assert (asked.method, asked.path) == ("POST", MESSAGES)
    assert asked.headers["authorization"] == f"Bearer {ACCESS}"
    assert asked.json == {
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "393331234567",
        "type": "text", "text": {"body": "Sì, 39 €"}, "biz_opaque_callback_data": "0192a3b4",
    }  # fmt: skip


async def test_customer_who_hides_the_number_is_reached_by_id(
    number: WhatsAppChannel, vendor: Scripted
) -> None:
    """In `to` it would be accepted and delivered to nobody."""
    await number.send(reply("whatsapp:IT.13491208655302741918", "Sì"))
    assert vendor.asked[0].json["recipient"] == "IT.13491208655302741918"
    assert "to" not in vendor.asked[0].json


@pytest.mark.parametrize(
    ("reply_to", "context"), [("wamid.X", {"message_id": "wamid.X"}), ("7:12", None), ("", None)]
)
async def test_quote_names_the_message_that_it_answers(
    number: WhatsAppChannel, vendor: Scripted, reply_to: str, context: Any
) -> None:
    """Only one of WhatsApp's own: another channel's is unknown there."""
    await number.send(reply(URN, "Sì", reply_to=reply_to))
    assert vendor.asked[0].json.get("context") == context


@pytest.mark.parametrize(
    ("mime", "kind", "text", "shown", "expected"),
    [
        ("image/jpeg", "image", "Ecco", "image", {"caption": "Ecco"}),
        ("video/mp4", "video", "", "video", {}),
        ("audio/ogg", "voice", "", "audio", {}),
        ("audio/mpeg", "audio", "Ecco", "document", {"caption": "Ecco", "filename": "à.x"}),
        ("application/pdf", "document", "", "document", {"filename": "à.x"}),
    ],
)
async def test_file_is_uploaded_and_sent_with_one_message(
    number: WhatsAppChannel, vendor: Scripted, tmp_path: Path, mime: str, kind: MediaKind, text: str,
    shown: str, expected: dict[str, str],
) -> None:  # fmt: skip
    """A sound takes no words, so with words it goes as a document."""
    vendor.will(UPLOADED, TAKEN)
    await number.send(reply(URN, text, stored(tmp_path, "à.x", mime, kind)))
    upload, sent = vendor.asked
    assert upload.path == f"/v25.0/{NUMBER_ID}/media"
    assert upload.form == {"messaging_product": ["whatsapp"], "type": [mime]}
    assert upload.files["file"][1] == b"bytes"
    assert (sent.path, sent.json["type"]) == (MESSAGES, shown)
    assert sent.json[shown] == {"id": "1479537139650973", **expected}


@pytest.mark.parametrize(
    ("mime", "kind", "size"),
    [("application/zip", "document", 5), ("image/webp", "image", 5), ("image/png", "image", 5_000_001)],
)
async def test_file_that_cannot_be_uploaded_goes_as_a_link(
    number: WhatsAppChannel, vendor: Scripted, tmp_path: Path, mime: str, kind: MediaKind, size: int
) -> None:
    """WhatsApp takes few types, and pictures of 5 MB; the rest it may fetch as documents."""
    file = stored(tmp_path, "a.zip", mime, kind, size=size)
    await number.send(reply(URN, "Ecco", file))
    (asked,) = vendor.asked
    assert asked.json["document"] == {"link": file.url, "filename": "a.zip", "caption": "Ecco"}


async def test_link_without_a_public_address_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Nothing is asked of WhatsApp: it could not fetch the file."""
    file = stored(tmp_path, "a.zip", "application/zip", "document")
    number = whatsapp(site("http://localhost:8080"))
    with pytest.raises(Rejected, match="BRIDGE_PUBLIC_URL"):
        await number.send(reply(URN, "", file))
    await number.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(cut=True), NotSent),
        (Answer(hang=True), NotSent),
        (Answer(status=500, body="<html>"), NotSent),
        (Answer(status=504, body="<html>"), NotSent),
        (Answer(body={}), NotSent),
        (Answer(body={"success": True}), NotSent),
        (refused(400, 131053), Rejected),
        (refused(401, 190), AccountRefused),
        (refused(400, 80007), Throttled),
    ],
)
async def test_upload_that_failed_has_sent_nothing(
    vendor: Scripted, tmp_path: Path, answer: Answer, error: type[SendError]
) -> None:
    """Nobody sees an upload, so it may be made again: it is never of unknown fate."""
    number = whatsapp(site(send_timeout=0.3), WHATSAPP_API_BASE=vendor.base)
    vendor.will(answer)
    with pytest.raises(error):
        await number.send(reply(URN, "", stored(tmp_path, "a.jpg", "image/jpeg", "image")))
    assert len(vendor.asked) == 1
    vendor.stop_hanging()
    await number.close()


async def test_file_that_is_gone_is_refused(number: WhatsAppChannel, tmp_path: Path) -> None:
    """Somebody has tidied up the data folder."""
    file = replace(stored(tmp_path, "a.jpg", "image/jpeg", "image"), path=str(tmp_path / "gone"))
    with pytest.raises(Rejected, match="data folder"):
        await number.send(reply(URN, "", file))


HTML = "<html><head><title>Bad Gateway</title></head></html>"
ANSWERS: list[tuple[Answer, type[SendError]]] = [
    # WhatsApp is down: the reply waits
    (refused(503, 2), NotSent),
    (refused(500, 1), NotSent),
    (refused(400, 1), NotSent),
    (refused(500, 131000), NotSent),
    (refused(500, 131016), NotSent),
    (refused(500, 131999), NotSent),
    (Answer(status=500, body=""), NotSent),
    (Answer(status=502, body=HTML), NotSent),
    (Answer(status=503, body=HTML), NotSent),
    # ours: replies wait until somebody has mended it
    (refused(401, 190), AccountRefused),
    (refused(401, 0), AccountRefused),
    (refused(401, None), AccountRefused),
    (refused(403, 10), AccountRefused),
    (refused(403, 200), AccountRefused),
    (refused(403, 299), AccountRefused),
    (refused(403, 368), AccountRefused),
    (refused(403, 131031), AccountRefused),
    (refused(400, 131042), AccountRefused),
    (refused(400, 133010), AccountRefused),
    (refused(400, 100, 33), AccountRefused),
    # this message, or this customer
    (refused(400, 100), Rejected),
    (refused(400, 131047), Rejected),
    (refused(400, 131026), Rejected),
    (refused(400, 131009), Rejected),
    (refused(400, None), Rejected),
    (refused(400, "x"), Rejected),
    # a proxy's page says nothing about message or number
    (Answer(status=403, body=HTML), NotSent),
    (Answer(status=302, body=HTML, headers={"Location": "https://portal.invalid/sign-in"}), NotSent),
    (Answer(status=413, body=HTML), Rejected),
    # nobody can say
    (refused(504, 2), Unknown),
    (Answer(status=504, body=HTML), Unknown),
    (Answer(status=200, body=HTML), Unknown),
    (Answer(status=200, body={}), Unknown),
    (Answer(status=200, body={"messages": []}), Unknown),
    (Answer(status=200, body={"messages": [{"id": None}]}), Unknown),
    (Answer(cut=True), Unknown),
]


@pytest.mark.parametrize(("answer", "error"), ANSWERS)
async def test_answer_says_whether_to_try_again(
    number: WhatsAppChannel, vendor: Scripted, answer: Answer, error: type[SendError]
) -> None:
    """One table decides between a lost message, a doubled one and a right one; nothing is sent twice here."""
    vendor.will(answer)
    with pytest.raises(SendError) as raised:
        await number.send(reply(URN, "Sì"))
    assert type(raised.value) is error
    assert len(vendor.asked) == 1
    assert ACCESS not in raised.value.reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [(131047, "More than 24 hours since the customer last wrote"), (131999, "Details of it (131999)")],
)
async def test_refusal_says_why(number: WhatsAppChannel, vendor: Scripted, code: int, reason: str) -> None:
    """In words of ours, else WhatsApp's most telling ones, with the code to look up."""
    vendor.will(refused(400, code))
    with pytest.raises(Rejected) as raised:
        await number.send(reply(URN, "Sì"))
    assert raised.value.reason.startswith(reason)
    assert raised.value.reason.endswith(f"({code})")


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (refused(400, 4), 60),
        (refused(400, 80007), 60),
        (refused(429, 130429), None),
        (refused(400, 131048), 60),
        (refused(400, 131056), None),
        (refused(429, 80007, headers={"Retry-After": "7"}), 7),
        (refused(429, None), None),
        (Answer(status=429, body=HTML, headers={"Retry-After": "3"}), 3),
    ],
)
async def test_f13_pause_is_kept(
    number: WhatsAppChannel, vendor: Scripted, answer: Answer, pause: float | None
) -> None:
    """A vendor that asks for a pause is there: no outage, and the message was not taken."""
    vendor.will(answer)
    with pytest.raises(Throttled) as raised:
        await number.send(reply(URN, "Sì"))
    assert raised.value.retry_after == pause


async def test_f11_call_that_hangs_ends_and_is_unknown(vendor: Scripted) -> None:
    """The lane is freed, and nothing goes out a second time."""
    number = whatsapp(site(send_timeout=0.2), WHATSAPP_API_BASE=vendor.base)
    vendor.will(Answer(hang=True))
    with pytest.raises(Unknown, match="in time"):
        await number.send(reply(URN, "Sì"))
    vendor.stop_hanging()
    await number.close()


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "http://bridge-tests.invalid"])
async def test_vendor_that_cannot_be_reached_got_nothing(base: str) -> None:
    """Refused and unknown names are known not to have left: safe to try again."""
    number = whatsapp(WHATSAPP_API_BASE=base)
    with pytest.raises(NotSent):
        await number.send(reply(URN, "Sì"))
    await number.close()


async def test_nothing_is_logged_of_a_message(
    number: WhatsAppChannel, caplog: pytest.LogCaptureFixture
) -> None:
    """No number, no words, no token."""
    caplog.set_level(logging.DEBUG)
    await number.send(reply(URN, "Un segreto"))
    assert not [secret for secret in ("3331234567", "segreto", ACCESS) if secret in caplog.text]
