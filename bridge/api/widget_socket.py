"""Visitors' pages that are open now: what changes in their thread reaches them as it happens.

A page says hello with its token and gets the newest of its thread; it takes part before that is
read, so whatever commits meanwhile comes as news. A page that comes back does the same again:
messages replace each other by id, so nothing is missed and nothing doubled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import orjson
import structlog
from aiohttp import WSMsgType, web

from bridge.api.context import Context
from bridge.api.sockets import GOING_AWAY, TRY_LATER, QueuedSocket
from bridge.errors import Unavailable
from bridge.store import visitors
from bridge.store.failures import Contended
from bridge.store.visitors import Thread

log = structlog.get_logger()

_QUEUE = 100
_TABS = 20
_AGAIN = 0.5
# So many pages that come at once are read together.
_AT_ONCE = 32
# A page says little: what is typed travels by requests.
_WORDS_PER_MINUTE = 240

Encode = Callable[[Thread], bytes]


class Page(QueuedSocket):
    """One open page of a visitor."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, urn: str) -> None:
        super().__init__(ws, request, _QUEUE)
        self.urn = urn
        self.conversation_id: str | None = None
        self._minute = 0
        self._words = 0

    def may_speak(self) -> bool:
        """Count a word of the page; a page that never stops is closed."""
        minute = int(time.monotonic() / 60)
        self._words = self._words + 1 if minute == self._minute else 1
        self._minute = minute
        if self._words > _WORDS_PER_MINUTE:
            self.close(TRY_LATER)
        return self._words <= _WORDS_PER_MINUTE


class Hub:
    """All visitors' pages of this process."""

    def __init__(self, context: Context, channel_id: int, encode: Encode) -> None:
        self._context = context
        self._channel_id = channel_id
        self._encode = encode
        self._pages: dict[str, set[Page]] = {}
        self._changed: set[str] = set()
        self._touched: set[str] = set()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stop_feed: Callable[[], None] | None = None
        self._stop_words = context.bus.listen(self._hear)

    def start(self) -> None:
        """Begin to look for news."""
        self._task = asyncio.create_task(self._run(), name="visitors")

    async def close(self) -> None:
        """Close every page: they come back, to this process or another."""
        self._stop_words()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        pages = [page for group in self._pages.values() for page in group]
        for page in pages:
            page.close(GOING_AWAY)
        await asyncio.gather(*(page.closed() for page in pages))

    def join(self, page: Page) -> bool:
        """Take part from now on. False: the visitor has too many pages open."""
        group = self._pages.setdefault(page.urn, set())
        if len(group) >= _TABS:
            return False
        group.add(page)
        if self._stop_feed is None:
            self._stop_feed = self._context.feed.subscribe(self._note)
        return True

    def leave(self, page: Page) -> None:
        """Take no part any more."""
        group = self._pages.get(page.urn, set())
        group.discard(page)
        if not group:
            self._pages.pop(page.urn, None)
        if not self._pages and self._stop_feed:
            self._stop_feed()
            self._stop_feed = None

    def _note(self, kind: str, conversation_id: str | None, subject_id: str | None) -> None:
        if conversation_id:
            self._touched.add(conversation_id)
        if kind == "message" and subject_id:
            self._changed.add(subject_id)
        self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, set()
            touched, self._touched = self._touched, set()
            try:
                self._tell(await self._look(changed, touched))
            except (Unavailable, Contended):
                await self._later(changed, touched)
            except Exception:
                log.exception("news of visitors stumbled")
                await self._one_by_one(changed, touched)

    async def _look(self, changed: set[str], touched: set[str]) -> Mapping[str, Thread]:
        urns = frozenset(self._pages)
        if not urns:
            return {}
        return await self._context.database.read(
            lambda tx: visitors.news(tx, self._channel_id, urns, changed=changed, touched=touched)
        )

    async def _later(self, changed: set[str], touched: set[str]) -> None:
        self._changed |= changed
        self._touched |= touched
        self._news.set()
        await asyncio.sleep(_AGAIN)

    async def _one_by_one(self, changed: set[str], touched: set[str]) -> None:
        """What is wrong with the news of one visitor is not to be felt by the others."""
        for news in [*(({message}, set()) for message in changed), *((set(), {room}) for room in touched)]:
            try:
                self._tell(await self._look(*news))
            except (Unavailable, Contended):
                await self._later(*news)
            except Exception:
                log.exception("a visitor was not told the news")

    def _tell(self, news: Mapping[str, Thread]) -> None:
        for urn, thread in news.items():
            frame = self._encode(thread)
            for page in tuple(self._pages.get(urn, ())):
                page.conversation_id = thread.conversation_id
                page.push(frame)

    def _hear(self, topic: str, word: Mapping[str, Any]) -> None:
        """An agent is writing: show it to the visitor."""
        if topic != "typing" or word["who"]["kind"] != "agent":
            return
        frame = orjson.dumps({"type": "typing", "name": word["who"]["name"]})
        for group in tuple(self._pages.values()):
            for page in tuple(group):
                if page.conversation_id == word["conversation_id"]:
                    page.push(frame)


def _open(groups: Iterable[Iterable[asyncio.Future[Thread]]]) -> list[asyncio.Future[Thread]]:
    """The answers that somebody still waits for: other pages are gone."""
    return [answer for group in groups for answer in group if not answer.done()]


class Newest:
    """The newest of visitors' threads, for all who ask at the same time in one look.

    When a gateway ends, every page of the site comes to another one at once.
    """

    def __init__(self, read: Callable[[Mapping[str, None]], Awaitable[Mapping[str, Thread]]]) -> None:
        self._read = read
        self._asked: dict[str, list[asyncio.Future[Thread]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def of(self, urn: str) -> Thread:
        """A visitor's thread as it is now or later."""
        answer: asyncio.Future[Thread] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(urn, []).append(answer)
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        return await answer

    async def _look(self) -> None:
        try:
            while self._asked:
                asked = {urn: self._asked.pop(urn) for urn in [*islice(self._asked, _AT_ONCE)]}
                try:
                    found = await self._read(dict.fromkeys(asked))
                except Exception as error:  # noqa: BLE001  # it is for those who wait
                    for answer in _open(asked.values()):
                        answer.set_exception(error)
                else:
                    for urn, waiting in asked.items():
                        for answer in _open([waiting]):
                            answer.set_result(found[urn])
        finally:
            self._task = None


async def talk(
    ws: web.WebSocketResponse, page: Page, first: bytes, hear: Callable[[str], Awaitable[None]]
) -> None:
    """Send, the first frame first, and listen until the page is gone."""
    pump = asyncio.create_task(page.pump([first]))
    try:
        async for message in ws:
            if message.type is WSMsgType.TEXT and page.may_speak():
                await hear(message.data)
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
