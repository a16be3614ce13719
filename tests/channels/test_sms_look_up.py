"""Asking Twilio whether it has a message whose answer was lost, and what of its list is no evidence."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from bridge.channels.sms import SmsChannel
from bridge.errors import NotSent, Throttled, Unknown
from bridge.models import Sent
from bridge.sandbox.vendors import Vendors
from tests.channels.made import ACCOUNT, reply, sms, stored
from tests.channels.scripted import Answer, Scripted
from tests.channels.test_sms_send import BEGAN, HTML, SERVICE, URN, refused, resource, vendor

__all__ = ["vendor"]

# How long ago the call began.
AGO = 90.0


def listed(*messages: dict[str, Any], more: str | None = None) -> Answer:
    """A page of the account's messages, newest first, and the time at Twilio."""
    headers = {"Date": formatdate(BEGAN + AGO, usegmt=True)}
    body = {"messages": list(messages), "page_size": 50, "next_page_uri": more}
    return Answer(body=body, headers=headers)


def made(after: float, **more: Any) -> dict[str, Any]:
    """A message that Twilio made so many seconds after the call began."""
    return resource(date_created=formatdate(BEGAN + after), **more)


FOUND: list[tuple[str, dict[str, Any]]] = [
    ("as it was sent", {}),
    ("with a trial account's preface", {"body": "Sent from your Twilio trial account - Sì"}),
    ("before Twilio has chosen its number", {"from": None}),
    ("in the second before", {"date_created": formatdate(BEGAN - 1)}),
    ("made when the call had been given up", {"date_created": formatdate(BEGAN + 40)}),
    ("waiting in Twilio's queue", {"date_sent": None, "status": "queued"}),
    ("sent much later", {"date_sent": formatdate(BEGAN + 85)}),
    ("in whatever state", {"status": "undelivered"}),
    ("with its numbers as numbers", {"num_media": 0, "num_segments": 1}),
]
MISSED: list[tuple[str, dict[str, Any]]] = [
    ("another text", {"body": "Sì!"}),
    ("an older one with the same text", {"date_created": formatdate(BEGAN - 60)}),
    ("a later one with the same text", {"date_created": formatdate(BEGAN + 59)}),
    ("one without a time", {"date_created": None}),
    ("from another number of ours", {"from": "+390546010299"}),
    ("the customer's own", {"direction": "inbound", "from": "+393331234567"}),
    ("to somebody else", {"to": "+393339999999"}),
    ("with files", {"num_media": "1"}),
    ("with files, counted by a number", {"num_media": 1}),
]


@pytest.mark.parametrize(("which", "more"), FOUND, ids=[which for which, _ in FOUND])
async def test_f11_message_that_arrived_is_found(
    number: SmsChannel, vendor: Scripted, which: str, more: dict[str, Any]
) -> None:
    """So a time-out does not become a second copy. Its times are Twilio's alone: our clock is another."""
    vendor.will(listed(resource(sid="SM0", body="Altro"), resource(**more)))
    assert await number.look_up(reply(URN, "Sì"), AGO) == [Sent(external_id="SM1")]
    (asked,) = vendor.asked
    assert asked.query == {"To": "+393331234567", "PageSize": "50"}


@pytest.mark.parametrize(("which", "more"), MISSED, ids=[which for which, _ in MISSED])
async def test_f11_message_that_did_not_arrive_is_not_found(
    number: SmsChannel, vendor: Scripted, which: str, more: dict[str, Any]
) -> None:
    """What was lost must not be shown as sent: then nobody would send it again."""
    vendor.will(listed(resource(**more)))
    assert await number.look_up(reply(URN, "Sì"), AGO) == []


async def test_f11_same_words_are_listed_in_the_order_in_which_they_were_sent(
    number: SmsChannel, vendor: Scripted
) -> None:
    """The first that nobody else has made is the part's; Twilio lists the newest first."""
    vendor.will(listed(made(2, sid="SM3"), made(2, sid="SM2"), made(0, sid="SM1"), made(-9, sid="SM0")))
    found = await number.look_up(reply(URN, "Sì"), AGO)
    assert [sent.external_id for sent in found] == ["SM1", "SM2", "SM3"]


