"""A vendor that answers by script: for answers that no well-behaved stand-in gives."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(slots=True)
class Answer:
    """What the vendor does with one request: `cut` closes without a word, `hang` never answers.

    `meanwhile` happens before the answer.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False
    meanwhile: Callable[[], Awaitable[object]] | None = None


@dataclass(slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, list[str]]
    files: dict[str, tuple[str, bytes]]
    query: dict[str, str]
    json: Any = None


class Scripted:
    """Answers each request with the next of `answers`, the last one again and again.

    With a `limit`, more requests within a second are answered `beyond` it.
    """

    def __init__(self) -> None:
        self.base = ""
        self.limit = 0
        self.beyond = Answer(status=429)
        self._counted: deque[float] = deque()
        self.answers: list[Answer] = [Answer(body={})]
        self.asked: list[Asked] = []
        self._end = asyncio.Event()

    def will(self, *answers: Answer) -> None:
        """What comes next."""
        self.answers = list(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await _asked(request))
        if self.limit and not self._is_within(time.monotonic()):
            return web.json_response(self.beyond.body, status=self.beyond.status)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.meanwhile:
            await answer.meanwhile()
        if answer.hang:
            await self._end.wait()
        if answer.cut or answer.hang:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(answer.body, bytes):
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        kind = "text/html" if isinstance(answer.body, str) else "application/json"
        return web.Response(status=answer.status, text=text, content_type=kind, headers=answer.headers)

    def _is_within(self, now: float) -> bool:
        """Count a request, unless there were too many of them in the last second."""
        while self._counted and now - self._counted[0] >= 1:
            self._counted.popleft()
        if len(self._counted) >= self.limit:
            return False
        self._counted.append(now)
        return True

    def stop_hanging(self) -> None:
        self._end.set()


async def _asked(request: web.Request) -> Asked:
    said = await request.json() if request.content_type == "application/json" else None
    form: dict[str, list[str]] = {}
    files: dict[str, tuple[str, bytes]] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = (value.filename, value.file.read())
        else:
            form.setdefault(name, []).append(str(value))
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Asked(request.method, request.path, headers, form, files, dict(request.query), said)


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """A scripted vendor on a free port of this machine."""
    vendor = Scripted()
    app = web.Application(client_max_size=64_000_000)
    app.router.add_route("*", "/{path:.*}", vendor.handle)
    server = TestServer(app)
    await server.start_server(access_log=None)
    vendor.base = str(server.make_url("/")).rstrip("/")
    try:
        yield vendor
    finally:
        vendor.stop_hanging()
        await server.close()
