"""A number's life beside messages: settings, files, and what `bridge check` says."""

from __future__ import annotations

import base64
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from yarl import URL

from bridge.channels.base import Answers, Checks, FetchesMedia, LooksUp, Polls, SetsUp, ShowsTyping, Sweeps
from bridge.channels.sms import SmsChannel, SmsSettings
from bridge.channels.sms_media import _PublicOnly
from bridge.errors import MediaError, SettingsError
from bridge.sandbox.vendors import Vendors
from bridge.settings import read
from tests.channels.made import ACCOUNT, AUTH, PUBLIC, sms
from tests.channels.scripted import Answer, Scripted, scripted

SERVICE = "MG9752274e9e519418a7406176694466fa"
NUMBER = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": AUTH, "TWILIO_FROM": "+390546010200"}
MEDIA = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/MM1/Media/ME1"


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        yield made


@pytest.fixture
async def elsewhere() -> AsyncIterator[Scripted]:
    """The file server that media redirects to."""
    async with scripted() as made:
        made.will(Answer(body=b"\xff\xd8jpeg"))
        yield made


def test_what_a_number_can_do_is_asked_by_type() -> None:
    """SMS can be looked up and knows no typing."""
    for extra in (Answers, FetchesMedia, LooksUp, Checks, Sweeps):
        assert isinstance(sms(), extra)
    for other in (Polls, SetsUp, ShowsTyping):
        assert not isinstance(sms(), other)


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TWILIO_ACCOUNT_SID", "SK0123456789abcdef0123456789abcdef"),
        ("TWILIO_FROM", "0546 010200"),
        ("TWILIO_FROM", "+39"),
        ("TWILIO_FROM", "Bottega Lume di Faenza"),
        ("TWILIO_MESSAGING_SERVICE_SID", "AC0123456789abcdef0123456789abcdef"),
        ("TWILIO_API_BASE", "ftp://api.twilio.com"),
        ("TWILIO_RATE", "-1"),
    ],
)
def test_malformed_setting_is_one_line_with_an_example(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person who starts Bridge sees which setting, what is wrong and how it looks."""
    for setting, text in (NUMBER | {name: value}).items():
        monkeypatch.setenv(setting, text)
    with pytest.raises(SettingsError) as raised:
        read(SmsSettings)
    (line,) = raised.value.problems
    assert line.startswith(f"{name}: ")
    assert f"Example: {name}=" in line


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"], ["TWILIO_FROM"]),
        (["TWILIO_ACCOUNT_SID", "TWILIO_FROM"], ["TWILIO_AUTH_TOKEN"]),
        (["TWILIO_AUTH_TOKEN"], ["TWILIO_ACCOUNT_SID", "TWILIO_FROM"]),
        (["TWILIO_MESSAGING_SERVICE_SID"], ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"]),
    ],
)
def test_setting_without_its_pair_is_named_with_an_example(given: list[str], missing: list[str]) -> None:
    """Half an account would be off in silence; one line for each that is missing."""
    everything = NUMBER | {"TWILIO_MESSAGING_SERVICE_SID": SERVICE}
    with pytest.raises(SettingsError) as raised:
        read(SmsSettings, **{name: everything[name] for name in given})
    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == missing
    assert all(f"Example: {line.partition(':')[0]}=" in line for line in lines)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("+39 0546 010200", "+390546010200"),
        ("+1 (555) 010-0200", "+15550100200"),
        ("48212", "48212"),
        ("Lume", "Lume"),
    ],
)
def test_number_may_be_written_as_people_write_it(written: str, meant: str) -> None:
    """The identity is the number, however it was typed."""
    assert sms(TWILIO_FROM=written).identity == meant


def test_token_is_in_no_text_about_the_settings() -> None:
    """Settings are printed when something is wrong."""
    assert AUTH not in repr(read(SmsSettings, **NUMBER))


# Files


async def fetched(number: SmsChannel, ref: str) -> bytes:
    return b"".join([chunk async for chunk in number.fetch(ref)])


def redirect(location: str) -> Answer:
    return Answer(status=307, body="", headers={"Location": location})


async def test_f20_file_is_fetched_through_the_redirect(
    number: SmsChannel, vendor: Scripted, elsewhere: Scripted
) -> None:
    """Twilio's address wants the credentials, and answers with another host's."""
    vendor.will(redirect(f"{elsewhere.base}/file?Signature=x%2By"))
    assert await fetched(number, vendor.base + MEDIA) == b"\xff\xd8jpeg"
    expected = base64.b64encode(f"{ACCOUNT}:{AUTH}".encode()).decode()
    assert vendor.asked[0].headers["authorization"] == f"Basic {expected}"
    assert elsewhere.asked[0].query == {"Signature": "x+y"}


async def test_f21_credentials_never_cross_to_another_host(
    number: SmsChannel, vendor: Scripted, elsewhere: Scripted
) -> None:
    """Nor come back with a redirect to the first."""
    vendor.will(redirect(f"{elsewhere.base}/file"))
    await fetched(number, vendor.base + MEDIA)
    assert "authorization" not in elsewhere.asked[0].headers
    vendor.will(redirect("/file"), Answer(body=b"x"))
    assert await fetched(number, vendor.base + MEDIA) == b"x"
    assert "authorization" not in vendor.asked[-1].headers


async def test_f21_stand_in_by_another_name_of_this_machine_is_asked(
    number: SmsChannel, vendor: Scripted, elsewhere: Scripted
) -> None:
    """It may call itself `localhost` where the setting says 127.0.0.1; another port is somebody else."""
    vendor.will(Answer(body=b"x"))
    assert await fetched(number, vendor.base.replace("127.0.0.1", "localhost") + MEDIA) == b"x"
    assert vendor.asked[0].headers["authorization"].startswith("Basic ")
    with pytest.raises(MediaError):
        await fetched(number, elsewhere.base.replace("127.0.0.1", "localhost") + MEDIA)
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "ref",
    ["http://169.254.169.254/latest/meta-data", "https://api.twilio.com.evil.example/x", "https://evil.example/x",
     "file:///etc/passwd", "", "//evil.example/x", "https://api.twilio.com@evil.example/x", "https://[::1"],
)  # fmt: skip
async def test_f21_forged_media_address_gets_nothing(ref: str) -> None:
    """Only Twilio's own host is asked: not a name that looks like it, not this network."""
    with pytest.raises(MediaError) as raised:
        await fetched(sms(), ref)
    assert raised.value.final


@pytest.mark.parametrize(
    "target",
    ["http://mms.twiliocdn.com/x", "https://127.0.0.1/x", "https://10.0.0.5/x", "https://localhost/x",
     "https://metadata/x", "https://[::1]/x", "file:///etc/passwd"],
)  # fmt: skip
async def test_f21_redirect_into_a_private_network_is_refused(target: str) -> None:
    """The real Twilio redirects to https on public hosts; nothing else is followed."""
    with pytest.raises((MediaError, ValueError)):
        sms()._media._bare_session(URL(target))


async def test_f21_name_that_leads_into_a_private_network_is_refused() -> None:
    """It is checked where it is resolved, so it cannot change its mind."""
    resolver = _PublicOnly()
    with pytest.raises(OSError, match="private"):
        await resolver.resolve("localhost", 443, socket.AF_UNSPEC)
    await resolver.close()


@pytest.mark.parametrize(
    ("answer", "final"),
    [
        (Answer(status=404, body=""), False),
        (Answer(status=410, body=""), True),
        (Answer(status=401, body=""), False),
        (Answer(status=503, body=""), False),
        (Answer(cut=True), False),
        (Answer(body=b"x" * 20_000_001), True),
        (redirect("file:///etc/passwd"), True),
        (redirect("https://[::1"), True),
        (redirect(""), False),
    ],
)
async def test_f20_file_that_cannot_be_had_says_whether_to_ask_again(
    number: SmsChannel, vendor: Scripted, answer: Answer, final: bool
) -> None:
    """The text is in the thread already; the file is asked for a bounded number of times."""
    vendor.will(answer)
    with pytest.raises(MediaError) as raised:
        await fetched(number, vendor.base + MEDIA)
    assert raised.value.final is final


async def test_f13_file_that_has_to_wait_says_for_how_long(number: SmsChannel, vendor: Scripted) -> None:
    """Twilio's media have limits of their own."""
    vendor.will(Answer(status=429, body="", headers={"Retry-After": "40"}))
    with pytest.raises(MediaError) as raised:
        await fetched(number, vendor.base + MEDIA)
    assert (raised.value.final, raised.value.retry_after) == (False, 40)


async def test_f20_file_is_fetched_through_two_redirects(
    number: SmsChannel, vendor: Scripted, elsewhere: Scripted
) -> None:
    """Twilio's file server sends on to a store where media need no authentication; nobody sees ours."""
    vendor.will(redirect(f"{elsewhere.base}/file"))
    elsewhere.will(redirect("/store"), Answer(body=b"\xff\xd8jpeg"))
    assert await fetched(number, vendor.base + MEDIA) == b"\xff\xd8jpeg"
    assert [asked.path for asked in elsewhere.asked] == ["/file", "/store"]
    assert not any("authorization" in asked.headers for asked in elsewhere.asked)


async def test_f20_redirects_in_a_circle_end(
    number: SmsChannel, vendor: Scripted, elsewhere: Scripted
) -> None:
    """A file server that only sends on has no file."""
    elsewhere.will(redirect(f"{elsewhere.base}/again"))
    vendor.will(redirect(f"{elsewhere.base}/file"))
    with pytest.raises(MediaError) as raised:
        await fetched(number, vendor.base + MEDIA)
    assert not raised.value.final
    assert len(elsewhere.asked) == 3


# What `bridge check` says


def account(status: str = "active") -> Answer:
    return Answer(body={"sid": ACCOUNT, "status": status, "friendly_name": "Lume", "type": "Full"})


def numbers(url: str, method: str = "POST") -> Answer:
    entry = {"sid": "PN1", "phone_number": "+390546010200", "sms_url": url, "sms_method": method}
    return Answer(body={"incoming_phone_numbers": [entry], "page_size": 20})


def service(url: str | None, on_number: bool = False) -> Answer:
    webhook = {"inbound_request_url": url, "use_inbound_webhook_on_number": on_number}
    return Answer(body={"sid": SERVICE, **webhook})


def missing(more: dict[str, Any]) -> Answer:
    """Twilio's no to what is not there."""
    return Answer(status=404, body={"code": 20404, "message": "Not found", "status": 404, **more})


WANTED = f"{PUBLIC}/webhooks/twilio"


@pytest.mark.parametrize(
    ("settings", "answers", "levels"),
    [
        ({}, [account(), numbers(WANTED)], ["ok", "ok"]),
        ({}, [account(), numbers("https://demo.twilio.com/welcome/sms/reply")], ["ok", "error"]),
        ({}, [account(), numbers(WANTED, "GET")], ["ok", "error"]),
        ({}, [account(), numbers("")], ["ok", "error"]),
        ({}, [account(), Answer(body={"incoming_phone_numbers": []})], ["ok", "error"]),
        ({}, [account("suspended"), numbers(WANTED)], ["error", "ok"]),
        ({}, [Answer(status=401, body={"code": 20003, "message": "Authenticate", "status": 401})], ["error"]),
        ({}, [Answer(cut=True)], ["error"]),
        ({"TWILIO_FROM": None}, [account(), service(WANTED)], ["ok", "ok"]),
        ({"TWILIO_FROM": None}, [account(), service(None)], ["ok", "error"]),
        ({"TWILIO_FROM": None}, [account(), missing({"inbound_request_url": ""})], ["ok", "error"]),
        ({}, [account(), missing({})], ["ok", "warning"]),
        ({}, [account(), Answer(status=502, body="<html>")], ["ok", "warning"]),
        ({"TWILIO_FROM": None}, [account(), service(WANTED, on_number=True)], ["ok", "warning"]),
        ({}, [account(), service("https://x", on_number=True), numbers(WANTED)], ["ok", "ok"]),
    ],
)
async def test_check_says_what_twilio_calls_and_what_to_do(
    vendor: Scripted, settings: dict[str, Any], answers: list[Answer], levels: list[str]
) -> None:
    """A number whose webhook leads elsewhere is the usual reason why nothing comes in."""
    pooled = any("inbound_request_url" in (answer.body or "") for answer in answers)
    if pooled:
        settings = {"TWILIO_MESSAGING_SERVICE_SID": SERVICE, **settings}
    number = sms(TWILIO_API_BASE=vendor.base, **settings)
    vendor.will(*answers)
    findings = await number.check()
    assert [finding.level for finding in findings] == levels
    assert all(finding.todo for finding in findings if finding.level != "ok")
    await number.close()


async def test_check_and_files_with_the_sandbox() -> None:
    """The stand-in of the demo is looked at as Twilio is, and its files are fetched as Twilio's."""
    async with Vendors(pace=0.01) as vendors:
        twilio = vendors.sms.account
        number = sms(
            TWILIO_ACCOUNT_SID=twilio.sid, TWILIO_AUTH_TOKEN=twilio.token, TWILIO_FROM=twilio.number,
            TWILIO_API_BASE=vendors.twilio_base,
        )  # fmt: skip
        vendors.serve_webhooks_of(PUBLIC)
        assert [finding.level for finding in await number.check()] == ["ok", "ok"]
        await number.close()
