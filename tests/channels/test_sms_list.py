"""What Twilio's list of messages becomes: the same events as its webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bridge.channels.base import Listed, SetUpError
from bridge.channels.sms import SmsChannel
from bridge.errors import NotSent, SendError, Throttled
from bridge.models import Event, Ignored, Inbound, Standing
from tests.channels.made import ACCOUNT, SAMPLES, sms
from tests.channels.scripted import Answer, Scripted, scripted
from tests.channels.test_sms_parse import fields, parse

NUMBER = "+390546010200"
SERVICE = "MG9752274e9e519418a7406176694466fa"
AT = 1795356000_000
REAL = "https://api.twilio.com"


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        yield made


def row(
    sid: str = "SM1", *, at: int = AT, sender: str | None = "+393331234567", **more: Any
) -> dict[str, Any]:
    """A customer's message as the list shows it."""
    uri = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}"
    return {
        "sid": sid, "account_sid": ACCOUNT, "from": sender, "to": NUMBER, "body": "Salve",
        "direction": "inbound", "status": "received", "num_media": "0", "num_segments": "1",
        "date_created": formatdate(at / 1000), "date_sent": formatdate(at / 1000), "error_code": None,
        "messaging_service_sid": None, "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"}, **more,
    }  # fmt: skip


def page(*rows: dict[str, Any], following: str | None = None) -> Answer:
    """A page of the list."""
    return Answer(body={"messages": rows, "next_page_uri": following, "page": 0, "page_size": 100})


def media(*found: tuple[str, str]) -> Answer:
    """The files of a message, `(address, type)`."""
    items = [{"sid": "ME1", "uri": f"{address}.json", "content_type": mime} for address, mime in found]
    return Answer(body={"media_list": items, "next_page_uri": None, "page": 0})


def refused(status: int, code: int | None = None, **headers: str) -> Answer:
    """Twilio's no."""
    return Answer(status=status, body={"code": code, "message": "No", "status": status}, headers=headers)


