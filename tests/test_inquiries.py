"""Was it sent? Twilio is asked about replies whose answers were lost, and believed as far as it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.duty import steady_clock
from bridge.errors import Unknown
from bridge.ids import now_ms
from bridge.models import Outbound
from bridge.sandbox.vendors import Vendors
from bridge.store import attempts
from bridge.store.attempts import Question
from bridge.store.failures import Contended
from bridge.store.lanes import Head
from tests.askers import NUMBER, PART, SOON, TEXT, Rig, rig
from tests.channels.scripted import Answer, Scripted, scripted
from tests.gateways import until


@pytest.fixture
async def sandbox(database_url: str) -> AsyncIterator[tuple[Rig, Vendors]]:
    """A number at the stand-in for Twilio."""
    async with Vendors(pace=0.01) as vendors:
        account = vendors.sms.account
        settings = {
            "TWILIO_ACCOUNT_SID": account.sid, "TWILIO_AUTH_TOKEN": account.token,
            "TWILIO_FROM": account.number, "TWILIO_API_BASE": vendors.twilio_base,
        }  # fmt: skip
        async with rig(database_url, **settings) as made:
            yield made, vendors


@pytest.fixture
async def vendor() -> AsyncIterator[Scripted]:
    """Whoever answers as Twilio does: that it has nothing."""
    async with scripted() as made:
        made.will(listed())
        yield made


@pytest.fixture
async def script(sqlite_url: str, vendor: Scripted) -> AsyncIterator[Rig]:
    """A number whose vendor answers by script; the database has little to do with it."""
    async with rig(sqlite_url, TWILIO_API_BASE=vendor.base) as made:
        yield made


def listed(*sids: str) -> Answer:
    """Twilio's list, with messages of this moment."""
    messages: list[dict[str, Any]] = [
        {"sid": sid, "body": TEXT, "to": NUMBER, "from": "+390546010200", "direction": "outbound-api",
         "num_media": "0", "date_created": formatdate(time.time()), "messaging_service_sid": None}
        for sid in sids
    ]  # fmt: skip
    return Answer(body={"messages": messages})


def throttled(seconds: int) -> Answer:
    headers = {"Retry-After": str(seconds)}
    return Answer(status=429, body={"code": 20429, "message": "Too Many Requests"}, headers=headers)


async def test_f11_reply_that_was_lost_is_not_shown_as_sent_by_the_same_words_again(
    sandbox: tuple[Rig, Vendors],
) -> None:
    """The agent wrote it once more; the vendor has one, and so has the ledger (I5)."""
    made, _ = sandbox
    first, second = await made.reply(), await made.reply()
    lost = await made.lose(first)
    started = await second.start()
    assert started
    sent = await made.number.send(PART)  # and its answer is not written down yet
    made.inquiries.ask(lost)
    await made.settled()
    assert await made.known() == [("unknown", None), (None, None)]
    await second.finish(started, "accepted", "sent", external_id=sent.external_id)
    await made.inquiries.resume()
    await made.settled()
    assert await made.known() == [("unknown", None), ("accepted", sent.external_id)]
    assert (await first.status(), await second.status()) == ("unknown", "sent")


async def test_f11_reply_of_a_minute_ago_is_not_found_in_what_was_sent_since(
    sandbox: tuple[Rig, Vendors],
) -> None:
    """Its lane has gone on, and both answers were lost: the times tell them apart."""
    made, vendors = sandbox
    first, second = await made.reply(), await made.reply()
    lost = await made.lose(first)
    other = await made.lose(second)
    await vendors.sms.turn("lose", times=1)
    with pytest.raises(Unknown):
        await made.number.send(PART)
    made.inquiries.ask(Question(lost.id, lost.message_id, 0, now_ms() - 61_000))
    await made.settled()
    assert await first.status() == "unknown"
    made.inquiries.ask(other)
    await made.settled()
    assert (await first.status(), await second.status()) == ("unknown", "sent")


async def test_f11_reply_is_found_behind_a_later_one_with_the_same_words(
    sandbox: tuple[Rig, Vendors],
) -> None:
    """The newest is another's: that is no reason to look no further."""
    made, vendors = sandbox
    first, second = await made.reply(), await made.reply()
    await vendors.sms.turn("lose", times=1)
    with pytest.raises(Unknown):
        await made.number.send(PART)
    lost = await made.lose(first)
    started = await second.start()
    assert started
    sent = await made.number.send(PART)
    await second.finish(started, "accepted", "sent", external_id=sent.external_id)
    made.inquiries.ask(lost)
    await made.settled()
    assert await made.known() == [("accepted", message["sid"]) for message in vendors.sms.sent]


async def test_f11_reply_is_found_behind_an_earlier_one_with_the_same_words(
    sandbox: tuple[Rig, Vendors],
) -> None:
    """The oldest of its time is another's: the next one is looked at."""
    made, vendors = sandbox
    first, second = await made.reply(), await made.reply()
    started = await first.start()
    assert started
    sent = await made.number.send(PART)
    await first.finish(started, "accepted", "sent", external_id=sent.external_id)
    await vendors.sms.turn("lose", times=1)
    with pytest.raises(Unknown):
        await made.number.send(PART)
    made.inquiries.ask(await made.lose(second))
    await made.settled()
    assert await made.known() == [("accepted", message["sid"]) for message in vendors.sms.sent]


async def test_what_an_earlier_owner_left_is_asked_for(sandbox: tuple[Rig, Vendors]) -> None:
    """It sent, and died before it heard the answer."""
    made, vendors = sandbox
    reply = await made.reply()
    assert await reply.start()
    await made.number.send(PART)
    await made.database.write(lambda tx: attempts.abandoned(tx, made.live.id, 2, 1))
    await made.inquiries.resume()
    await made.settled()
    assert await made.known() == [("accepted", vendors.sms.sent[0]["sid"])]
    assert await reply.status() == "sent"


async def test_message_that_is_not_there_is_asked_for_a_few_times(script: Rig, vendor: Scripted) -> None:
    """Then it is the agent's to decide."""
    reply = await script.reply()
    script.inquiries.ask(await script.lose(reply))
    await script.settled()
    assert len(vendor.asked) == len(SOON)
    assert await reply.status() == "unknown"


async def test_reply_of_long_ago_is_asked_for_once(script: Rig, vendor: Scripted) -> None:
    """What the vendor has not by then it will never have."""
    lost = await script.lose(await script.reply())
    script.inquiries.ask(Question(lost.id, lost.message_id, 0, now_ms() - 600_000))
    await script.settled()
    assert len(vendor.asked) == 1


async def test_vendor_that_gives_no_answer_is_asked_again(script: Rig, vendor: Scripted) -> None:
    """An outage is no "no": when it is over, the reply is found."""
    script.asking(SOON[:1])
    vendor.will(Answer(cut=True), Answer(status=502, body="<html>"), listed("SM1"))
    reply = await script.reply()
    script.inquiries.ask(await script.lose(reply))
    await script.settled()
    assert await reply.status() == "sent"


async def test_f13_pause_that_the_vendor_asks_for_is_kept_by_all_questions(
    script: Rig, vendor: Scripted
) -> None:
    """The 429 was for all of them, and none is given up for it."""
    script.asking(SOON[:1], at_once=1)
    came: list[float] = []

    async def note() -> None:
        came.append(time.monotonic())

    first, second = throttled(1), listed("SM1")
    first.meanwhile = second.meanwhile = note
    vendor.will(first, second)
    replies = [await script.reply(), await script.reply()]
    for reply in replies:
        script.inquiries.ask(await script.lose(reply))
    await script.settled()
    assert [await reply.status() for reply in replies].count("sent") == 1
    assert len(came) == 3
    assert came[1] - came[0] >= 1


async def test_questions_rest_while_the_channel_is_paused(script: Rig, vendor: Scripted) -> None:
    """Sending was told to wait; a question would only make it longer."""
    script.live.paused_until = steady_clock() + 1
    vendor.will(listed("SM1"))
    script.inquiries.ask(await script.lose(await script.reply()))
    await script.settled()
    assert steady_clock() >= script.live.paused_until


async def test_questions_are_asked_a_few_at_once(script: Rig, vendor: Scripted) -> None:
    """An outage leaves hundreds: sending has the vendor's attention first."""
    go_on = asyncio.Event()
    answer = listed()
    answer.meanwhile = go_on.wait
    vendor.will(answer)
    for _ in range(20):
        await script.lose(await script.reply())
    script.asking(SOON[:1], at_once=3)
    await script.inquiries.resume()
    await until(lambda: script.waiting(17))
    go_on.set()
    await script.settled()
    assert len(vendor.asked) == 20


async def test_latest_question_is_asked_first(script: Rig, vendor: Scripted) -> None:
    """Its agent waits, and its lane; what an outage left can wait."""
    script.asking(SOON[:1], at_once=1)
    go_on = asyncio.Event()
    answer = listed()
    answer.meanwhile = go_on.wait
    vendor.will(answer)
    numbers = [f"+39333000000{digit}" for digit in range(4)]
    lost = [await script.lose(await script.reply(to=number)) for number in numbers]
    for tens, question in zip((0, 3, 1, 2), lost, strict=True):
        script.inquiries.ask(Question(question.id, question.message_id, 0, now_ms() - 10_000 * tens))
        await until(lambda: asked(vendor))  # the first, before the others are due
    await until(lambda: script.waiting(3))
    go_on.set()
    await script.settled()
    assert [each.query["To"] for each in vendor.asked] == [numbers[index] for index in (0, 2, 3, 1)]


async def asked(vendor: Scripted) -> bool:
    """Whether anything was asked."""
    return bool(vendor.asked)


@pytest.mark.parametrize("error", [Contended("40P01"), ValueError(f"{TEXT} {NUMBER}")])
async def test_question_survives_what_goes_wrong_here(
    script: Rig, vendor: Scripted, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It is said, without a word of the message, and the question is asked again."""
    going_wrong = [error]

    def parts_of(head: Head) -> list[Outbound]:
        if going_wrong:
            raise going_wrong.pop()
        return Rig.parts_of(script, head)

    monkeypatch.setattr(script, "parts_of", parts_of)
    script.asking(SOON[:1], at_once=1)
    vendor.will(listed("SM1"))
    reply = await script.reply()
    with capture_logs() as logs:
        script.inquiries.ask(await script.lose(reply))
        await script.settled()
    assert await reply.status() == "sent"
    assert [(line["event"], line["reason"]) for line in logs] == [("look-up failed", type(error).__name__)]
    assert TEXT not in str(logs)
    assert NUMBER not in str(logs)


async def test_question_ends_when_the_agent_has_decided(script: Rig, vendor: Scripted) -> None:
    """Twilio need not be asked any more."""
    reply = await script.reply()
    lost = await script.lose(reply)
    await reply.desk.settle(reply.message_id, "arrived")
    script.inquiries.ask(lost)
    await script.settled()
    assert vendor.asked == []


async def test_first_copy_is_looked_for_until_the_second_is_on_its_way(script: Rig, vendor: Scripted) -> None:
    """What is sent again may wait out a pause; the vendor lists the first one meanwhile: one is enough."""
    reply = await script.reply()
    lost = await script.lose(reply)
    await reply.desk.settle(reply.message_id, "again")
    vendor.will(listed(), listed("SM1"))
    script.inquiries.ask(lost)
    await script.settled()
    assert await reply.status() == "sent"
    assert await reply.start() is None


async def test_what_is_sent_for_the_second_time_is_asked_for_no_more(script: Rig, vendor: Scripted) -> None:
    """Its own answer counts."""
    reply = await script.reply()
    lost = await script.lose(reply)
    await reply.desk.settle(reply.message_id, "again")
    assert await reply.start()
    script.inquiries.ask(lost)
    await script.settled()
    assert vendor.asked == []


async def test_who_hands_the_duty_over_asks_no_more(script: Rig, vendor: Scripted) -> None:
    """The next owner asks; two who do would ask the vendor twice as often as it allows."""
    question = await script.lose(await script.reply())
    script.asking(ask_after=(0.01, 3600.0))
    script.inquiries.ask(question)
    await until(lambda: asked_so_often(vendor, 1))
    await script.inquiries.drop()
    assert script.inquiries.open == 0
    await script.inquiries.resume()
    await until(lambda: asked_so_often(vendor, 2))
    assert script.inquiries.open == 1


async def asked_so_often(vendor: Scripted, times: int) -> bool:
    """Whether the vendor was asked so often."""
    return len(vendor.asked) == times
