"""Nodes that can be frozen and killed like processes, though all of them are threads of this one."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, Literal, TypeVar

from bridge.bus import MemoryBus
from bridge.channels.live import LiveChannel
from bridge.duty import Duty
from bridge.ids import new_id
from bridge.inbox import Inbox
from bridge.outbox import Outbox
from bridge.store import duties
from bridge.store.engine import connect
from bridge.store.writer import Writer
from bridge.views import Person
from tests.channels.made import ok, refused, site, telegram
from tests.channels.scripted import Answer, scripted

T = TypeVar("T")
LEASE_MS = 600
SEND_TIMEOUT = 0.6
# Each test's own bound is larger: this one only says where it stands still.
WITHIN = 30.0
FAST = {"TELEGRAM_RATE": "1000", "TELEGRAM_CHAT_RATE": "1000"}
Will = Literal["take", "refuse", "ask for a pause", "break down", "cut", "say nothing", "take its time"]


class Process:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._thread = self._run()

    def _run(self) -> threading.Thread:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        return thread

    @property
    def frozen(self) -> bool:
        """Whether nothing happens in it for now."""
        return not self._goes_on.is_set()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it do something, to its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WITHIN)

    def freeze(self) -> None:
        """From now on nothing happens in it; time goes on, and what others send it waits."""
        stands = threading.Event()
        self._goes_on.clear()

        def stand() -> None:
            stands.set()
            self._goes_on.wait()

        self._loop.call_soon_threadsafe(stand)
        assert stands.wait(WITHIN)

    def thaw(self) -> None:
        """It goes on, and knows of nothing."""
        self._goes_on.set()

    def kill(self) -> None:
        """It ends in the middle of anything; its connections are closed, as the kernel does."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.thaw()
        self._thread.join(WITHIN)
        for key in [*self._selector.get_map().values()]:
            with socket.socket(fileno=os.dup(key.fd)) as found, suppress(OSError):
                if found.family == socket.AF_INET:
                    found.shutdown(socket.SHUT_RDWR)

    def bury(self, last: Coroutine[Any, Any, None]) -> None:
        """Clear away what is left of it, also of one that was killed."""
        self.thaw()
        if not self._thread.is_alive():
            self._thread = self._run()
        self.call(_end_all())
        self.call(last)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WITHIN)
        self._loop.close()


async def _end_all() -> None:
    for _ in range(2):  # the first ends calls, the second what they still wanted to write down
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)


class Vendor:
    """Telegram on a bad day; `got` is what has reached it to be sent on, as `(chat, text)`, in order."""

    def __init__(self) -> None:
        self.got: list[tuple[int, str]] = []
        self._process = Process()
        self._stack = AsyncExitStack()
        self._made = self._process.call(self._stack.enter_async_context(scripted()))
        self.released = self._process.call(self._event())
        self.will()

    async def _event(self) -> asyncio.Event:
        return asyncio.Event()

    @property
    def base(self) -> str:
        """Where it is."""
        return self._made.base

    @property
    def asked(self) -> int:
        """How often it was called."""
        return len(self._made.asked)

    def will(self, *wills: Will) -> None:
        """What it does with the next calls; with those after them, what it should."""
        self._made.will(*(self._answer(will) for will in wills), self._answer("take"))

    def _answer(self, will: Will) -> Answer:
        taken = ok({"message_id": 9, "date": 1, "chat": {"id": 42, "type": "private"}})
        match will:
            case "refuse":
                return refused(400, "Bad Request: message text is strange")
            case "ask for a pause":
                return refused(429, "Too Many Requests: retry after 1", retry_after=1)
            case "break down":
                return refused(502, "Bad Gateway")
            case "cut":
                return Answer(cut=True, meanwhile=self._take)
            case "say nothing":
                return Answer(hang=True, meanwhile=self._take)
            case "take its time":
                return Answer(body=taken.body, meanwhile=self._take_slowly)
            case _:
                return Answer(body=taken.body, meanwhile=self._take)

    async def _take(self) -> None:
        """Nothing was awaited since the call was noted: it is the last one."""
        form = self._made.asked[-1].form
        self.got.append((int(form["chat_id"][0]), form["text"][0]))

    async def _take_slowly(self) -> None:
        await self._take()
        await self.released.wait()

    def release(self) -> None:
        """What takes its time is done."""
        self._process.call(self._release())

    async def _release(self) -> None:
        self.released.set()
        self.released.clear()

    def close(self) -> None:
        """End it, and the calls that it never answered."""
        self._made.stop_hanging()
        self._process.bury(self._stack.aclose())


class Node:
    """One process of the gateway, as far as it sends and takes replies from agents."""

    def __init__(self, url: str, vendor: Vendor, channel: int, name: str) -> None:
        self.name = name
        self.process = Process()
        self.process.call(self._begin(url, vendor.base, channel))

    async def _begin(self, url: str, base: str, channel_id: int) -> None:
        self._database: Any = connect(url)
        bus = MemoryBus()
        if self._database.engine == "sqlite":  # as the gateway does: whoever had a duty is gone
            await self._database.write(duties.forget)
        self._writer = Writer(self._database)
        self._channel = telegram(site(send_timeout=SEND_TIMEOUT), TELEGRAM_API_BASE=base, **FAST)
        live = LiveChannel(channel_id, self._channel)
        self._outbox = Outbox(
            live, Duty(self._database, f"send:{channel_id}", self.name, LEASE_MS), database=self._database,
            writer=self._writer, bus=bus, file_of=lambda row: row, send_timeout=SEND_TIMEOUT,
        )  # fmt: skip
        self._inbox = Inbox(self._database, self._writer, bus, {channel_id: live}, 3600.0)
        self._sending = asyncio.create_task(self._outbox.run())

    def reply(self, thread: str, agent: str, text: str) -> None:
        """An agent answers; returns when it is accepted."""
        person = Person(id=agent, name="Anna")
        self.process.call(self._inbox.reply(thread, agent=person, text=text, client_id=new_id()))

    def kill(self) -> None:
        """It ends in the middle of anything."""
        self.process.kill()
        writer = getattr(self._database, "_writer", None)
        if writer:  # SQLite's locks are the process's, and go with it
            self._database._write_thread.submit(writer.connection.rollback).result(WITHIN)

    def end(self) -> None:
        """It is told to end, and does so in good order."""
        self.process.call(self._outbox.close(SEND_TIMEOUT))
        self.process.call(self._writer.close())

    def close(self) -> None:
        """Clear it away, however it is."""
        self.process.bury(self._end())

    async def _end(self) -> None:
        await self._channel.close()
        await self._database.close()
