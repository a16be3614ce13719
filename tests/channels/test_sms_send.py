"""Sending SMS: what goes over the wire, and what each answer means."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from bridge.channels.sms import SmsChannel
from bridge.errors import AccountRefused, NotSent, Rejected, SendError, Throttled, Unknown, Unreachable
from bridge.models import Sent
from tests.channels.made import ACCOUNT, AUTH, PUBLIC, reply, site, sms, stored
from tests.channels.scripted import Answer, Scripted, scripted

URN = "tel:+393331234567"
SERVICE = "MG9752274e9e519418a7406176694466fa"
# When the call began, by Twilio's clock.
BEGAN = 1795356000


def resource(**more: Any) -> dict[str, Any]:
    """A message as the API shows it."""
    return {
        "sid": "SM1", "body": "Sì", "to": "+393331234567", "from": "+390546010200", "status": "queued",
        "direction": "outbound-api", "num_media": "0", "messaging_service_sid": None, "error_code": None,
        "date_created": formatdate(BEGAN + 3), "date_sent": None, "account_sid": ACCOUNT, **more,
    }  # fmt: skip


TAKEN = Answer(status=201, body=resource())


def refused(status: int, code: int | str | None, message: str = "Refused", **headers: str) -> Answer:
    body = {"message": message, "status": status, "more_info": "https://www.twilio.com/docs/errors"}
    return Answer(status=status, body=body | ({"code": code} if code else {}), headers=headers)


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        made.will(TAKEN)
        yield made


async def test_text_is_sent_from_the_number(number: SmsChannel, vendor: Scripted) -> None:
    """With the callback that brings its receipts, and the account's credentials."""
    assert await number.send(reply(URN, "Sì, 39 €")) == Sent(external_id="SM1")
    (asked,) = vendor.asked
    assert (asked.method, asked.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert asked.form == {
        "To": ["+393331234567"], "From": ["+390546010200"], "Body": ["Sì, 39 €"],
        "StatusCallback": [f"{PUBLIC}/webhooks/twilio/status"],
    }  # fmt: skip
    given = base64.b64decode(asked.headers["authorization"].removeprefix("Basic "))
    assert given.decode() == f"{ACCOUNT}:{AUTH}"


async def test_messaging_service_chooses_the_number(vendor: Scripted) -> None:
    """Its pool sends, so no number is named."""
    pool = sms(TWILIO_FROM=None, TWILIO_MESSAGING_SERVICE_SID=SERVICE, TWILIO_API_BASE=vendor.base)
    await pool.send(reply(URN, "Sì"))
    assert vendor.asked[0].form["MessagingServiceSid"] == [SERVICE]
    assert "From" not in vendor.asked[0].form
    assert pool.identity == SERVICE
    await pool.close()


async def test_files_travel_as_links(number: SmsChannel, vendor: Scripted, tmp_path: Path) -> None:
    """Twilio fetches them: signed links that expire."""
    file = stored(tmp_path, "a.jpg", "image/jpeg", "image")
    await number.send(reply(URN, "", file, file))
    assert vendor.asked[0].form["MediaUrl"] == [file.url, file.url]
    assert "Body" not in vendor.asked[0].form


def test_callback_on_localhost_is_not_named_to_the_real_twilio() -> None:
    """It would refuse the message for it; a stand-in on this machine reaches us."""
    assert not sms(site("http://localhost:8080"))._called_back
    assert not sms(site("https://127.0.0.1:8080"))._called_back
    assert sms(site("http://localhost:8080"), TWILIO_API_BASE="http://127.0.0.1:9")._called_back
    assert sms(site("https://chat.example.com"))._called_back


async def test_file_without_a_public_address_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Nothing is asked of Twilio: it could not fetch the file."""
    file = stored(tmp_path, "a.jpg", "image/jpeg", "image")
    with pytest.raises(Rejected, match="BRIDGE_PUBLIC_URL"):
        await sms(site("http://localhost:1")).send(reply(URN, "", file))


HTML = "<html><head><title>Bad Gateway</title></head></html>"
ANSWERS: list[tuple[Answer, type[SendError]]] = [
    # temporary
    (refused(503, 20503), NotSent),
    (refused(400, 30003), NotSent),
    (refused(400, 63012), NotSent),
    (Answer(status=503, body=HTML), NotSent),
    # content or configuration
    (refused(400, 21617), Rejected),
    (refused(400, 21408), Rejected),
    (refused(400, 30007), Rejected),
    (refused(400, 30034), Rejected),
    (refused(400, 21606), Rejected),
    (refused(400, None, "Something new"), Rejected),
    # ours: replies wait until somebody has mended it
    (refused(401, 20003), AccountRefused),
    (refused(404, 20404), AccountRefused),
    (refused(403, None), AccountRefused),
    # a proxy's page says nothing about message or number
    (Answer(status=403, body=HTML), NotSent),
    (Answer(status=302, body=HTML, headers={"Location": "https://portal.invalid/sign-in"}), NotSent),
    (Answer(status=413, body=HTML), Rejected),
    # nobody can say, so Twilio is asked
    (Answer(status=502, body=HTML), Unknown),
    (Answer(status=500, body=""), Unknown),
    (refused(500, 20500), Unknown),
    (refused(504, 20504), Unknown),
    (Answer(status=201, body=HTML), Unknown),
    (Answer(status=201, body={}), Unknown),
    (Answer(cut=True), Unknown),
]


@pytest.mark.parametrize(("answer", "error"), ANSWERS)
async def test_answer_says_whether_to_try_again(
    number: SmsChannel, vendor: Scripted, answer: Answer, error: type[SendError]
) -> None:
    """One table decides between a lost SMS, a doubled one and a right one; nothing is sent twice here."""
    vendor.will(answer)
    with pytest.raises(SendError) as raised:
        await number.send(reply(URN, "Sì"))
    assert type(raised.value) is error
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    ("code", "state"),
    [(21610, "opted_out"), (21211, "invalid"), (21614, "invalid"), (30004, "invalid"), (30005, "invalid"),
     (30006, "invalid"), (63003, "invalid"), (63024, "invalid"), ("21610", "opted_out")],
)  # fmt: skip
async def test_f18_refusal_of_the_number_closes_it(
    number: SmsChannel, vendor: Scripted, code: int | str, state: str
) -> None:
    """Nothing is tried again there, nor is it a fallback; the agent reads why."""
    vendor.will(refused(400, code))
    with pytest.raises(Unreachable, match=str(code)) as raised:
        await number.send(reply(URN, "Sì"))
    assert raised.value.state == state


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (refused(429, 20429, **{"Retry-After": "7"}), 7),
        (refused(429, 20429), None),
        (Answer(status=429, body=HTML, headers={"Retry-After": "3"}), 3),
        (refused(503, 20503, **{"Retry-After": "11"}), 11),
        (refused(400, 21611), 60),
        (refused(400, 30001), 60),
        (refused(400, 63018), None),
    ],
)
async def test_f13_f35_pause_is_kept(
    number: SmsChannel, vendor: Scripted, answer: Answer, pause: float | None
) -> None:
    """A 429 was never processed, and a full queue drains: both wait here, as long as Twilio says."""
    vendor.will(answer)
    with pytest.raises(Throttled) as raised:
        await number.send(reply(URN, "Sì"))
    assert raised.value.retry_after == pause


async def test_message_that_failed_at_once_is_refused(number: SmsChannel, vendor: Scripted) -> None:
    """A 201 may carry a failure already; no callback would come for the first status."""
    vendor.will(Answer(status=201, body=resource(status="failed", error_code=21610)))
    with pytest.raises(Unreachable):
        await number.send(reply(URN, "Sì"))


async def test_errors_of_the_newer_form_are_understood(number: SmsChannel, vendor: Scripted) -> None:
    """RFC 9457 problems are a sibling of the older exception in Twilio's client."""
    problem = {"type": "https://x", "title": "Opted out", "status": 400, "code": 21610, "detail": "STOP"}
    vendor.will(Answer(status=400, body=problem))
    with pytest.raises(Unreachable):
        await number.send(reply(URN, "Sì"))


async def test_f11_f36_call_that_hangs_ends_and_is_unknown(vendor: Scripted) -> None:
    """Twilio's client ignores its own time-out; the lane is freed all the same."""
    number = sms(site(send_timeout=0.2), TWILIO_API_BASE=vendor.base)
    vendor.will(Answer(hang=True))
    with pytest.raises(Unknown, match="in time"):
        await number.send(reply(URN, "Sì"))
    vendor.stop_hanging()
    await number.close()


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "http://bridge-tests.invalid"])
async def test_vendor_that_cannot_be_reached_got_nothing(base: str) -> None:
    """Refused and unknown names are known not to have left: safe to try again."""
    number = sms(TWILIO_API_BASE=base)
    with pytest.raises(NotSent):
        await number.send(reply(URN, "Sì"))
    await number.close()


async def test_nothing_is_logged_of_a_message(
    number: SmsChannel, vendor: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """Twilio's client would log addresses with phone numbers in them."""
    caplog.set_level(logging.DEBUG)
    vendor.will(TAKEN, Answer(body={"messages": []}))
    await number.send(reply(URN, "Un segreto"))
    await number.look_up(reply(URN, "Un segreto"), 1.0)
    assert "3331234567" not in caplog.text
    assert "segreto" not in caplog.text
