"""Row 22: Twilio signs the public URL, which behind a proxy is not the one that arrives here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from twilio.request_validator import RequestValidator

from bridge.sandbox.vendors import Vendors
from tests.gateways import Desk, running
from tests.webhooks import sms

PUBLIC = "https://chat.example.com"


@pytest.fixture
async def proxied(
    tmp_path: Path, database_url: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """A gateway that the world knows by another name, with a pool of numbers."""
    settings = {"BRIDGE_PUBLIC_URL": PUBLIC, "TWILIO_MESSAGING_SERVICE_SID": vendors.sms.account.service}
    async with running(tmp_path, database_url, vendors, monkeypatch, settings) as desk:
        yield desk


async def post(desk: Desk, form: dict[str, str], signed_for: str, token: str, host: str = "") -> int:
    """Deliver a form as a proxy hands it on, signed for a URL."""
    headers = {"X-Twilio-Signature": RequestValidator(token).compute_signature(signed_for, form)}
    headers |= {"Host": host} if host else {}
    async with desk.http.post("/webhooks/twilio", data=form, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("url", [f"{PUBLIC}/webhooks/twilio", f"{PUBLIC}:443/webhooks/twilio"])
async def test_f22_true_signature_is_accepted_behind_a_proxy(
    proxied: Desk, vendors: Vendors, url: str
) -> None:
    """Whatever Host the proxy hands on, and whether Twilio signed the port or not."""
    token = vendors.sms.account.token
    for number, host in enumerate(("", "10.0.0.7:8080", "chat.example.com")):
        assert await post(proxied, sms(vendors, f"SM{number}", f"{number}"), url, token, host) == 200
    conversation = await proxied.conversation("+39 333 123 4567")
    assert len(await proxied.messages(conversation)) == 3


async def test_f22_true_signature_is_accepted_for_any_number_of_the_pool(
    proxied: Desk, vendors: Vendors
) -> None:
    """With a Messaging Service the customer may have written to any of its numbers."""
    form = sms(vendors, "SM1", "Salve", To="+390546010299", MessagingServiceSid=vendors.sms.account.service)
    assert await post(proxied, form, f"{PUBLIC}/webhooks/twilio", vendors.sms.account.token) == 200


async def test_f22_forged_signature_is_refused(proxied: Desk, vendors: Vendors) -> None:
    """Another URL, another token, another account, a changed form: 403, and nothing is stored."""
    token, url = vendors.sms.account.token, f"{PUBLIC}/webhooks/twilio"
    form = sms(vendors, "SM1", "Salve")
    assert await post(proxied, form, f"{proxied.url}/webhooks/twilio", token) == 403
    assert await post(proxied, form, f"{PUBLIC}/webhooks/twilio/status", token) == 403
    assert await post(proxied, form, url, "0" * 32) == 403
    assert await post(proxied, {**form, "AccountSid": "AC" + "0" * 32}, url, token) == 403
    headers = {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, form)}
    for changed in ({**form, "Body": "Ciao"}, {**form, "Extra": ""}):
        async with proxied.http.post("/webhooks/twilio", data=changed, headers=headers) as answer:
            assert answer.status == 403
    async with proxied.http.post("/webhooks/twilio", data=form) as answer:
        assert answer.status == 403
    assert (await proxied.get("/api/conversations"))["items"] == []
