"""The stand-ins' controls as HTTP: what a customer says, and how a vendor misbehaves."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.sandbox import samples
from bridge.sandbox.feed import Json
from bridge.sandbox.telegram_kinds import FIELDS
from bridge.sandbox.vendor import Mode, Upload
from bridge.sandbox.vendors import Vendors

_Model = TypeVar("_Model", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FileIn(_Body):
    """A file a customer sends, its bytes in base64."""

    name: str
    mime: str = ""
    data: str

    def upload(self) -> Upload:
        """The file; broken base64 is a `ValueError`."""
        try:
            return Upload(self.name, self.mime, base64.b64decode(self.data, validate=True))
        except binascii.Error as error:
            raise ValueError(f"the data of {self.name!r} is not base64") from error


class TelegramSays(BaseModel):
    """`POST telegram/say`; more fields are those of `telegram_kinds.Said`."""

    model_config = ConfigDict(extra="allow")

    text: str = ""
    kind: str = "text"
    chat_id: int = 1001
    file: FileIn | None = None
    files: list[FileIn] = []


class SmsSays(_Body):
    """`POST sms/say`. `kind` "photo" adds a sample picture; `extra` are form fields."""

    text: str = ""
    sender: Annotated[str, Field(alias="from")] = "+393331234567"
    media: list[FileIn] = []
    kind: str = "text"
    extra: dict[str, str] = {}


class Turn(_Body):
    """`PUT vendor/{name}`."""

    mode: Mode = "ok"
    delay: Annotated[float, Field(ge=0, le=120)] | None = None
    retry_after: Annotated[int, Field(ge=0, le=3600)] | None = None
    drop_webhooks: bool | None = None
    times: Annotated[int, Field(ge=1)] | None = None


class PhoneIn(_Body):
    """`PUT sms/phone`: with `error` (say 30003), what is sent there ends `undelivered`."""

    number: str
    error: int | None = None


class Urls(_Body):
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
                return _problem(422, str(error))

        return answer

    async def telegram_say(self, request: web.Request) -> web.Response:
        """The update that was made; an album has all of them in `updates`."""
        said = await _read(request, TelegramSays)
        more: Json = dict(said.model_extra or {})
        if unknown := more.keys() - FIELDS:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        more["file"] = said.file.upload() if said.file else None
        more["files"] = [item.upload() for item in said.files]
        return _json(
            await self._vendors.telegram.say(said.text, kind=said.kind, chat_id=said.chat_id, **more)
        )

    async def sms_say(self, request: web.Request) -> web.Response:
        """The message as the phone shows it."""
        said = await _read(request, SmsSays)
        media = [item.upload() for item in said.media]
        if said.kind != "text":
            media.append(samples.of(said.kind))
        message = await self._vendors.sms.say(said.text, sender=said.sender, media=media, **said.extra)
        return _json(message.view())

    async def sms_phone(self, request: web.Request) -> web.Response:
        """Make a customer's phone unreachable, or reachable again."""
        asked = await _read(request, PhoneIn)
        if asked.error is None:
            self._vendors.sms.account.dead.pop(asked.number, None)
        else:
            self._vendors.sms.account.dead[asked.number] = asked.error
        self._vendors.feed.tell("phone", dead=sorted(self._vendors.sms.account.dead))
        return web.Response(status=204)

    async def sms_webhook(self, request: web.Request) -> web.Response:
        """Set the number's webhooks, as in Twilio's console."""
        asked = await _read(request, Urls)
        account = self._vendors.sms.account
        account.webhook, account.status_webhook = asked.url, asked.status_url
        return web.Response(status=204)

    async def turn(self, request: web.Request) -> web.Response:
        """Turn a vendor's knobs."""
        switched = self._vendors.switches.get(request.match_info["vendor"])
        if switched is None:
            return _problem(404, "No such vendor")
        turn = await _read(request, Turn)
        await switched.turn(**turn.model_dump())
        return _json({"mode": switched.knobs.mode})

    async def state(self, _: web.Request) -> web.Response:
        """Everything the page shows."""
        return _json(self._vendors.state())

    async def sent(self, request: web.Request) -> web.Response:
        """What a vendor accepted, in order: `{items}`."""
        vendor = self._vendors.all.get(request.match_info["vendor"])
        return _problem(404, "No such vendor") if vendor is None else _json({"items": vendor.sent})

    async def telegram_file(self, request: web.Request) -> web.Response:
        """A file of a Telegram message, for the phone."""
        stored = self._vendors.telegram.files.get(request.match_info["id"])
        return _file(stored.upload if stored else None)

    async def sms_file(self, request: web.Request) -> web.Response:
        """A file of an MMS, for the phone."""
        return _file(self._vendors.sms.account.file(request.match_info["id"]))

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
        """Changes as JSON frames: wire, telegram, sms, typing, vendor, reset. Closed with 1013: reload."""
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
                    await socket.send_str(orjson.dumps(frame, default=_text).decode())
            except ConnectionError:
                pass  # the page went away while a frame was on its way
            finally:
                reader.cancel()
        return socket


async def _until_closed(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


async def _read(request: web.Request, model: type[_Model]) -> _Model:
    try:
        return model.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(problems) from None


def _file(upload: Upload | None) -> web.Response:
    if upload is None:
        return _problem(404, "No such file")
    shown = upload.mime.split("/")[0] in ("image", "audio", "video") and "svg" not in upload.mime
    return web.Response(
        body=upload.data, content_type=upload.mime if shown else "application/octet-stream",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"},
    )  # fmt: skip


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value, default=_text), content_type="application/json")


def _text(value: Any) -> str:
    return f"({len(value)} bytes)" if isinstance(value, bytes) else str(value)


def _problem(status: int, detail: str) -> web.Response:
    body = {"type": "about:blank", "title": detail, "status": status, "detail": detail}
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/problem+json")
