"""A gateway on a free port, with a channel of the tests' own that speaks the plainest JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import orjson
from aiohttp import web

from bridge.api import routes
from bridge.api.context import CONTEXT, Context
from bridge.api.feed import Feed
from bridge.api.passwords import hash_password
from bridge.bus import MemoryBus
from bridge.channels.base import Answer, Channel, Site, header
from bridge.channels.live import LiveChannel
from bridge.channels.webchat import WebchatChannel, WebchatSettings
from bridge.errors import BadRequest, BadWebhook
from bridge.inbox import Inbox
from bridge.models import Edit, Event, Inbound, Limits, Media, Outbound, Rates, Sent, Standing, Webhook
from bridge.settings import Settings, read
from bridge.store import agents, channels, schema
from bridge.store.engine import Database, connect
from bridge.store.files import Files
from bridge.store.writer import Writer
from bridge.views import AgentView
from tests.servers import free_port

SECRET = "the-postman-knows-this"
PASSWORD = "correct horse battery staple"


class PostChannel:
    """Letters: `[{"key", "from", "text"}…]`, with a secret in a header."""

    type: ClassVar[str] = "post"
    label: ClassVar[str] = "Post"
    webhooks: ClassVar[tuple[str, ...]] = ("post", "post/status")
    pulled: ClassVar[bool] = False
    identity = "office"
    limits = Limits(text=500, part=500, files=2, file_size=1000)
    rates = Rates(overall=100, address=10)

    def parse(self, hook: Webhook) -> list[Event]:
        """Each letter as an event."""
        if header(hook.headers, "X-Secret") != SECRET:
            raise BadWebhook
        try:
            letters = orjson.loads(hook.body)
        except orjson.JSONDecodeError:
            raise BadRequest("This is not JSON") from None
        return [_event(letter) for letter in letters]

    def reread(self, key: str, raw: str) -> list[Event]:
        """A letter as it was kept."""
        try:
            return [_event(orjson.loads(raw))]
        except orjson.JSONDecodeError:
            raise BadRequest("This is not JSON") from None

    def answer(self, path: str) -> Answer:
        """Says which path it was."""
        return Answer(f"<{path}/>", "text/xml")

    async def send(self, part: Outbound) -> Sent:
        """Nothing is sent in these tests: replies wait."""
        return Sent(external_id=part.message_id)

    async def close(self) -> None:
        """There is nothing to give back."""


def _event(letter: dict[str, Any]) -> Event:
    urn = f"post:{letter['from']}"
    if "edit" in letter:
        return Edit(key=letter["key"], urn=urn, external_id=letter["edit"], text=letter["text"])
    if "state" in letter:
        return Standing(key=letter["key"], urn=urn, state=letter["state"])
    more = {name: value for name, value in letter.items() if name not in ("key", "from")}
    more["media"] = tuple(Media(**one) for one in letter.get("media", ()))
    return Inbound(key=letter["key"], urn=urn, external_id=letter["key"], **more)


@dataclass
class House:
    """The running gateway. Closing it closes everything that was opened through it."""

    app: web.Application
    url: str
    channel: int
    writer: Writer
    _runner: web.AppRunner
    _sessions: list[aiohttp.ClientSession] = field(default_factory=list)
    _letters: int = 0

    @property
    def context(self) -> Context:
        """Its parts."""
        return self.app[CONTEXT]

    @property
    def database(self) -> Database:
        """Where it keeps everything."""
        return self.context.database

    def client(self, **headers: str) -> aiohttp.ClientSession:
        """Somebody at their browser; relative addresses are the gateway's."""
        jar = aiohttp.CookieJar(unsafe=True)
        session = aiohttp.ClientSession(self.url, cookie_jar=jar, headers={"Origin": self.url} | headers)
        self._sessions.append(session)
        return session

    async def add_agent(self, name: str = "Anna", role: str = "agent") -> AgentView:
        """A new agent, who knows `PASSWORD`."""
        return await self.database.write(
            lambda tx: agents.add(
                tx, email=f"{name}@example.com", name=name, password_hash=hash_password(PASSWORD), role=role
            )
        )

    async def agent(self, name: str = "Anna", role: str = "agent") -> aiohttp.ClientSession:
        """A new agent who has signed in."""
        await self.add_agent(name, role)
        return await self.sign_in(name)

    async def sign_in(self, name: str = "Anna") -> aiohttp.ClientSession:
        """Another browser of an agent."""
        client = self.client()
        body = {"email": f"{name}@example.com", "password": PASSWORD}
        async with client.post("/api/session", json=body) as response:
            assert response.status == 200, await response.text()
        return client

    async def post(self, *letters: dict[str, Any], secret: str = SECRET) -> int:
        """Deliver letters in one webhook; the status of the answer."""
        async with self.client().post(
            "/webhooks/post", json=list(letters), headers={"X-Secret": secret}
        ) as got:
            return got.status

    async def write(self, text: str, sender: str = "giulia", **more: Any) -> None:
        """A customer writes."""
        self._letters += 1
        letter = {"key": f"letter-{self._letters}", "from": sender, "text": text, "name": sender.title()}
        assert await self.post(letter | more) == 200

    async def stop(self) -> None:
        """Stop serving, as the process does before it ends."""
        await self._runner.cleanup()

    async def close(self) -> None:
        """Hang up."""
        for session in self._sessions:
            await session.close()


async def _register(database: Database, channel: Channel) -> int:
    return await database.write(
        lambda tx: channels.register(tx, channel.type, channel.identity, channel.label)
    )


@asynccontextmanager
async def house(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[House]:
    """A gateway that serves until the block ends."""
    port = free_port()
    given = {"port": port, "data_dir": folder, "public_url_setting": f"http://127.0.0.1:{port}"} | settings
    made = read(Settings, database_url=database_url, **given)
    database = connect(database_url)
    await schema.prepare(database)
    site = Site(public_url=made.public_url, secrets=("s" * 32,))
    live = {}
    for one in (PostChannel(), WebchatChannel(WebchatSettings(), site)):
        row = await _register(database, one)
        live[row] = LiveChannel(row, one)
    channel = next(iter(live))
    bus, writer = MemoryBus(), Writer(database)
    context = Context(
        settings=made, site=site, database=database, bus=bus, channels=live, files=Files(folder / "files"),
        inbox=Inbox(database, writer, bus, live, made.reply_deadline), feed=Feed(database, bus, live),
        static=folder / "static",
    )  # fmt: skip
    app = routes.build(context)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    running = House(app, f"http://127.0.0.1:{port}", channel, writer, runner)
    try:
        yield running
    finally:
        await running.close()
        await running.stop()
        await writer.close()
        await database.close()


async def get(client: aiohttp.ClientSession, path: str, expect: int = 200, **query: Any) -> Any:
    """The JSON behind a path."""
    async with client.get(path, params=query) as response:
        assert response.status == expect, await response.text()
        return await response.json(content_type=None)


async def send(
    client: aiohttp.ClientSession, method: str, path: str, body: Any = None, expect: int = 200
) -> Any:
    """Send JSON, and read the JSON that comes back, if any does."""
    async with client.request(method, path, json=body) as response:
        assert response.status == expect, await response.text()
        return await response.json(content_type=None) if response.status != 204 else None
