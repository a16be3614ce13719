"""A WhatsApp number's life beside messages: settings, files, the webhook's door, and `bridge check`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from bridge.channels.base import (
    Answers,
    Checks,
    FetchesMedia,
    Greets,
    HasServer,
    LooksUp,
    Polls,
    Rereads,
    SendsMuch,
    SetsUp,
    ShowsTyping,
)
from bridge.channels.whatsapp import WhatsAppChannel, WhatsAppSettings
from bridge.errors import MediaError, SettingsError, Throttled
from bridge.sandbox.vendors import Vendors
from bridge.settings import read
from tests.channels.made import ACCESS, APP_SECRET, NUMBER_ID, PUBLIC, SAMPLES, site, whatsapp
from tests.channels.scripted import Answer, Scripted, scripted
from tests.gateways import Desk, running

NUMBER = {
    "WHATSAPP_PHONE_NUMBER_ID": NUMBER_ID, "WHATSAPP_ACCESS_TOKEN": ACCESS,
    "WHATSAPP_APP_SECRET": APP_SECRET, "WHATSAPP_VERIFY_TOKEN": "words-of-ours",
}  # fmt: skip


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        yield made


@pytest.fixture
async def number(vendor: Scripted) -> AsyncIterator[WhatsAppChannel]:
    channel = whatsapp(site(send_timeout=2), WHATSAPP_API_BASE=vendor.base)
    yield channel
    await channel.close()


def test_what_a_number_can_do_is_asked_by_type() -> None:
    """The Cloud API cannot be asked what was sent, and shows typing only beside a message to be read."""
    for extra in (Checks, FetchesMedia, Greets, HasServer, Rereads, SendsMuch):
        assert isinstance(whatsapp(), extra)
    for other in (Answers, LooksUp, Polls, SetsUp, ShowsTyping):
        assert not isinstance(whatsapp(), other)


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHATSAPP_PHONE_NUMBER_ID", "+39 0546 010200"),
        ("WHATSAPP_PHONE_NUMBER_ID", "lume"),
        ("WHATSAPP_API_BASE", "ftp://graph.facebook.com"),
        *((name, "") for name in NUMBER),
    ],
)
def test_malformed_or_missing_setting_is_one_line_with_an_example(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an account would be off in silence."""
    for setting, text in (NUMBER | {name: value}).items():
        monkeypatch.setenv(setting, text)
    with pytest.raises(SettingsError) as raised:
        read(WhatsAppSettings)
    (line,) = raised.value.problems
    assert line.startswith(f"{name}: ")
    assert f"Example: {name}=" in line


def test_secrets_are_in_no_text_about_the_settings() -> None:
    """Settings are printed when something is wrong."""
    shown = repr(read(WhatsAppSettings, **NUMBER))
    assert not [secret for secret in (ACCESS, APP_SECRET, "words-of-ours") if secret in shown]


# Files


async def fetched(number: WhatsAppChannel, ref: str = "1479537139650973") -> bytes:
    return b"".join([chunk async for chunk in number.fetch(ref)])


def at(url: str) -> Answer:
    return Answer(body={"url": url, "mime_type": "image/jpeg", "file_size": 6, "id": "1479537139650973"})


async def test_file_is_asked_for_by_its_id(number: WhatsAppChannel, vendor: Scripted) -> None:
    """Its address holds for minutes only, and wants the token too."""
    vendor.will(at(f"{vendor.base}/file?hash=x%2By"), Answer(body=b"\xff\xd8jpeg"))
    assert await fetched(number) == b"\xff\xd8jpeg"
    about, file = vendor.asked
    assert (about.path, about.query) == ("/v25.0/1479537139650973", {"phone_number_id": NUMBER_ID})
    assert file.query == {"hash": "x+y"}
    assert {asked.headers["authorization"] for asked in vendor.asked} == {f"Bearer {ACCESS}"}


