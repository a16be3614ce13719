"""The process ends without a word, and everything that was promised is there afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from bridge.sandbox.vendors import Vendors
from tests.bridges import Bridge, serving
from tests.gateways import Desk, Json, until
from tests.webhooks import WEBHOOK_MODE, post_form, post_update, sms, update

CHATS, PHONES = 20, 5
PER_CUSTOMER = 20  # messages of each: 500 in all
REPLIES = 8  # to each: 200 in all
ENDED = {"sent", "delivered", "unknown"}


class Customer:
    """Somebody who writes numbered messages, each until it was taken, and gets numbered replies."""

    def __init__(self, name: str, deliver: Callable[[int], Awaitable[int]]) -> None:
        self.name = name
        self.taken: list[int] = []
        self.accepted: list[Json] = []
        self._deliver = deliver
        self._thread = ""

    async def begin(self, desk: Desk) -> None:
        """The first message, which makes the conversation, and the first reply."""
        await self._write(0)
        self._thread = f"/api/conversations/{await desk.conversation(self.name)}/messages"
        await self._be_answered(desk, 0)

    async def talk(self, desk: Desk) -> None:
        """Write all the others, and be answered in between."""
        for number in range(1, PER_CUSTOMER):
            await self._write(number)
            if number < REPLIES:
                await again_until_taken(partial(self._be_answered, desk, number))

    async def _write(self, number: int) -> None:
        """As a vendor brings it: again until it was taken."""
        await again_until_taken(partial(self._deliver, number))
        self.taken.append(number)

    async def _be_answered(self, desk: Desk, number: int) -> int:
        """As the page sends it: under one `client_id`, however often."""
        body = {"text": self.answer(number), "client_id": f"{number}"}
        async with desk.http.post(self._thread, json=body) as answer:
            if answer.ok:
                self.accepted.append(await answer.json())
            return answer.status

    def answer(self, number: int) -> str:
        """The text of a reply to them."""
        return f"{self.name}: {number}"


async def again_until_taken(deliver: Callable[[], Awaitable[int]]) -> None:
    async def attempt() -> bool:
        try:
            status = await deliver()
        except aiohttp.ClientError:
            return False
        assert status in (200, 201, 503), status
        return status != 503

    await until(attempt, within=60)


def make_customers(http: aiohttp.ClientSession, vendors: Vendors, bridge: Bridge) -> list[Customer]:
    """Those who write on Telegram, and those who write by SMS."""

    async def telegram(chat: int, number: int) -> int:
        return await post_update(
            http, update(chat * 1000 + number, f"{number}", chat=chat, name=f"Chat {chat}")
        )

    async def phone(index: int, number: int) -> int:
        form = sms(vendors, f"SM{index:02}{number:030}", f"{number}", sender=f"+39333123456{index}")
        return await post_form(http, vendors, bridge.url, form)

    chats = [Customer(f"Chat {chat}", partial(telegram, chat)) for chat in range(1, CHATS + 1)]
    return chats + [Customer(f"+39 333 123 456{index}", partial(phone, index)) for index in range(PHONES)]


def sent(vendors: Vendors) -> list[str]:
    """The texts that the vendors were handed, in order."""
    telegram = [entry["params"]["text"] for entry in vendors.telegram.sent]
    return telegram + [entry["body"] for entry in vendors.sms.sent]


@pytest.mark.timeout(300)
async def test_f04_f12_kill_in_the_middle_of_500_webhooks_and_200_replies(
    tmp_path: Path, database_url: str, vendors: Vendors
) -> None:
    """What was acknowledged is there, once and in order; every reply ends sent or flagged, never twice."""
    async with (
        serving(tmp_path, database_url, vendors, WEBHOOK_MODE) as (bridge, desk),
        aiohttp.ClientSession(bridge.url) as http,
        asyncio.TaskGroup() as work,
    ):
        customers = make_customers(http, vendors, bridge)
        await asyncio.gather(*(customer.begin(desk) for customer in customers))
        await until(partial(everybody_was_answered, customers, vendors), within=60)
        # Slow vendors have several sends on the wire when the end comes.
        for vendor in vendors.all.values():
            await vendor.turn("slow", delay=0.3)
        talks = [work.create_task(customer.talk(desk)) for customer in customers]
        await until(partial(half_way, customers), within=60)
        bridge.kill()
        promised = [(customer, list(customer.taken), list(customer.accepted)) for customer in customers]
        await vendors.restore()
        await asyncio.to_thread(bridge.start)
        for customer, taken, accepted in promised:
            await find_promised(desk, customer, taken, accepted)
        await asyncio.wait(talks)
        for customer in customers:
            await find_all(desk, customer)
    assert not [text for text, times in Counter(sent(vendors)).items() if times > 1]


async def everybody_was_answered(customers: list[Customer], vendors: Vendors) -> bool:
    """The first reply has reached each of them."""
    return len(sent(vendors)) == len(customers)


async def half_way(customers: list[Customer]) -> bool:
    """Half of the replies are accepted, and nobody has written everything."""
    assert all(len(customer.taken) < PER_CUSTOMER for customer in customers)
    return sum(len(customer.accepted) for customer in customers) >= len(customers) * REPLIES // 2


async def find_promised(desk: Desk, customer: Customer, taken: list[int], accepted: list[Json]) -> None:
    """Right after the start: nothing that was answered 2xx is missing."""
    found = await desk.messages(await desk.conversation(customer.name))
    texts = [message["text"] for message in found if message["direction"] == "inbound"]
    assert texts[: len(taken)] == [str(number) for number in taken]
    assert {message["id"] for message in accepted} <= {message["id"] for message in found}


async def find_all(desk: Desk, customer: Customer) -> None:
    """In the end: everything once and in order, and the fate of each reply is known or flagged."""
    conversation = await desk.conversation(customer.name)

    async def settled() -> list[Json] | None:
        found = await desk.messages(conversation)
        replies = [message for message in found if message["direction"] == "outbound"]
        return found if all(reply["status"] in ENDED for reply in replies) else None

    found = await until(settled, within=60)
    assert [m["seq"] for m in found] == list(range(1, PER_CUSTOMER + REPLIES + 1))
    inbound = [m["text"] for m in found if m["direction"] == "inbound"]
    assert inbound == [str(number) for number in range(PER_CUSTOMER)]
    answers = [customer.answer(number) for number in range(REPLIES)]
    replies = {m["text"]: m for m in found if m["direction"] == "outbound"}
    assert list(replies) == answers
    arrived = [text for text in sent(desk.vendors) if text in replies]
    assert arrived == [text for text in answers if text in arrived]
    assert {text for text, m in replies.items() if m["status"] != "unknown"} <= set(arrived)
