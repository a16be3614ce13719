"""Bridge with an agent who repeats what customers say: heard on the feed, said as the API says it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import uvloop
from aiohttp import web

from bridge import app as wiring
from bridge import logs
from bridge.app import Gateway
from bridge.settings import Settings, read
from bridge.store import agents, messages
from bridge.views import MessageView, Person


class Echo:
    """Answers each new message of a customer with its own text."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._heard: list[str] = []
        self._bell = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._agent = Person(id="", name="Echo")
        self._seen: set[str] = set()

    async def start(self, _: web.Application) -> None:
        """Take a seat at the desk."""
        made = await self._gateway.database.write(
            lambda tx: agents.add(tx, email="echo@example.com", name="Echo", password_hash="", role="agent")
        )
        self._agent = Person(id=made.id, name=made.name)
        self._gateway.context.feed.subscribe(self._hear)
        self._start(self._answer())

    def _hear(self, kind: str, _: str | None, subject_id: str | None) -> None:
        if kind == "message" and subject_id:
            self._heard.append(subject_id)
            self._bell.set()

    async def _answer(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            heard, self._heard = self._heard, []
            new = {*heard} - self._seen
            found = await self._gateway.database.peek(lambda tx: messages.views(tx, new))  # noqa: B023
            self._seen.update(found)
            for message in found.values():
                if message.direction == "inbound":
                    self._start(self._repeat(message))

    async def _repeat(self, message: MessageView) -> None:
        reply, _ = await self._gateway.inbox.reply(
            message.conversation_id, agent=self._agent, text=message.text, client_id=message.id
        )
        self._seen.add(reply.id)  # it hears of it at each of its states

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _extend(app: web.Application, gateway: Gateway) -> None:
    app.on_startup.append(Echo(gateway).start)


if __name__ == "__main__":
    settings = read(Settings)
    logs.configure(settings.log_format, settings.log_level)
    uvloop.run(wiring.serve(settings, _extend))