async def test_token_never_crosses_to_another_host(number: WhatsAppChannel, vendor: Scripted) -> None:
    """Neither by the address that is given, nor by a redirect."""
    async with scripted() as elsewhere:
        vendor.will(at(f"{elsewhere.base}/file"))
        with pytest.raises(MediaError) as raised:
            await fetched(number)
        assert raised.value.final
        vendor.will(
            at(f"{vendor.base}/file"), Answer(status=302, headers={"Location": f"{elsewhere.base}/file"})
        )
        with pytest.raises(MediaError):
            await fetched(number)
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", True),
        ("https://graph.facebook.com/x", True),
        ("http://lookaside.fbsbx.com/x", False),
        ("https://fbsbx.com.evil.example/x", False),
        ("https://evilfbsbx.com/x", False),
        ("https://lookaside.fbsbx.com@evil.example/x", False),
        ("https://169.254.169.254/latest/meta-data", False),
    ],
)
async def test_only_metas_own_hosts_see_the_token(url: str, may: bool) -> None:
    """The real API hands out addresses on a host of its own for files."""
    number = whatsapp()
    assert number._wire()._may_see_the_token(URL(url)) is may
    await number.close()


GONE = {"error": {"message": "Unsupported get request", "code": 100, "error_subcode": 33}}


@pytest.mark.parametrize(
    ("answers", "final"),
    [
        ([Answer(status=400, body=GONE)], True),
        ([Answer(status=401, body={"error": {"code": 190}})], False),
        ([Answer(status=503, body="")], False),
        ([Answer(body={"id": "1"})], False),
        ([Answer(cut=True)], False),
        ([at("file:///etc/passwd")], False),
        ([at(""), Answer(status=404, body="")], False),
    ],
)
async def test_file_that_cannot_be_had_says_whether_to_ask_again(
    number: WhatsAppChannel, vendor: Scripted, answers: list[Answer], final: bool
) -> None:
    """The text is in the thread already; an address that has ended is asked for anew."""
    if len(answers) > 1:
        answers = [at(f"{vendor.base}/file"), *answers[1:]]
    vendor.will(*answers)
    with pytest.raises(MediaError) as raised:
        await fetched(number)
    assert raised.value.final is final


async def test_pause_is_for_the_whole_channel(number: WhatsAppChannel, vendor: Scripted) -> None:
    """Files count towards the same limit as messages."""
    vendor.will(Answer(status=429, body={"error": {"code": 80007}}, headers={"Retry-After": "9"}))
    with pytest.raises(Throttled) as raised:
        await fetched(number)
    assert raised.value.retry_after == 9


# What `bridge check` says

WANTED = f"{PUBLIC}/webhooks/whatsapp"


def known(url: str = WANTED, **more: Any) -> Answer:
    body = {
        "id": NUMBER_ID, "display_phone_number": "+39 0546 010200", "verified_name": "Bottega Lume",
        "quality_rating": "GREEN", "health_status": {"can_send_message": "AVAILABLE", "entities": []},
        "webhook_configuration": {"application": url},
    }  # fmt: skip
    return Answer(body=body | more)


def ill(state: str) -> Mapping[str, Any]:
    fault = {"error_code": 141006, "error_description": "No payment", "possible_solution": "Add a card"}
    entities = [{"entity_type": "WABA", "id": "1", "can_send_message": state, "errors": [fault]}]
    return {"health_status": {"can_send_message": state, "entities": entities}}


