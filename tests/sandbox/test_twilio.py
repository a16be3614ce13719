"""The stand-in for Twilio, as its own client and its own validator see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from bridge.sandbox import samples
from bridge.sandbox.postman import Postman
from bridge.sandbox.twilio_hooks import signature
from bridge.sandbox.twilio_messages import segments
from bridge.sandbox.vendors import Vendors
from tests.sandbox.conftest import Receiver, until

MARCO = "+393331234567"


async def test_message_goes_from_queued_to_delivered(vendors: Vendors, twilio: Client) -> None:
    """The first answer says only that it is queued."""
    sent = await twilio.messages.create_async(to=MARCO, from_=vendors.sms.account.number, body="Ciao")
    assert (sent.status, sent.num_segments, sent.direction) == ("queued", "1", "outbound-api")
    await until(lambda: vendors.sms.account.get(str(sent.sid)).status == "delivered")  # type: ignore[union-attr]
    assert (await twilio.messages(sent.sid).fetch_async()).status == "delivered"
    assert [entry["body"] for entry in vendors.sms.sent] == ["Ciao"]


async def test_status_callbacks_are_signed_and_in_order(
    vendors: Vendors, twilio: Client, receiver: Receiver
) -> None:
    """There is none for the first status, as with Twilio."""
    url = f"{receiver.base}/webhooks/twilio/status?x=1"
    sent = await twilio.messages.create_async(
        to=MARCO, from_=vendors.sms.account.number, body="Ciao", status_callback=url
    )
    await until(lambda: len(receiver.hits) == 2)
    assert [hit.form["MessageStatus"] for hit in receiver.hits] == ["sent", "delivered"]
    assert {hit.form["MessageSid"] for hit in receiver.hits} == {sent.sid}
    validator = RequestValidator(vendors.sms.account.token)
    for hit in receiver.hits:
        assert validator.validate(url, hit.form, hit.headers["x-twilio-signature"])


async def test_phone_that_is_off_ends_undelivered(
    vendors: Vendors, twilio: Client, receiver: Receiver
) -> None:
    """A failure after the acceptance comes by callback, with its code."""
    vendors.sms.account.dead[MARCO] = 30003
    await twilio.messages.create_async(
        to=MARCO, from_=vendors.sms.account.number, body="x", status_callback=f"{receiver.base}/s"
    )
    await until(lambda: len(receiver.hits) == 2)
    assert (receiver.hits[-1].form["MessageStatus"], receiver.hits[-1].form["ErrorCode"]) == (
        "undelivered", "30003",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"to": "+0123"}, 21211),
        ({"to": "+15005550009"}, 21614),
        ({"from_": "+15550001111"}, 21606),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"from_": None}, 21603),
        ({"from_": None, "messaging_service_sid": "MG0"}, 21701),
    ],
)
async def test_wrong_message_is_refused_with_twilios_code(
    vendors: Vendors, twilio: Client, changes: dict[str, str | None], code: int
) -> None:
    """The channel decides by these codes whether to try again."""
    wanted: dict[str, str | None] = {"to": MARCO, "from_": vendors.sms.account.number, "body": "x", **changes}
    with pytest.raises(TwilioRestException) as caught:
        await twilio.messages.create_async(**{k: v for k, v in wanted.items() if v is not None})
    assert (caught.value.status, caught.value.code) == (400, code)
    assert vendors.sms.sent == []


async def test_stop_closes_the_number_and_start_opens_it(vendors: Vendors, twilio: Client) -> None:
    """Twilio itself refuses after STOP, whatever the gateway thinks."""
    await vendors.sms.say(" stop ", sender=MARCO)
    send = {"to": MARCO, "from_": vendors.sms.account.number, "body": "x"}
    with pytest.raises(TwilioRestException) as caught:
        await twilio.messages.create_async(**send)
    assert caught.value.code == 21610
    await vendors.sms.say("Start", sender=MARCO)
    await twilio.messages.create_async(**send)


async def test_wrong_credentials_are_401_with_20003(vendors: Vendors, twilio: Client) -> None:
    """Wrong credentials are our fault and must not look like an outage."""
    vendors.sms.account.token = "another"
    with pytest.raises(TwilioRestException) as caught:
        await twilio.api.accounts(vendors.sms.account.sid).fetch_async()
    assert (caught.value.status, caught.value.code) == (401, 20003)


async def test_list_finds_by_recipient_and_time(vendors: Vendors, twilio: Client) -> None:
    """This is how a send without an answer is looked up."""
    number = vendors.sms.account.number
    before = datetime.now(UTC) - timedelta(seconds=2)
    for to, body in ((MARCO, "one"), ("+393339999999", "two"), (MARCO, "three")):
        await twilio.messages.create_async(to=to, from_=number, body=body)
    found = await twilio.messages.list_async(to=MARCO, date_sent_after=before)
    assert [message.body for message in found] == ["three", "one"]
    assert await twilio.messages.list_async(to=MARCO, date_sent_after=before + timedelta(hours=1)) == []
    assert [m.body for m in await twilio.messages.list_async(page_size=2)] == ["three", "two", "one"]
    assert [m.body for m in await twilio.messages.list_async(from_=MARCO)] == []


async def test_service_sends_and_shows_its_number(vendors: Vendors, twilio: Client) -> None:
    """`bridge check` looks at the number's webhook, or the service's."""
    account = vendors.sms.account
    account.webhook = "https://chat.example.com/webhooks/twilio"
    sent = await twilio.messages.create_async(to=MARCO, messaging_service_sid=account.service, body="x")
    assert (sent.status, sent.messaging_service_sid, sent.from_) == ("accepted", account.service, None)
    service = twilio.messaging.v1.services(account.service)
    assert (await service.fetch_async()).inbound_request_url == account.webhook
    assert [n.phone_number for n in await service.phone_numbers.list_async()] == [account.number]
    assert await service.short_codes.list_async() == []
    [number] = await twilio.incoming_phone_numbers.list_async(phone_number=account.number)
    assert number.sms_url == account.webhook
    await twilio.incoming_phone_numbers(account.number_sid).update_async(sms_url="https://new.example.com")
    assert account.webhook == "https://new.example.com"
    assert (await twilio.api.accounts(account.sid).fetch_async()).status == "active"


async def test_list_is_read_page_by_page_whatever_comes_meanwhile(vendors: Vendors, twilio: Client) -> None:
    """Newest first, with the filters in the next page's address, which begins after a SID."""
    number = vendors.sms.account.number
    for text in range(5):
        await vendors.sms.say(f"{text}", sender=MARCO)
        await twilio.messages.create_async(to=MARCO, from_=number, body="an answer")
    page = await twilio.messages.page_async(to=number, page_size=2)
    read = [message.body for message in page]
    while page.next_page_url:
        assert "To=%2B390546010200" in page.next_page_url
        await vendors.sms.say("meanwhile", sender=MARCO)
        page = await twilio.messages.get_page_async(page.next_page_url)
        read += [message.body for message in page]
    assert read == ["4", "3", "2", "1", "0"]
    back = await page.previous_page_async()
    assert [message.body for message in back] == ["2", "1"]


