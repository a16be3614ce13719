"""What the chat on a site talks to: everything under `/widget/`. The script is `/widget.js`.

    POST /widget/session    who the visitor is: the same as before, or somebody new
    GET  /widget/messages   the newest of their thread, or what came before a `seq`
    POST /widget/messages   write; the same `client_id` again is the same message
    POST /widget/files      upload a file to send
    POST /widget/ack, seen  what arrived at the page, and what was looked at
    WS   /widget/socket     the thread as it changes

By the socket a page says `hello` with its token first, then `ack`, `seen`, `typing` and `ping`. It
hears `messages` (a piece of the thread), `typing` and `pong`. Close 4401: ask for a new session.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Literal, cast

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ValidationError

from bridge.api import files
from bridge.api.context import Context
from bridge.api.endpoint import Call, json_response, read_body, read_query
from bridge.api.problems import PLAIN_HEADERS
from bridge.api.shapes import FileName
from bridge.api.sockets import SIGN_IN_AGAIN, TRY_LATER
from bridge.api.widget_gate import Gate
from bridge.api.widget_pages import demo, demo_style, script
from bridge.api.widget_shapes import (
    Hello,
    NewVisitorMessage,
    Returning,
    UpTo,
    Visit,
    VisitorLimits,
    VisitorPage,
    VisitorPageQuery,
    Word,
)
from bridge.api.widget_socket import Hub, Newest, Page, talk
from bridge.channels import webchat
from bridge.channels.webchat import WebchatChannel
from bridge.errors import BridgeError, Invalid, Unavailable
from bridge.models import MessageKind
from bridge.signing import signed_link
from bridge.store import visitors
from bridge.store.visitors import Thread
from bridge.text import utf16_length
from bridge.views import VisitorMessage

_NEWEST = 50
_DAY = 24 * 3600
_HEARTBEAT = 25.0
_LONGEST_FRAME = 2048
_HELLO_WITHIN = 5.0
_TYPING_EVERY = 1.0


class Widget:
    """The site chat of this process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._id, self._channel = _site_chat(context)
        self._gate = Gate(context, self._channel)
        self._hub = Hub(context, self._id, self._news)
        self._newest = Newest(self._threads)
        self._file_size = min(context.settings.upload_limit, self._channel.limits.file_size)

    def routes(self) -> list[web.RouteDef]:
        """Its lines of the route table."""
        guard = self._gate.guard
        return [
            web.get("/widget.js", script),
            web.get("/widget/demo", demo),
            web.get("/widget/demo.css", demo_style),
            web.post("/widget/session", guard(self.visit)),
            web.get("/widget/messages", guard(self.listed)),
            web.post("/widget/messages", guard(self.write)),
            web.post("/widget/files", guard(self.upload)),
            web.get("/widget/files/{file_id}", files.public),
            web.post("/widget/ack", guard(self.ack)),
            web.post("/widget/seen", guard(self.seen)),
            web.get("/widget/socket", guard(self.socket)),
            web.options("/widget/{path:.*}", self._gate.preflight),
        ]

    def start(self) -> None:
        """Begin to tell visitors' pages what changes."""
        self._hub.start()

    async def close(self) -> None:
        """Close every socket."""
        await self._hub.close()

    async def visit(self, request: web.Request) -> web.Response:
        """Give a visitor their token: the same visitor for a good one, a new one otherwise."""
        body = await read_body(request, Returning)
        secrets = self._context.site.secrets
        visitor = webchat.visitor_of(secrets, body.token) if body.token else None
        if visitor is None:
            self._gate.allowance(request).new.take(self._gate.network(request))
            visitor = webchat.new_visitor()
        limits = self._channel.limits
        return json_response(
            Visit(
                visitor_id=visitor,
                token=webchat.token_for(secrets, visitor),
                business=self._context.settings.business,
                limits=VisitorLimits(text=limits.text, file_size=self._file_size, files=limits.files),
            )
        )

    async def listed(self, request: web.Request) -> web.Response:
        """A page of the visitor's thread."""
        urn = webchat.urn_of(self._gate.visitor(request))
        query = read_query(request.query, VisitorPageQuery)
        return json_response(self._page(await self._thread(urn, query.before, query.limit)))

    async def write(self, request: web.Request) -> web.Response:
        """Store what the visitor writes; the answer is the message: 201, or 200 if it was there."""
        visitor = self._gate.visitor(request)
        self._gate.allowance(request).visitor.take(visitor)
        body = await read_body(request, NewVisitorMessage)
        message = await self._said(visitor, body.client_id)
        if message:
            return json_response(self._with_links(message))
        event = webchat.message(
            visitor, body.client_id, body.text, uploads=body.attachments, page=body.page,
            kind=await self._check(visitor, body),
        )  # fmt: skip
        await self._context.inbox.receive(self._id, [event])
        message = await self._said(visitor, body.client_id)
        if message is None:
            raise Unavailable
        return json_response(self._with_links(message), 201)

    async def upload(self, request: web.Request) -> web.Response:
        """Keep a file of the visitor, to name in a message's `attachments`."""
        visitor = self._gate.visitor(request)
        self._gate.allowance(request).visitor.take(visitor)
        name = read_query(request.query, FileName).name
        file = await files.receive(Call(self._context, request), webchat.urn_of(visitor), name)
        return json_response(file.model_copy(update={"url": self._link(file.id)}), 201)

    async def ack(self, request: web.Request) -> web.Response:
        """The page has everything up to a `seq`."""
        return await self._mark(request, "delivered")

    async def seen(self, request: web.Request) -> web.Response:
        """The visitor looked at everything up to a `seq`."""
        return await self._mark(request, "read")

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """The thread as it changes, as a WebSocket of JSON frames."""
        ws = web.WebSocketResponse(heartbeat=_HEARTBEAT, max_msg_size=_LONGEST_FRAME, compress=False)
        await ws.prepare(request)
        visitor = await self._greeted(ws)
        if visitor is None:
            await ws.close(code=SIGN_IN_AGAIN)
            return ws
        page = Page(ws, request, webchat.urn_of(visitor))
        try:
            first = await self._begin(page)
            if first:
                await talk(ws, page, first, _Ear(self, page).hear)
        finally:
            self._hub.leave(page)
            await page.closed()
        return ws

    async def mark(self, urn: str, seq: int, status: Literal["delivered", "read"]) -> None:
        """Note how far a visitor's page, or the visitor, has come."""
        await self._context.database.write(lambda tx: visitors.acknowledge(tx, self._id, urn, seq, status))
        self._context.bus.ring("changes")

    async def typing(self, urn: str) -> None:
        """Show the team that the visitor is writing."""
        found = await self._context.database.read(lambda tx: visitors.current(tx, self._id, urn))
        if found:
            conversation_id, person = found
            who = {"id": person.id, "name": person.name, "kind": "customer"}
            self._context.bus.tell("typing", {"conversation_id": conversation_id, "who": who})

    async def _greeted(self, ws: web.WebSocketResponse) -> str | None:
        """The visitor who says hello with a good token, in time."""
        try:
            async with asyncio.timeout(_HELLO_WITHIN):
                first = await ws.receive()
            if first.type is not WSMsgType.TEXT:
                return None
            hello = Hello.model_validate_json(first.data)
        except (TimeoutError, ValidationError):
            return None
        return webchat.visitor_of(self._context.site.secrets, hello.token)

    async def _begin(self, page: Page) -> bytes:
        """Take part, then read the newest: the first frame. What commits in between comes after it, as news.

        Nothing for a page that is sent away.
        """
        if not self._hub.join(page):
            page.close(TRY_LATER)
            return b""
        try:
            thread = await self._newest.of(page.urn)
        except BridgeError:
            page.close(TRY_LATER)
            return b""
        page.conversation_id = thread.conversation_id
        return _frame(self._page(thread))

    async def _thread(self, urn: str, before: int | None, limit: int) -> Thread:
        return (await self._threads({urn: before}, limit))[urn]

    async def _threads(self, asked: Mapping[str, int | None], limit: int = _NEWEST) -> dict[str, Thread]:
        return await self._context.database.read(
            lambda tx: visitors.threads(tx, self._id, asked, limit=limit)
        )

    async def _said(self, visitor: str, client_id: str) -> VisitorMessage | None:
        urn, key = webchat.urn_of(visitor), webchat.key_of(visitor, client_id)
        return await self._context.database.read(lambda tx: visitors.said(tx, self._id, urn, key))

    async def _check(self, visitor: str, body: NewVisitorMessage) -> MessageKind:
        """The kind of a message that may be stored; `Invalid` for one that may not."""
        limits = self._channel.limits
        if not body.text.strip() and not body.attachments:
            raise _wrong("text", "must not be empty")
        if utf16_length(body.text) > limits.text:
            raise _wrong("text", f"has more than {limits.text} characters", limit=limits.text)
        if len(body.attachments) > limits.files:
            raise _wrong("attachments", f"are more than {limits.files}", limit=limits.files)
        if not body.attachments:
            return "text"
        urn = webchat.urn_of(visitor)
        kinds = await self._context.database.read(lambda tx: visitors.kinds_of(tx, urn, body.attachments))
        if set(kinds) != set(body.attachments):
            raise _wrong("attachments", "names a file that is not there, or was sent already")
        return cast(MessageKind, kinds[body.attachments[0]])

    async def _mark(self, request: web.Request, status: Literal["delivered", "read"]) -> web.Response:
        urn = webchat.urn_of(self._gate.visitor(request))
        body = await read_body(request, UpTo)
        await self.mark(urn, body.seq, status)
        return web.Response(status=204, headers=PLAIN_HEADERS)

    def _news(self, thread: Thread) -> bytes:
        return _frame(self._page(thread).model_copy(update={"more": None}))

    def _page(self, thread: Thread) -> VisitorPage:
        items = [self._with_links(item) for item in thread.items]
        return VisitorPage(items=items, more=thread.more, read=thread.read)

    def _with_links(self, message: VisitorMessage) -> VisitorMessage:
        """A message whose files a page without a session can fetch."""
        found = [
            file.model_copy(update={"url": self._link(file.id)}) if file.url else file
            for file in message.attachments
        ]
        return message.model_copy(update={"attachments": found})

    def _link(self, file_id: str) -> str:
        """A signed path, the same all day, so that a page keeps the picture it has."""
        until = (math.ceil(time.time() / _DAY) + 2) * _DAY
        return signed_link(self._context.site.secrets, f"/widget/files/{file_id}", until - time.time() + 0.5)


