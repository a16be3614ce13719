"""The stand-ins, the vendors' own clients, and a gateway that only writes down what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
import orjson
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiohttp import web
from aiohttp.test_utils import TestServer
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from bridge.sandbox.vendor import Upload
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

    def values(self) -> list[dict[str, Any]]:
        """The `value` of each change in WhatsApp's webhooks."""
        return [
            change["value"]
            for hit in self.hits
            if hit.headers.get("content-type") == "application/json"
            for entry in orjson.loads(hit.body)["entry"]
            for change in entry["changes"]
        ]


@dataclass
class Graph:
    """A client of WhatsApp's Cloud API, no cleverer than curl. Calls answer `(status, body)`."""

    http: aiohttp.ClientSession
    base: str
    token: str
    number: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        url = f"{self.base}/v26.0/{path}"
        async with self.http.request(method, url, headers=self.headers, **more) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        return await self.call("GET", path)

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return await self.call("POST", path, json=body)

    async def send(self, to: str, **content: Any) -> tuple[int, dict[str, Any]]:
        return await self.post(
            f"{self.number}/messages", {"messaging_product": "whatsapp", "to": to, **content}
        )

    async def upload(self, upload: Upload) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData({"messaging_product": "whatsapp", "type": upload.mime})
        form.add_field("file", BytesIO(upload.data), filename=upload.name, content_type=upload.mime)
        return await self.call("POST", f"{self.number}/media", data=form)


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


@pytest.fixture
async def graph(vendors: Vendors) -> AsyncIterator[Graph]:
    account = vendors.whatsapp.account
    async with aiohttp.ClientSession() as http:
        yield Graph(http, vendors.whatsapp_base, account.token, account.phone_number_id)


async def until(true: Callable[[], object], within: float = 10) -> None:
    """Wait for a condition, looking often."""
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - nothing in the stand-ins rings for a test
            await asyncio.sleep(0.01)