async def test_page_after_a_message_that_is_not_there_is_refused(vendors: Vendors, twilio: Client) -> None:
    """A cursor is a message's."""
    base = f"{vendors.twilio_base}/2010-04-01/Accounts/{vendors.sms.account.sid}/Messages.json"
    answer = await twilio.request_async("GET", f"{base}?Page=1&PageToken=PASM0")
    assert answer.status_code == 400


async def test_customers_message_is_in_the_list_with_its_files(vendors: Vendors, twilio: Client) -> None:
    """What a webhook lost can be had here: who, what, when, and how many files, which have a list too."""
    account = vendors.sms.account
    said = await vendors.sms.say("guarda", sender=MARCO, media=[samples.photo(), samples.of("document")])
    [found] = await twilio.messages.list_async(to=account.number)
    assert (found.sid, found.from_, found.body, found.num_media) == (said.sid, MARCO, "guarda", "2")
    assert (found.direction, found.status, found.messaging_service_sid) == (
        "inbound", "received", account.service,
    )  # fmt: skip
    assert found.date_sent == said.created.replace(microsecond=0)
    files = await twilio.messages(said.sid).media.list_async()
    assert [file.content_type for file in files] == ["image/jpeg", "application/pdf"]


async def test_inbound_is_signed_over_the_public_url(receiver: Receiver) -> None:
    """Behind a proxy the gateway listens elsewhere than it is called; Twilio signs the public name."""
    async with Vendors(tunnel=("https://chat.example.com", receiver.base)) as vendors:
        vendors.sms.account.webhook = "https://chat.example.com/webhooks/twilio"
        message = await vendors.sms.say("Buongiorno è aperto? 🙂", sender=MARCO)
        [hit] = receiver.hits
        assert (hit.path, hit.form["MessageSid"], hit.form["ToCity"]) == ("/webhooks/twilio", message.sid, "")
        given = hit.headers["x-twilio-signature"]
        validator = RequestValidator(vendors.sms.account.token)
        assert validator.validate("https://chat.example.com/webhooks/twilio", hit.form, given)
        assert not validator.validate(f"{receiver.base}/webhooks/twilio", hit.form, given)


