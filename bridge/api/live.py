"""The agents' live feed: `WS /api/live`. What each frame means is in the API's documentation.

Durable frames carry a cursor; a page that comes back with its last one gets what it missed, then
goes on with the others. Each socket has a queue of its own: one that does not read is closed, and
resumes by its cursor, so that it cannot slow down the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
import structlog
from aiohttp import WSMsgType, hdrs, web
from pydantic import BaseModel, ValidationError

from bridge.api import sessions
from bridge.api.client import is_own_origin
from bridge.api.context import Context
from bridge.api.endpoint import Call
from bridge.api.feed import Feed
from bridge.api.frames import Frame, greeting
from bridge.api.presence import TELL_EVERY, Presence
from bridge.api.shapes import Id
from bridge.api.sockets import GOING_AWAY, SIGN_IN_AGAIN, QueuedSocket
from bridge.errors import BridgeError, NotAllowed, NotSignedIn, Unavailable
from bridge.store import tokens
from bridge.store.changes import parse_cursor
from bridge.store.tokens import Holder
from bridge.views import Person

log = structlog.get_logger()

SIGNED_OUT = "signed_out"  # a topic of the bus: {"session": hash of the token}

_QUEUE = 500
_HEARTBEAT = 25.0
_LONGEST_FRAME = 4096
# Sessions also end by time, or on another node: they are looked at again so often.
_CHECK_EVERY = 30.0
_TYPING_EVERY = 1.0


class _Word(BaseModel):
    """What a page says."""

    type: str
    conversation_id: Id | None = None


class Socket(QueuedSocket):
    """One page: its agent, and what it looks at."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, holder: Holder) -> None:
        super().__init__(ws, request, _QUEUE)
        self.holder = holder
        self.person = Person(id=holder.agent.id, name=holder.agent.name)
        self.viewing: str | None = None
        self.typed_at = 0.0


class Live:
    """All pages of this process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._feed: Feed = context.feed
        self.sockets: set[Socket] = set()
        self.presence = Presence(context.bus, self._show_presence)
        self._tasks: list[asyncio.Task[None]] = []
        self._stop_frames: Any = None
        self._stop_words = context.bus.listen(self._hear)

    def start(self) -> None:
        """Begin to look after the sockets."""
        self._tasks = [
            asyncio.create_task(self._every(TELL_EVERY, self._say_presence)),
            asyncio.create_task(self._every(_CHECK_EVERY, self.check_sessions)),
        ]

    async def close(self) -> None:
        """Close every socket: their pages come back, to this process or another."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        sockets = tuple(self.sockets)
        for socket in sockets:
            socket.close(GOING_AWAY)
        await asyncio.gather(*(socket.closed() for socket in sockets))
        self._stop_words()
        self.presence.close()

    async def serve(self, call: Call) -> web.StreamResponse:
        """The live feed of an agent's page, as a WebSocket."""
        request = call.request
        holder = await _holder(request, self._context)
        ws = web.WebSocketResponse(heartbeat=_HEARTBEAT, max_msg_size=_LONGEST_FRAME, compress=False)
        await ws.prepare(request)
        if holder is None:  # a browser cannot see why a handshake was refused, but it sees this
            await ws.close(code=SIGN_IN_AGAIN)
            return ws
        socket = Socket(ws, request, holder)
        try:
            await self._talk(socket, ws, request.query.get("cursor", ""))
        finally:
            self._leave(socket)
            await socket.closed()
        return ws

    async def _talk(self, socket: Socket, ws: web.WebSocketResponse, cursor: str) -> None:
        first = await self._join(socket, cursor)
        pump = asyncio.create_task(socket.pump(first))
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    await self._listen(socket, message.data)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _join(self, socket: Socket, cursor: str) -> list[bytes]:
        """Take part from now on; returns the frames that come before all others."""
        if not self.sockets:
            self._stop_frames = self._feed.subscribe_frames(self._broadcast)
        self.sockets.add(socket)
        now = self._feed.cursor  # with no wait in between: the queue begins exactly here
        self._say_presence()
        presence = orjson.dumps(self.presence.picture())
        if not cursor:
            return [greeting("hello", now), presence]
        since = parse_cursor(cursor)
        missed: list[Frame] | None = None
        with suppress(Unavailable):
            missed = await self._feed.missed(since, now) if since else None
        if missed is None or since is None:
            return [greeting("reset", now), presence]
        return [greeting("hello", since), *(frame.text for frame in missed), presence]

    def _leave(self, socket: Socket) -> None:
        self.sockets.discard(socket)
        self._say_presence()
        if not self.sockets and self._stop_frames:
            self._stop_frames()
            self._stop_frames = None

    async def _listen(self, socket: Socket, text: str) -> None:
        try:
            word = _Word.model_validate_json(text)
        except ValidationError:
            return  # a newer page may say more than this process understands
        if word.type == "viewing":
            socket.viewing = word.conversation_id
            self._say_presence()
        elif word.type == "typing" and word.conversation_id:
            await self._typing(socket, word.conversation_id)

    async def _typing(self, socket: Socket, conversation_id: str) -> None:
        if time.monotonic() - socket.typed_at < _TYPING_EVERY:
            return
        socket.typed_at = time.monotonic()
        with suppress(BridgeError):  # it is only about being seen now
            await self._context.inbox.typing(conversation_id, socket.person)

    def _broadcast(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self._push(frame.text)

    def _push(self, text: bytes) -> None:
        for socket in tuple(self.sockets):
            socket.push(text)

    def _hear(self, topic: str, word: Mapping[str, Any]) -> None:
        if topic == "typing":
            self._push(orjson.dumps({"type": "typing", **word}))
        elif topic == SIGNED_OUT:
            self._end({word["session"]})

    def _end(self, hashes: set[str]) -> None:
        for socket in tuple(self.sockets):
            if socket.holder.hash in hashes:
                socket.close(SIGN_IN_AGAIN)

    def _show_presence(self) -> None:
        self._push(orjson.dumps(self.presence.picture()))

    def _say_presence(self) -> None:
        self.presence.say([(socket.person, socket.viewing) for socket in self.sockets])
        self.presence.look()

    async def check_sessions(self) -> None:
        """Close the sockets whose session has ended without a word."""
        hashes = {socket.holder.hash for socket in self.sockets}
        if hashes:
            good = await self._context.database.read(lambda tx: tokens.good(tx, list(hashes)))
            self._end(hashes - good)

    async def _every(self, seconds: float, do: Any) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                result = do()
                if isinstance(result, Awaitable):
                    await result
            except Unavailable:
                continue
            except Exception:
                log.exception("looking after the sockets failed")


LIVE = web.AppKey("live", Live)


async def live(call: Call) -> web.StreamResponse:
    """Everything that changes, as it happens: a WebSocket of JSON frames."""
    return await call.request.app[LIVE].serve(call)


async def _holder(request: web.Request, context: Context) -> Holder | None:
    """Whose page this is; `None` for a browser whose session is over.

    WebSockets know no same-origin rule: the `Origin` is checked here.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and not is_own_origin(origin, request, context.settings):
        raise NotAllowed("This socket is opened by a page of another site")
    holder = await sessions.holder_of(request, context)
    if holder is None and origin is None:
        raise NotSignedIn
    return holder
