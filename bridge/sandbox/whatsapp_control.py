"""The controls of the stand-in for WhatsApp: what a customer does, and what befalls sends and webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from bridge.sandbox import whatsapp_kinds
from bridge.sandbox.control_http import Body, FileIn, file_answer, json_answer, read
from bridge.sandbox.feed import Json
from bridge.sandbox.vendors import Vendors


class Says(BaseModel):
    """`POST whatsapp/say`; more fields are those of `whatsapp_kinds.Said`."""

    model_config = ConfigDict(extra="allow")

    text: str = ""
    kind: str = "text"
    sender: Annotated[str, Field(alias="from")] = "+393331234567"
    file: FileIn | None = None


class Number(Body):
    """`POST whatsapp/look` and `whatsapp/lapse`."""

    number: str


class PhoneIn(Body):
    """`PUT whatsapp/phone`: with `error` (say 131026) what is sent there ends `failed`; `on`: switched on."""

    number: str
    error: int | None = None
    on: bool = True


class FaultsIn(Body):
    """`PUT whatsapp/faults`, as `whatsapp_hooks.Faults` has them; what is not given is well again."""

    code: int = 0
    stall: bool = False
    disorder: bool = False
    repeat: bool = False
    times: Annotated[int, Field(ge=1)] | None = None


class Url(Body):
    """`POST whatsapp/subscribe`, which asks for the challenge, and `PUT whatsapp/webhook`, which does not."""

    url: str


class WhatsAppControls:
    """The handlers over one stand-in."""

    def __init__(self, vendors: Vendors) -> None:
        self._whatsapp = vendors.whatsapp

    def routes(self) -> tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]], ...]:
        """Verb, path and handler of each."""
        return (
            ("POST", "whatsapp/say", self.say),
            ("POST", "whatsapp/look", self.look),
            ("POST", "whatsapp/lapse", self.lapse),
            ("POST", "whatsapp/subscribe", self.subscribe),
            ("PUT", "whatsapp/webhook", self.webhook),
            ("PUT", "whatsapp/phone", self.phone),
            ("PUT", "whatsapp/faults", self.faults),
            ("GET", "whatsapp/violations", self.violations),
            ("GET", "whatsapp/files/{id}", self.file),
        )

    async def say(self, request: web.Request) -> web.Response:
        """The message as the webhook shows it."""
        said = await read(request, Says)
        more: Json = dict(said.model_extra or {})
        if unknown := more.keys() - whatsapp_kinds.FIELDS:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        more["file"] = said.file.upload() if said.file else None
        return json_answer(await self._whatsapp.say(said.text, kind=said.kind, sender=said.sender, **more))

    async def look(self, request: web.Request) -> web.Response:
        """Read what was delivered: `{read}`, how many messages."""
        return json_answer({"read": self._whatsapp.look((await read(request, Number)).number)})

    async def lapse(self, request: web.Request) -> web.Response:
        """Let a customer's 24 hours be over."""
        self._whatsapp.lapse((await read(request, Number)).number)
        return web.Response(status=204)

    async def subscribe(self, request: web.Request) -> web.Response:
        """Set the webhook as in Meta's dashboard."""
        await self._whatsapp.subscribe((await read(request, Url)).url)
        return web.Response(status=204)

    async def webhook(self, request: web.Request) -> web.Response:
        """Set the webhook, whoever answers there."""
        self._whatsapp.account.webhook = (await read(request, Url)).url
        return web.Response(status=204)

    async def phone(self, request: web.Request) -> web.Response:
        """Make a number dead or a phone silent, or well again."""
        asked = await read(request, PhoneIn)
        self._whatsapp.kill(asked.number, asked.error)
        self._whatsapp.switch(asked.number, on=asked.on)
        return web.Response(status=204)

    async def faults(self, request: web.Request) -> web.Response:
        """Set what befalls sends and webhooks."""
        self._whatsapp.fail(**(await read(request, FaultsIn)).model_dump())
        return web.Response(status=204)

    async def violations(self, _: web.Request) -> web.Response:
        """The sends that nobody agreed to: `{items}`."""
        return json_answer({"items": self._whatsapp.consent.violations})

    async def file(self, request: web.Request) -> web.Response:
        """A file of a message, for the phone."""
        return file_answer(self._whatsapp.account.files.get(request.match_info["id"]))