WIDGET = web.AppKey("widget", Widget)


class _Ear:
    """What one page says by its socket."""

    def __init__(self, widget: Widget, page: Page) -> None:
        self._widget, self._page = widget, page
        self._typed_at = 0.0

    async def hear(self, text: str) -> None:
        """One frame. What is not understood comes from a newer page."""
        try:
            word = Word.model_validate_json(text)
        except ValidationError:
            return
        try:
            await self._do(word)
        except BridgeError:
            return  # the page says it again when it comes back

    async def _do(self, word: Word) -> None:
        if word.type == "ping":
            self._page.push(b'{"type":"pong"}')
        elif word.type == "ack":
            await self._widget.mark(self._page.urn, word.seq, "delivered")
        elif word.type == "seen":
            await self._widget.mark(self._page.urn, word.seq, "read")
        elif word.type == "typing" and time.monotonic() - self._typed_at > _TYPING_EVERY:
            self._typed_at = time.monotonic()
            await self._widget.typing(self._page.urn)


def _site_chat(context: Context) -> tuple[int, WebchatChannel]:
    for live in context.channels.values():
        if isinstance(live.channel, WebchatChannel):
            return live.id, live.channel
    raise LookupError("the site chat is not configured")


def _wrong(field: str, problem: str, **extra: object) -> Invalid:
    return Invalid(f"{field} {problem}", fields=[{"field": field, "problem": problem}], **extra)


def _frame(page: BaseModel) -> bytes:
    return b'{"type":"messages",' + page.model_dump_json().encode()[1:]
