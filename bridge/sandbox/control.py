"""The stand-ins' controls as HTTP: what a customer says, and how a vendor misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from bridge.sandbox import samples, telegram_kinds
from bridge.sandbox.control_http import Body, FileIn, as_text, file_answer, json_answer, problem, read
from bridge.sandbox.feed import Json
from bridge.sandbox.vendor import Mode
from bridge.sandbox.vendors import Vendors
from bridge.sandbox.whatsapp_control import WhatsAppControls

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TelegramSays(BaseModel):
    """`POST telegram/say`; more fields are those of `telegram_kinds.Said`."""

    model_config = ConfigDict(extra="allow")

    text: str = ""
    kind: str = "text"
    chat_id: int = 1001
    file: FileIn | None = None
    files: list[FileIn] = []


class SmsSays(BaseModel):
    """`POST sms/say`. `kind` "photo" adds a sample picture; `extra` are form fields."""

    model_config = ConfigDict(extra="forbid")

    text: str = ""
    sender: Annotated[str, Field(alias="from")] = "+393331234567"
    media: list[FileIn] = []
    kind: str = "text"
    extra: dict[str, str] = {}


class Turn(Body):
    """`PUT vendor/{name}`."""

    mode: Mode = "ok"
    delay: Annotated[float, Field(ge=0, le=120)] | None = None
    retry_after: Annotated[int, Field(ge=0, le=3600)] | None = None
    drop_webhooks: bool | None = None
    times: Annotated[int, Field(ge=1)] | None = None


class PhoneIn(Body):
    """`PUT sms/phone`: with `error` (say 30003), what is sent there ends `undelivered`."""

    number: str
    error: int | None = None


class Urls(Body):
    """`PUT sms/webhook`: where the number's messages are posted."""

    url: str
    status_url: str = ""


Guard = Callable[[web.Request], None]


class Controls:
    """The handlers over one set of stand-ins. `guard` sees each request first and may raise."""

    def __init__(self, vendors: Vendors, guard: Guard | None = None) -> None:
        self._vendors = vendors
        self._guard = guard

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All routes below `prefix`."""
        routes = (
            ("POST", "telegram/say", self.telegram_say),
            ("POST", "sms/say", self.sms_say),
            ("PUT", "sms/phone", self.sms_phone),
            ("PUT", "sms/webhook", self.sms_webhook),
            *WhatsAppControls(self._vendors).routes(),
            ("PUT", "vendor/{vendor}", self.turn),
            ("GET", "state", self.state),
            ("GET", "sent/{vendor}", self.sent),
            ("GET", "telegram/files/{id}", self.telegram_file),
            ("GET", "sms/files/{id}", self.sms_file),
            ("GET", "live", self.live),
            ("POST", "restore", self.restore),
            ("POST", "reset", self.reset),
        )
        return [web.route(verb, f"{prefix}/{path}", self._answering(do)) for verb, path, do in routes]

    def _answering(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            if self._guard:
                self._guard(request)
            try:
                return await handler(request)
            except ValueError as error:
                return problem(422, str(error))

        return answer

    async def telegram_say(self, request: web.Request) -> web.Response:
        """The update that was made; an album has all of them in `updates`."""
        said = await read(request, TelegramSays)
        more: Json = dict(said.model_extra or {})
        if unknown := more.keys() - telegram_kinds.FIELDS:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        more["file"] = said.file.upload() if said.file else None
        more["files"] = [item.upload() for item in said.files]
        return json_answer(
            await self._vendors.telegram.say(said.text, kind=said.kind, chat_id=said.chat_id, **more)
        )

    async def sms_say(self, request: web.Request) -> web.Response:
        """The message as the phone shows it."""
        said = await read(request, SmsSays)
        media = [item.upload() for item in said.media]
        if said.kind != "text":
            media.append(samples.of(said.kind))
        message = await self._vendors.sms.say(said.text, sender=said.sender, media=media, **said.extra)
        return json_answer(message.view())

    async def sms_phone(self, request: web.Request) -> web.Response:
        """Make a customer's phone unreachable, or reachable again."""
        asked = await read(request, PhoneIn)
        if asked.error is None:
            self._vendors.sms.account.dead.pop(asked.number, None)
        else:
            self._vendors.sms.account.dead[asked.number] = asked.error
        self._vendors.feed.tell("phone", dead=sorted(self._vendors.sms.account.dead))
        return web.Response(status=204)

    async def sms_webhook(self, request: web.Request) -> web.Response:
        """Set the number's webhooks, as in Twilio's console."""
        asked = await read(request, Urls)
        account = self._vendors.sms.account
        account.webhook, account.status_webhook = asked.url, asked.status_url
        return web.Response(status=204)

    async def turn(self, request: web.Request) -> web.Response:
        """Turn a vendor's knobs."""
        switched = self._vendors.switches.get(request.match_info["vendor"])
        if switched is None:
            return problem(404, "No such vendor")
        turn = await read(request, Turn)
        await switched.turn(**turn.model_dump())
        return json_answer({"mode": switched.knobs.mode})

    async def state(self, _: web.Request) -> web.Response:
        """Everything the page shows."""
        return json_answer(self._vendors.state())

    async def sent(self, request: web.Request) -> web.Response:
        """What a vendor accepted, in order: `{items}`."""
        vendor = self._vendors.all.get(request.match_info["vendor"])
        return problem(404, "No such vendor") if vendor is None else json_answer({"items": vendor.sent})

    async def telegram_file(self, request: web.Request) -> web.Response:
        """A file of a Telegram message, for the phone."""
        stored = self._vendors.telegram.files.get(request.match_info["id"])
        return file_answer(stored.upload if stored else None)

    async def sms_file(self, request: web.Request) -> web.Response:
        """A file of an MMS, for the phone."""
        return file_answer(self._vendors.sms.account.file(request.match_info["id"]))

    async def restore(self, _: web.Request) -> web.Response:
        """All vendors well again."""
        await self._vendors.restore()
        return web.Response(status=204)

    async def reset(self, _: web.Request) -> web.Response:
        """Forget all messages at the vendors."""
        await self._vendors.reset()
        return web.Response(status=204)

    async def farewell(self, _: web.Application) -> None:
        """For `on_shutdown`: the pages that watch are sent away."""
        self._vendors.feed.end()

    async def live(self, request: web.Request) -> web.WebSocketResponse:
        """Changes as JSON frames: wire, telegram, sms, whatsapp, vendor, reset… Closed with 1013: reload.

        The frames are the `Frame` of the page: `web/sandbox/src/state/types.ts`.
        """
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        with self._vendors.feed.watch() as frames:
            reader = asyncio.create_task(_until_closed(socket))
            try:
                while not socket.closed:
                    getter = asyncio.create_task(frames.get())
                    await asyncio.wait([getter, reader], return_when=asyncio.FIRST_COMPLETED)
                    if not getter.done():
                        getter.cancel()
                        break
                    frame = getter.result()
                    if frame is None:
                        await socket.close(code=1013)
                        break
                    await socket.send_str(orjson.dumps(frame, default=as_text).decode())
            except ConnectionError:
                pass  # the page went away while a frame was on its way
            finally:
                reader.cancel()
        return socket


async def _until_closed(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass
