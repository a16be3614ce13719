"""What every stand-in has: a door, knobs that break it, and a record of what it was sent."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, get_args

import orjson
from aiohttp import web

from bridge.sandbox.door import Door
from bridge.sandbox.feed import Feed, Json, Wire, now
from bridge.sandbox.postman import Postman

Mode = Literal["ok", "slow", "429", "5xx", "lose", "down"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(slots=True, kw_only=True)
class Knobs:
    """How a vendor behaves.

    `slow` answers after `delay` seconds, `5xx` breaks every call, `429` and `lose` hit the calls
    that send (`lose` takes the message and cuts the connection instead of answering), `down`
    refuses connections. `times`: so many calls are hit, then all is well again (a bot that polls is
    spared: it calls on its own, and would take the place of the call meant); `None`: all. `since`: when
    the mode was set.
    """

    mode: Mode = "ok"
    delay: float = 2.0
    retry_after: int = 5
    drop_webhooks: bool = False
    times: int | None = None
    since: str = ""

    def turn(
        self, mode: Mode, *, delay: float | None, retry_after: int | None,
        drop_webhooks: bool | None, times: int | None,
    ) -> None:  # fmt: skip
        """Change what is given; `times` belongs to the mode and is always set. Wrong: `ValueError`."""
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}")
        if mode != self.mode:
            self.since = now()
        self.mode, self.times = mode, times
        self.delay = self.delay if delay is None else delay
        self.retry_after = self.retry_after if retry_after is None else retry_after
        self.drop_webhooks = self.drop_webhooks if drop_webhooks is None else drop_webhooks

    def strike(self, *, sends: bool, polls: bool) -> Mode:
        """What befalls this call."""
        if (self.mode in ("429", "lose") and not sends) or (self.times is not None and polls):
            return "ok"
        hit = self.mode
        if hit != "ok" and self.times is not None:
            self.times -= 1
            if self.times <= 0:
                self.mode, self.times = "ok", None
        return hit


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a request."""

    name: str
    mime: str
    data: bytes


@dataclass(slots=True, kw_only=True)
class Call:
    """A request of the gateway, read: `name` is what the wire shows, `sends` and `polls` what it does."""

    name: str
    params: Json
    sends: bool = False
    polls: bool = False
    target: str = ""
    method: str = "POST"
    files: Mapping[str, Upload] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Answer:
    """The stand-in's answer. A `quiet` one is not worth a line on the wire."""

    status: int = 200
    body: Any = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    quiet: bool = False


class Vendor(ABC):
    """A stand-in that speaks its vendor's HTTP on a port of its own."""

    channel: ClassVar[str]
    repeats: ClassVar[bool]
    """Whether a webhook that was not taken is kept and delivered later."""

    def __init__(self, feed: Feed, wire: Wire, post: Postman, *, port: int, keep: int) -> None:
        self.knobs = Knobs()
        self.feed, self.wire, self.post = feed, wire, post
        self.door = Door(self._serve, port)
        self.delivers = asyncio.Event()
        self.delivers.set()
        self._sent: deque[Json] = deque(maxlen=keep)

    @abstractmethod
    async def read(self, request: web.BaseRequest) -> Call:
        """The request as a call; what cannot be read is still a call, answered with an error."""

    @abstractmethod
    async def answer(self, call: Call) -> Answer:
        """The vendor's answer when it is well."""

    @abstractmethod
    def broken(self, mode: Mode) -> Answer:
        """The vendor's answer in mode `5xx` or `429`."""

    @abstractmethod
    def state(self) -> Json:
        """What the phones show."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all messages; keep the account and its webhook."""

    @property
    def sent(self) -> list[Json]:
        """What the vendor accepted, in order, also where its answer was lost."""
        return list(self._sent)

    async def open(self) -> None:
        """Start listening."""
        await self.door.open()

    async def close(self) -> None:
        """Stop listening."""
        await self.door.close()

    async def turn(
        self, mode: Mode = "ok", *, delay: float | None = None, retry_after: int | None = None,
        drop_webhooks: bool | None = None, times: int | None = None,
    ) -> None:  # fmt: skip
        """Turn the knobs; what is not given stays, except `times`."""
        self.knobs.turn(mode, delay=delay, retry_after=retry_after, drop_webhooks=drop_webhooks, times=times)
        await (self.door.shut() if mode == "down" else self.door.open())
        # A vendor that is down reaches nobody: what customers write waits there.
        held = mode == "down" or (self.knobs.drop_webhooks and self.repeats)
        (self.delivers.clear if held else self.delivers.set)()
        self.released()
        self._tell()

    @abstractmethod
    def released(self) -> None:
        """Called when the knobs were turned: what was held back may go."""

    def record(self, entry: Json) -> None:
        """Remember something that was sent."""
        self._sent.append(entry)

    def forget_sent(self) -> None:
        """Empty the record."""
        self._sent.clear()

    def _tell(self) -> None:
        self.feed.tell("vendor", vendor=self.channel, knobs=asdict(self.knobs))

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        started = time.perf_counter()
        call = await self.read(request)
        mode = self.knobs.strike(sends=call.sends, polls=call.polls)
        delay = self.knobs.delay if mode == "slow" else 0.0
        answer = self.broken(mode) if mode in ("5xx", "429") else await self.answer(call)
        if delay:
            await asyncio.sleep(delay)
        lost = mode == "lose" and answer.status < 300
        gone = request.transport is None  # as with a poll that was waiting when the port was shut
        if not answer.quiet and not gone:
            self.wire.add(
                self.channel, "out", call.name, "cut" if lost else str(answer.status),
                seconds=time.perf_counter() - started, note=answer.note,
                request=call.params, response=None if lost else answer.body,
            )  # fmt: skip
        if mode not in ("ok", self.knobs.mode):  # the last of its `times`
            self._tell()
        if lost and request.transport is not None:
            request.transport.abort()
        return _response(answer)


def _response(answer: Answer) -> web.Response:
    body = answer.body
    if not isinstance(body, bytes):
        body = b"" if body is None else orjson.dumps(body)
    return web.Response(
        status=answer.status, body=body, headers={**answer.headers, "Content-Type": answer.content_type}
    )
