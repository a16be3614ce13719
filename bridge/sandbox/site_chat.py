"""The switch of the site chat: it has no vendor, so the way of its visitors is broken instead."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge.sandbox.feed import Feed, Json, Wire
from bridge.sandbox.vendor import Knobs, Mode

_JSON = "application/json"


class SiteChat:
    """A middleware over `/widget/`.

    `slow` answers late, `429` and `5xx` refuse, `lose` takes a message and cuts the connection
    instead of answering, `down` cuts everything. In all of these but `slow` the socket is cut.
    """

    channel = "webchat"

    def __init__(self, feed: Feed, wire: Wire) -> None:
        self.knobs = Knobs()
        self._feed, self._wire = feed, wire
        self._open: dict[int, tuple[web.Request, float]] = {}

    async def turn(
        self, mode: Mode = "ok", *, delay: float | None = None, retry_after: int | None = None,
        drop_webhooks: bool | None = None, times: int | None = None,
    ) -> None:  # fmt: skip
        """Turn the knobs; there are no webhooks here to drop."""
        self.knobs.turn(mode, delay=delay, retry_after=retry_after, drop_webhooks=False, times=times)
        if mode not in ("ok", "slow"):
            for request, _ in self._open.values():
                _cut(request)
        self._feed.tell("vendor", vendor=self.channel, knobs=asdict(self.knobs))

    def state(self) -> Json:
        """Nothing of its own: its words are in the shop page."""
        return {}

    def attach(self, app: web.Application) -> None:
        """Stand in the way of the gateway's application."""
        app.middlewares.append(self._middleware())
        app.on_response_prepare.append(self._socket_opens)

    async def _socket_opens(self, request: web.Request, response: web.StreamResponse) -> None:
        if isinstance(response, web.WebSocketResponse) and id(request) in self._open:
            self._log(request, "101", self._open[id(request)][1])

    def _middleware(self) -> Middleware:
        @web.middleware
        async def break_it(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not request.path.startswith("/widget/") or request.path == "/widget/demo":
                return await handler(request)
            self._open[id(request)] = (request, time.perf_counter())
            try:
                return await self._serve(request, handler)
            finally:
                del self._open[id(request)]

        return break_it

    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started, mode = time.perf_counter(), self.knobs.mode
        socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if mode == "down" or (mode == "lose" and socket):
            return self._lost(request, started)
        if mode in ("429", "5xx"):
            response: web.StreamResponse = self._refusal(mode)
        else:
            if mode == "slow":
                await asyncio.sleep(self.knobs.delay)
            response = await handler(request)
        if mode == "lose" and request.method == "POST":
            return self._lost(request, started)
        if not socket:
            said = _json(await request.read()) if request.content_type == _JSON else None
            self._log(request, str(response.status), started, said, _answer(response))
        return response

    def _refusal(self, mode: Mode) -> web.Response:
        status, title = (429, "Too many requests") if mode == "429" else (503, "Not ready, try again shortly")
        wait = self.knobs.retry_after
        body = {"type": "about:blank", "title": title, "status": status, "retry_after": wait}
        return web.Response(
            status=status, body=orjson.dumps(body), content_type="application/problem+json",
            headers={"Retry-After": str(wait)},
        )  # fmt: skip

    def _lost(self, request: web.Request, started: float) -> web.Response:
        self._log(request, "cut", started)
        _cut(request)
        return web.Response(status=503)

    def _log(
        self, request: web.Request, outcome: str, started: float, said: Any = None, answer: Any = None
    ) -> None:
        call, seconds = f"{request.method} {request.path}", time.perf_counter() - started
        self._wire.add(self.channel, "in", call, outcome, seconds=seconds, request=said, response=answer)


def _answer(response: web.StreamResponse) -> Any:
    """What a call was answered with; files are not worth a look."""
    if not isinstance(response, web.Response) or not response.content_type.endswith("json"):
        return None
    return _json(bytes(response.body)) if isinstance(response.body, bytes | bytearray) else None


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