@pytest.mark.parametrize("url", ["https://a.example.com/w", "https://a.example.com:8443/w?b=1&a=2"])
def test_signature_is_what_twilios_validator_computes(url: str) -> None:
    """Two implementations of one rule: blanks, accents and order included."""
    params = {"b": "", "a": "è €", "B": "x", "ab": "1"}
    assert signature("token", url, params) == RequestValidator("token").compute_signature(url, params)


async def test_inbound_has_one_retry_and_is_then_lost(vendors: Vendors, receiver: Receiver) -> None:
    """This is why the gateway needs a sweep over the message list."""
    vendors.sms.account.webhook = f"{receiver.base}/w"
    receiver.statuses = [503, 503]
    message = await vendors.sms.say("lost")
    assert [hit.form["MessageSid"] for hit in receiver.hits] == [message.sid] * 2
    receiver.statuses = [403]
    await vendors.sms.say("refused")
    assert len(receiver.hits) == 3  # a 4xx is final


async def test_extra_form_fields_are_signed_too(vendors: Vendors, receiver: Receiver) -> None:
    """Twilio adds parameters without notice (Advanced Opt-Out adds OptOutType)."""
    vendors.sms.account.webhook = f"{receiver.base}/w"
    await vendors.sms.say("STOP", OptOutType="STOP")
    hit = receiver.hits[0]
    assert hit.form["OptOutType"] == "STOP"
    validator = RequestValidator(vendors.sms.account.token)
    assert validator.validate(hit.url, hit.form, hit.headers["x-twilio-signature"])


async def test_media_needs_credentials_and_lies_on_another_host(vendors: Vendors, receiver: Receiver) -> None:
    """The file host refuses credentials, as a signed link does: they must not follow the redirect."""
    account = vendors.sms.account
    account.webhook = f"{receiver.base}/w"
    await vendors.sms.say("guarda", media=[samples.photo()])
    form = receiver.hits[0].form
    assert (form["NumMedia"], form["MediaContentType0"]) == ("1", "image/jpeg")
    auth = {"Authorization": aiohttp.encode_basic_auth(account.sid, account.token)}
    async with aiohttp.ClientSession() as http:
        async with http.get(form["MediaUrl0"]) as response:
            assert response.status == 401
        async with http.get(form["MediaUrl0"], headers=auth, allow_redirects=False) as response:
            assert response.status == 307
            place = response.headers["Location"]
        async with http.get(place, headers=auth) as response:
            assert response.status == 400
        async with http.get(place) as response:
            assert await response.read() == samples.photo().data


async def test_media_of_a_reply_is_fetched_from_its_link(
    vendors: Vendors, twilio: Client, receiver: Receiver
) -> None:
    """Twilio fetches what is sent; a link that does not work fails the message."""
    number = vendors.sms.account.number
    await twilio.messages.create_async(to=MARCO, from_=number, media_url=[f"{receiver.base}/a.jpg"])
    await until(lambda: vendors.sms.state()["phones"][MARCO]["messages"][-1]["status"] == "delivered")
    assert vendors.sms.state()["phones"][MARCO]["messages"][-1]["media"][0]["name"] == "a.jpg"
    receiver.statuses = [404]
    await twilio.messages.create_async(to=MARCO, from_=number, media_url=[f"{receiver.base}/b.jpg"])
    await until(lambda: vendors.sms.state()["phones"][MARCO]["messages"][-1]["status"] == "failed")


async def test_deleted_message_is_blank(vendors: Vendors, twilio: Client) -> None:
    """Erasure covers what the vendor keeps."""
    message = await vendors.sms.say("forget me", media=[samples.photo()])
    await twilio.messages(message.sid).delete_async()
    assert (message.body, message.media) == ("", [])


@pytest.mark.parametrize(
    ("text", "count"),
    [("a" * 160, 1), ("a" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("ł" * 70, 1), ("ł" * 71, 2), ("", 1)],
)
def test_segments_are_counted_as_the_network_does(text: str, count: int) -> None:
    """One character outside GSM-7 makes 70 of 160."""
    assert segments(text) == count


async def test_postman_goes_nowhere_but_here() -> None:
    """The page promises that nothing leaves this machine."""
    post = Postman()
    await post.open()
    assert (await post.get("https://example.com/x", within=1)).error == "not on this machine"
    await post.close()