@pytest.mark.parametrize(
    ("answer", "levels"),
    [
        (known(), ["ok", "ok"]),
        (known("https://elsewhere.example/hook"), ["ok", "error"]),
        (known(webhook_configuration={}), ["ok", "error"]),
        (known("https://x", webhook_configuration={"application": "https://x", "phone_number": WANTED}),
         ["ok", "ok"]),
        (known(quality_rating="YELLOW"), ["ok", "warning", "ok"]),
        (known(quality_rating="RED"), ["ok", "warning", "ok"]),
        (known(**ill("BLOCKED")), ["ok", "error", "ok"]),
        (known(**ill("LIMITED")), ["ok", "warning", "ok"]),
        (Answer(status=401, body={"error": {"code": 190, "message": "Expired"}}), ["error"]),
        (Answer(status=400, body={"error": {"code": 100, "error_subcode": 33}}), ["error"]),
        (Answer(cut=True), ["error"]),
    ],
)  # fmt: skip
async def test_check_says_what_whatsapp_thinks_and_what_to_do(
    number: WhatsAppChannel, vendor: Scripted, answer: Answer, levels: list[str]
) -> None:
    """A webhook that leads elsewhere is the usual reason why nothing comes in."""
    vendor.will(answer)
    findings = await number.check()
    assert [finding.level for finding in findings] == levels
    assert all(finding.todo for finding in findings if finding.level != "ok")


async def test_check_says_what_is_in_the_way(number: WhatsAppChannel, vendor: Scripted) -> None:
    """In WhatsApp's own words: it knows the account."""
    vendor.will(known(**ill("BLOCKED")))
    finding = (await number.check())[1]
    assert (finding.what, finding.todo) == ("WhatsApp: the number may not send: No payment", "Add a card")


# The webhook's door, with a gateway behind it


@pytest.fixture
async def desk(tmp_path: Path, sqlite_url: str, vendor: Scripted, monkeypatch: pytest.MonkeyPatch) -> Any:
    async with Vendors(pace=0.01) as vendors:
        settings = NUMBER | {"WHATSAPP_API_BASE": vendor.base}
        async with running(tmp_path, sqlite_url, vendors, monkeypatch, settings) as made:
            yield made


async def post(desk: Desk, body: bytes, signature: str = "") -> int:
    made = "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature or made, "Content-Type": "application/json"}
    async with desk.http.post("/webhooks/whatsapp", data=BytesIO(body), headers=headers) as answer:
        return answer.status


async def test_meta_and_the_gateway_understand_each_other(desk: Desk, vendor: Scripted) -> None:
    """From the handshake to the tick: a customer writes, an agent answers, the customer reads it."""
    query = {"hub.mode": "subscribe", "hub.verify_token": "words-of-ours", "hub.challenge": "115"}
    async with aiohttp.ClientSession(desk.url) as meta:
        async with meta.get("/webhooks/whatsapp", params=query) as answer:
            assert (answer.status, answer.content_type, await answer.text()) == (200, "text/plain", "115")
        async with meta.get("/webhooks/whatsapp", params=query | {"hub.verify_token": "x"}) as answer:
            assert answer.status == 403
        async with meta.put("/webhooks/whatsapp") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET,POST")
    text = (SAMPLES / "whatsapp" / "text.json").read_bytes()
    assert await post(desk, text, "sha256=0") == 403
    assert (await desk.get("/api/conversations"))["items"] == []
    assert [await post(desk, text) for _ in range(2)] == [200, 200]
    (item,) = (await desk.get("/api/conversations"))["items"]
    assert (item["contact"]["name"], item["last_seq"]) == ("Giulia Bandini", 1)
    vendor.will(Answer(body={"messages": [{"id": "wamid.OURS1"}]}))
    sent = await desk.reply(item["id"], "Sì")
    await desk.becomes(sent, "sent")
    for status in ("read", "delivered"):  # they come in any order
        assert await post(desk, (SAMPLES / "whatsapp" / f"status_{status}.json").read_bytes()) == 200
    await desk.becomes(sent, "read")
    assert vendor.asked[-1].json["to"] == "393331234567"


async def test_webhook_may_be_as_large_as_metas_largest(desk: Desk) -> None:
    """3 MiB, in which many customers' messages are; not a byte more."""
    text = (SAMPLES / "whatsapp" / "text.json").read_bytes()
    assert await post(desk, text.ljust(3 * 1024 * 1024)) == 200
    assert await post(desk, text.ljust(3 * 1024 * 1024 + 1)) == 413