def as_listed(form: dict[str, str]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The row of the list for a message whose webhook is known, and its files."""
    count = sum(name.startswith("MediaUrl") for name in form)
    files = [(form[f"MediaUrl{n}"].removeprefix(REAL), form[f"MediaContentType{n}"]) for n in range(count)]
    one = row(form["MessageSid"], sender=form.get("From"), to=form["To"], body=form["Body"])
    service = form.get("MessagingServiceSid")
    return one | {"num_media": form["NumMedia"], "messaging_service_sid": service}, files


async def first_page(number: SmsChannel, since: int = AT) -> list[Listed]:
    """What the list has."""
    found, _ = await number.listed(NUMBER, since, "")
    return list(found)


# The same events


KINDS = (
    "text", "empty", "mms", "mms_without_files", "pooled", "short_code", "named_sender", "help", "stop",
    "stop_in_a_sentence", "start", "yes", "whatsapp", "without_sender",
)  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
async def test_message_of_the_list_is_what_its_webhook_makes(
    number: SmsChannel, vendor: Scripted, name: str
) -> None:
    """Key for key and word for word: whichever comes second changes nothing. The list also knows the time."""
    one, files = as_listed(fields(name))
    vendor.will(page(one), media(*files))
    (found,), _ = await number.listed(one["to"], AT, "")
    events = await number.read(found)
    assert len(vendor.asked) == (2 if found.has_files else 1)  # files are asked for only where there are some
    assert {event.provider_at for event in events if isinstance(event, Inbound)} <= {AT}
    assert {event.at for event in events if isinstance(event, Standing)} <= {AT}
    assert alike(events, vendor.base) == alike(parse(name), REAL)
    assert found.key == fields(name)["MessageSid"]


def alike(events: Sequence[Event], base: str) -> list[Event]:
    """Events without what differs by its nature: the raw form, the time, and whose host the files are on."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, Inbound):
            pinned = tuple(replace(one, ref=one.ref.removeprefix(base)) for one in event.media)
            found.append(replace(event, raw="", provider_at=None, media=pinned))
        elif isinstance(event, Ignored):
            found.append(replace(event, raw=""))
        elif isinstance(event, Standing):
            found.append(replace(event, at=None))
        else:
            found.append(event)
    return found


async def test_raw_form_of_a_listed_message_reads_like_a_webhook(
    number: SmsChannel, vendor: Scripted
) -> None:
    """Whoever looks at a parked one, or replays it, needs not know how it came."""
    one, files = as_listed(fields("mms"))
    vendor.will(page(one), media(*files))
    (found,) = await first_page(number)
    (event,) = await number.read(found)
    assert isinstance(event, Inbound)
    form = dict(parse_qsl(event.raw))
    wanted = {name: value for name, value in fields("mms").items() if name in form}
    assert {name: value.replace(vendor.base, REAL) for name, value in form.items()} == wanted
    assert {"MessageSid", "AccountSid", "From", "To", "Body", "NumMedia", "MediaUrl1"} <= form.keys()


async def test_words_of_advanced_opt_out_are_not_in_the_list(number: SmsChannel, vendor: Scripted) -> None:
    """The message is there all the same; the number is closed by Twilio's refusal of the next reply."""
    assert [type(event) for event in parse("opt_out_type")] == [Inbound, Standing]
    vendor.will(page(as_listed(fields("opt_out_type"))[0]))
    (found,) = await first_page(number)
    assert [type(event) for event in await number.read(found)] == [Inbound]


@pytest.mark.parametrize("sender", ["+39333123XXXX", "XXXXXXXX4567"])
async def test_sender_whom_twilio_hides_is_nobody(number: SmsChannel, vendor: Scripted, sender: str) -> None:
    """With redaction digits are X, of which a telephone makes a stranger's number: also when replayed."""
    vendor.will(page(row(sender=sender)))
    (found,) = await first_page(number)
    (event,) = await number.read(found)
    assert isinstance(event, Ignored)
    assert event.key == "SM1"
    assert event.parked
    assert number.reread(event.key, event.raw) == [event]


@pytest.mark.parametrize("answer", [refused(404, 20404), refused(400, 20001), media()])
async def test_files_that_twilio_has_no_more_leave_the_text(
    number: SmsChannel, vendor: Scripted, answer: Answer
) -> None:
    """Somebody deleted them there; a person is told that there were some."""
    vendor.will(page(row("MM1", num_media="1")), answer)
    (found,) = await first_page(number)
    (event,) = await number.read(found)
    assert isinstance(event, Inbound)
    assert (event.text, event.kind, bool(event.parked)) == ("Salve", "text", True)


# What is in the list


async def test_list_is_asked_for_our_number_and_that_time(number: SmsChannel, vendor: Scripted) -> None:
    """Not for the whole account, and not for its whole past."""
    vendor.will(page())
    assert await number.listed(NUMBER, AT, "") == ([], "")
    (asked,) = vendor.asked
    assert (asked.method, asked.path) == ("GET", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert asked.query == {"To": NUMBER, "DateSent>": "2026-11-22T14:00:00Z", "PageSize": "100"}


async def test_only_what_customers_wrote_to_that_number_counts(number: SmsChannel, vendor: Scripted) -> None:
    """Not what we sent, nothing of another number, nothing that Twilio is still putting together."""
    vendor.will(
        page(
            row("SM9", direction="outbound-api"), row("SM8", direction="outbound-reply"),
            row("SM7", to="+390546010299"), row("SM6", status="receiving"), row("SM5"),
            following="/2010-04-01/Accounts/x/Messages.json?Page=1&PageToken=PASM5",
        )
    )  # fmt: skip
    found, following = await number.listed(NUMBER, AT, "")
    assert [one.key for one in found] == ["SM5"]
    assert following


async def test_list_ends_where_it_is_older_than_asked(number: SmsChannel, vendor: Scripted) -> None:
    """The filter is documented for whole days: its answer may begin at midnight."""
    more = "/2010-04-01/Accounts/x/Messages.json?Page=1&PageToken=PASM2"
    vendor.will(
        page(row("SM3", at=AT), row("SM2", at=AT - 1000), following=more),
        page(row("SM1", at=AT - 2000), following=more),
    )
    found, following = await number.listed(NUMBER, AT, "")
    assert [(one.key, one.at) for one in found] == [("SM3", AT)]
    assert await number.listed(NUMBER, AT, following) == ([], "")


async def test_message_without_the_time_of_its_webhook_has_that_of_its_making(
    number: SmsChannel, vendor: Scripted
) -> None:
    """`date_sent` is empty until Twilio has called."""
    vendor.will(page(row(date_sent=None)))
    (found,) = await first_page(number)
    assert found.at == AT


async def test_next_page_is_asked_as_twilio_names_it_and_nowhere_else(
    number: SmsChannel, vendor: Scripted
) -> None:
    """Filters, page and token as given; a host in it is not followed, for the credentials go along."""
    query = "To=%2B390546010200&DateSent%3E=2026-11-22T14%3A00%3A00Z&PageSize=100&Page=1&PageToken=PASM5"
    for place in (f"/2010-04-01/Messages.json?{query}", f"https://evil.example/Messages.json?{query}"):
        vendor.asked.clear()
        vendor.will(page(row(), following=place), page())
        _, following = await number.listed(NUMBER, AT, "")
        await number.listed(NUMBER, AT, following)
        assert vendor.asked[1].query == dict(parse_qsl(query))
        assert vendor.asked[1].headers["authorization"] == vendor.asked[0].headers["authorization"]


# Whose list


async def test_number_has_one_list_and_a_name_none(vendor: Scripted, number: SmsChannel) -> None:
    """Nobody can answer a sender's name."""
    assert await number.lists() == [NUMBER]
    assert await sms(TWILIO_FROM="48212").lists() == ["48212"]
    assert await sms(TWILIO_FROM="Lume").lists() == []
    assert vendor.asked == []


async def test_service_has_a_list_for_each_number_of_its_pool(vendor: Scripted) -> None:
    """Customers write to any of them, short codes too; our own number is not asked twice."""
    vendor.will(
        pool("phone_numbers", "phone_number", "+390546010299", NUMBER),
        pool("short_codes", "short_code", "48212"),
    )
    channel = sms(TWILIO_API_BASE=vendor.base, TWILIO_MESSAGING_SERVICE_SID=SERVICE)
    assert await channel.lists() == [NUMBER, "+390546010299", "48212"]
    paths = [asked.path for asked in vendor.asked]
    assert paths == [f"/v1/Services/{SERVICE}/PhoneNumbers", f"/v1/Services/{SERVICE}/ShortCodes"]
    await channel.close()


def pool(key: str, name: str, *entries: str) -> Answer:
    """What belongs to a service."""
    meta = {"key": key, "next_page_url": None, "page": 0, "page_size": 1000}
    return Answer(body={key: [{"sid": "PN1", name: entry} for entry in entries], "meta": meta})


async def test_service_that_is_not_there_is_for_a_person_to_mend(vendor: Scripted) -> None:
    """Nothing comes by waiting."""
    vendor.will(refused(404, 20404))
    channel = sms(TWILIO_API_BASE=vendor.base, TWILIO_FROM=None, TWILIO_MESSAGING_SERVICE_SID=SERVICE)
    with pytest.raises(SetUpError, match="TWILIO_MESSAGING_SERVICE_SID"):
        await channel.lists()
    await channel.close()


# What each answer means


@pytest.mark.parametrize(
    ("answer", "error", "retry_after"),
    [
        (refused(429, 20429, **{"Retry-After": "7"}), Throttled, 7.0),
        (refused(429, 20429), Throttled, None),
        (refused(503, 20503, **{"Retry-After": "3"}), Throttled, 3.0),
        (refused(503, 20503), NotSent, None),
        (refused(500, 20500), NotSent, None),
        (Answer(status=502, body="<html>"), NotSent, None),
        (Answer(status=504, body="<html>"), NotSent, None),
        (Answer(body="<html>"), NotSent, None),
        (Answer(body={"messages": "none"}), NotSent, None),
        (Answer(cut=True), NotSent, None),
        (Answer(hang=True), NotSent, None),
    ],
)
async def test_list_that_cannot_be_had_now_is_asked_for_again(
    number: SmsChannel, vendor: Scripted, answer: Answer, error: type[SendError], retry_after: float | None
) -> None:
    """Asking changes nothing, so whatever went wrong may be tried again; a pause is as long as it says."""
    vendor.will(answer)
    with pytest.raises(error) as raised:
        await number.listed(NUMBER, AT, "")
    assert raised.value.retry_after == retry_after


@pytest.mark.parametrize("answer", [refused(401, 20003), refused(403, 10001), refused(404, 20404)])
async def test_account_that_is_refused_is_for_a_person_to_mend(
    number: SmsChannel, vendor: Scripted, answer: Answer
) -> None:
    """A wrong token is nothing that waiting helps against, and no word of Twilio's is repeated."""
    vendor.will(answer)
    with pytest.raises(SetUpError) as raised:
        await number.listed(NUMBER, AT, "")
    assert "account" in str(raised.value)
    assert "No" not in str(raised.value).split()


def test_every_kind_of_webhook_is_tried_for_the_list_too() -> None:
    """A sample that is added for the one is as good for the other."""
    webhooks = {path.stem for path in SAMPLES.glob("sms/*.form") if not path.stem.startswith("status_")}
    assert {*KINDS, "opt_out_type"} == webhooks
