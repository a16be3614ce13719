"""The stand-ins, the vendors' own clients, and a gateway that only writes down what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiohttp import web
from aiohttp.test_utils import TestServer
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from bridge.sandbox.vendors import Vendors


@dataclass
class Hit:
    """One request that reached the receiver."""

    path: str
    url: str
    headers: dict[str, str]
    body: bytes
    form: dict[str, str]


@dataclass
class Receiver:
    """Takes webhooks; `status` answers each (the list is used up first, then 200)."""

    base: str = ""
    statuses: list[int] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        form = {key: str(value) for key, value in (await request.post()).items()}
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.hits.append(Hit(request.path, str(request.url), headers, body, form))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    async with Vendors(pace=0.01) as made:
        yield made


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.take)
    async with TestServer(app) as server:
        made.base = str(server.make_url("/")).rstrip("/")
        yield made


@pytest.fixture
async def bot(vendors: Vendors) -> AsyncIterator[Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(vendors.telegram_base))
    made = Bot(vendors.telegram.token, session=session)
    yield made
    await made.session.close()


@pytest.fixture
async def twilio(vendors: Vendors) -> AsyncIterator[Client]:
    http = AsyncTwilioHttpClient()
    account = vendors.sms.account
    client = Client(account.sid, account.token, http_client=http)
    client.api.base_url = client.messaging.base_url = vendors.twilio_base
    yield client
    await http.close()


async def until(true: Callable[[], object], within: float = 10) -> None:
    """Wait for a condition, looking often."""
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - nothing in the stand-ins rings for a test
            await asyncio.sleep(0.01)
