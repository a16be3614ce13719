"""`bridge demo`: the gateway, its vendors' stand-ins and a page with the customers' phones."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Literal

import structlog
from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError

from bridge import app as gateway_app
from bridge import channels, data_folder
from bridge.api import pages, sessions
from bridge.api.client import is_own_origin
from bridge.api.passwords import hash_aside
from bridge.errors import Invalid, NotAllowed, SettingsError
from bridge.sandbox.control import Controls
from bridge.sandbox.memory import Memory
from bridge.sandbox.opening import opening_words
from bridge.sandbox.site_chat import SiteChat
from bridge.sandbox.vendors import Vendors
from bridge.settings import Settings
from bridge.store import agents, clearing

log = structlog.get_logger()

_PAGE_HEADERS = {**pages.PAGE_HEADERS, hdrs.CACHE_CONTROL: "no-cache"}

BUSINESS = "Bottega Lume"
AGENTS = {
    "anna": ("anna@bottegalume.example", "Anna Colombo", "admin"),
    "paolo": ("paolo@bottegalume.example", "Paolo Serra", "agent"),
}


_REAL_CREDENTIALS = (
    "bridge demo: credentials of a real vendor are set, and the demo never runs beside them. "
    "Use `bridge serve`, or unset TELEGRAM_BOT_TOKEN, TWILIO_ACCOUNT_SID and WHATSAPP_ACCESS_TOKEN."
)


class _SignIn(BaseModel):
    agent: Literal["anna", "paolo"] = "anna"


async def serve_demo(settings: Settings) -> None:
    """Serve the gateway over stand-ins until SIGTERM or SIGINT.

    Keeps its data in a folder of its own. `SettingsError` where real credentials are set: nobody
    should take the demo for the real thing, or the other way round.
    """
    if channels.has_credentials():
        raise SettingsError([_REAL_CREDENTIALS])
    folder = settings.data_dir / "demo"
    named = "business" in settings.model_fields_set
    business = settings.business if named else BUSINESS
    settings = settings.model_copy(update={"data_dir": folder, "business": business})
    data_folder.prepare(folder)
    memory = Memory(folder / "vendors")
    async with Vendors(business=business, **memory.credentials()) as vendors:
        memory.load(vendors)
        os.environ.update(vendors.environment() | vendors.whatsapp_environment())
        await gateway_app.serve(settings, lambda app, gateway: add_sandbox(app, gateway, vendors, memory))


def add_sandbox(
    app: web.Application, gateway: gateway_app.Gateway, vendors: Vendors, memory: Memory | None = None
) -> None:
    """Add the page, its controls and the switch of the site chat to the gateway's application.

    With a `memory` the stand-ins' state is kept while the application runs.
    """
    settings = gateway.settings
    vendors.post.tunnel = (settings.public_url, _loopback(settings))
    vendors.serve_webhooks_of(settings.public_url)
    if any(live.channel.type == vendors.whatsapp.channel for live in gateway.channels.values()):
        vendors.whatsapp.account.webhook = f"{settings.public_url}/webhooks/whatsapp"
    sandbox = Sandbox(gateway, vendors, memory)
    sandbox.site_chat.attach(app)
    app.add_routes(sandbox.routes())
    app.on_shutdown.append(sandbox.controls.farewell)
    app.cleanup_ctx.append(sandbox.live)


class Sandbox:
    """The page's own routes; the stand-ins' controls stand below `/sandbox/api/` too."""

    def __init__(self, gateway: gateway_app.Gateway, vendors: Vendors, memory: Memory | None) -> None:
        self._gateway, self._vendors, self._memory = gateway, vendors, memory
        self.site_chat = SiteChat(vendors.feed, vendors.wire)
        vendors.switches["webchat"] = self.site_chat
        self.controls = Controls(vendors, self._guard)

    def routes(self) -> list[web.RouteDef]:
        """Pages and controls."""
        return [
            web.get("/sandbox", self._home),
            web.get("/sandbox/", self._page),
            web.get("/sandbox/shop", self._shop),
            web.post("/sandbox/api/sign-in", self._sign_in),
            web.post("/sandbox/api/clear", self._clear),
            *self.controls.routes("/sandbox/api"),
        ]

    async def live(self, _: web.Application) -> AsyncIterator[None]:
        """The agents exist before anybody is told to make the first; the customers' words come after."""
        for email, name, role in AGENTS.values():
            await self._add_agent(email, name, role)
        tasks = [asyncio.create_task(self._open())]
        if self._memory:
            tasks.append(asyncio.create_task(self._memory.keep(self._vendors)))
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._memory:
            self._memory.save(self._vendors)

    async def _open(self) -> None:
        """Once the gateway listens: say where the page is, and let the first customers write."""
        base = self._gateway.settings.public_url
        while not (await self._vendors.post.get(f"{base}/readyz", within=2)).ok:  # noqa: ASYNC110 - only HTTP tells that HTTP is served
            await asyncio.sleep(0.1)
        log.info("the demo runs: nothing leaves this machine", page=f"{base}/sandbox/")
        if not _is_loopback(self._gateway.settings.host):
            log.warning("whoever reaches this port is an agent of the demo, without a password")
        if await self._gateway.database.read(clearing.is_empty):
            await opening_words(self._vendors)

    async def _add_agent(self, email: str, name: str, role: str) -> None:
        database = self._gateway.database
        if await database.read(lambda tx: agents.by_email(tx, email)) is None:
            # Nobody knows this password, and nobody needs to: the page signs in by itself.
            hashed = await hash_aside(secrets.token_urlsafe(24))
            await database.write(
                lambda tx: agents.add(tx, email=email, name=name, password_hash=hashed, role=role)
            )

    async def _home(self, _: web.Request) -> web.Response:
        raise web.HTTPFound("/sandbox/")

    async def _page(self, request: web.Request) -> web.Response:
        return pages.respond(request, "sandbox/index.html", _PAGE_HEADERS)

    async def _shop(self, request: web.Request) -> web.Response:
        return pages.respond(request, "sandbox/shop.html", _PAGE_HEADERS)

    async def _sign_in(self, request: web.Request) -> web.Response:
        """`{agent: "anna" | "paolo"}` → the agent, with a session in the cookie."""
        self._guard(request)
        try:
            asked = _SignIn.model_validate_json(await request.read() or b"{}")
        except ValidationError:
            raise Invalid("There is no such demo agent") from None
        known = await self._gateway.database.read(lambda tx: agents.by_email(tx, AGENTS[asked.agent][0]))
        if known is None:
            raise Invalid("This demo agent was removed")
        context = self._gateway.context
        response = web.json_response({"agent": known.agent.model_dump(mode="json")})
        sessions.hand_out(response, await sessions.begin(context, known.agent.id), context.settings)
        return response

    async def _clear(self, request: web.Request) -> web.Response:
        """Empty the data on both sides."""
        self._guard(request)
        await self._gateway.database.write(clearing.clear)
        await self._vendors.reset()
        return web.Response(status=204)

    def _guard(self, request: web.Request) -> None:
        """Only pages of the gateway itself: the sandbox signs in without a password."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not is_own_origin(origin, request, self._gateway.settings):
            raise NotAllowed("This request comes from a page of another site")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _loopback(settings: Settings) -> str:
    """How this process reaches its own gateway, whatever name the world has for it."""
    host = settings.host
    with suppress(ValueError):
        address = ip_address(host)
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