async def test_f11_message_behind_many_later_ones_is_found(number: SmsChannel, vendor: Scripted) -> None:
    """The list is gone back as far as the call, page by page, and no further."""
    later = [made(20, sid=f"SM{index}", body="Promemoria") for index in range(50)]
    pages = [f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?Page={page}" for page in (1, 2)]
    vendor.will(listed(*later, more=pages[0]), listed(made(1, sid="SM99"), made(-60), more=pages[1]))
    assert await number.look_up(reply(URN, "Sì"), AGO) == [Sent(external_id="SM99")]
    assert [asked.query.get("Page") for asked in vendor.asked] == [None, "1"]


async def test_f11_message_of_a_pool_is_found_by_its_service(vendor: Scripted) -> None:
    """The pool has chosen the number; another service's message is not ours."""
    pool = sms(TWILIO_FROM=None, TWILIO_MESSAGING_SERVICE_SID=SERVICE, TWILIO_API_BASE=vendor.base)
    other = resource(sid="SM0", messaging_service_sid="MGother")
    ours = resource(messaging_service_sid=SERVICE, **{"from": "+390546010299"})
    vendor.will(listed(other, ours))
    assert await pool.look_up(reply(URN, "Sì"), AGO) == [Sent(external_id="SM1")]
    await pool.close()


@pytest.mark.parametrize("fetched", [0, 2])
async def test_f11_files_without_words_are_found(
    number: SmsChannel, vendor: Scripted, tmp_path: Path, fetched: int
) -> None:
    """Twilio may count them only when it has fetched them: until then the kind of its id tells."""
    file = stored(tmp_path, "a.jpg", "image/jpeg", "image")
    others = made(1, sid="MM1", body="", num_media=1), made(1, sid="SM1", body="")
    vendor.will(listed(*others, made(1, sid="MM2", body="", num_media=fetched)))
    assert await number.look_up(reply(URN, "", file, file), AGO) == [Sent(external_id="MM2")]


@pytest.mark.parametrize(
    "answer",
    [Answer(cut=True), Answer(status=502, body=HTML), Answer(body=HTML), refused(500, 20500),
     refused(401, 20003)],
)  # fmt: skip
async def test_look_up_that_gets_no_answer_says_so(
    number: SmsChannel, vendor: Scripted, answer: Answer
) -> None:
    """ "Not there" and "nobody knows" are different: after the second it is asked again."""
    vendor.will(answer)
    with pytest.raises(NotSent):
        await number.look_up(reply(URN, "Sì"), AGO)


async def test_look_up_is_told_how_long_twilio_wants_a_pause(number: SmsChannel, vendor: Scripted) -> None:
    """Whoever asks keeps it."""
    vendor.will(refused(429, 20429, **{"Retry-After": "7"}))
    with pytest.raises(Throttled) as raised:
        await number.look_up(reply(URN, "Sì"), AGO)
    assert raised.value.retry_after == 7


async def test_f11_sandbox_that_loses_its_answer_is_asked_and_knows() -> None:
    """End to end with the stand-in of the demo: accepted, then the connection cut."""
    async with Vendors(pace=0.01) as vendors:
        account = vendors.sms.account
        number = sms(
            TWILIO_ACCOUNT_SID=account.sid, TWILIO_AUTH_TOKEN=account.token, TWILIO_FROM=account.number,
            TWILIO_API_BASE=vendors.twilio_base,
        )  # fmt: skip
        await vendors.sms.turn("lose")
        with pytest.raises(Unknown):
            await number.send(reply(URN, "Sì, 39 €"))
        await vendors.restore()
        (sent,) = vendors.sms.sent
        assert await number.look_up(reply(URN, "Sì, 39 €"), 1.0) == [Sent(external_id=sent["sid"])]
        assert await number.look_up(reply(URN, "Sì, 39 €"), 600.0) == []
        assert await number.look_up(reply(URN, "No"), 1.0) == []
        await number.close()
