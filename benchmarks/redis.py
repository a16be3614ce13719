"""What a Redis that forgets, hangs or is away costs: how much later a message is seen and a reply is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import NamedTuple

import aiohttp
import orjson

from benchmarks.stage import Clocked, Stage, stage
from benchmarks.table import Table, percentile
from benchmarks.world import Chat, Crowd
from tests.servers import Valkey

SECONDS = 60.0
RATE = 10  # a second, on each way
_CHATS = 60  # for each way, one after the other: in each at most one is on its way
_STATES = ("well", "wiped every second", "frozen", "stopped")
_WARM_UP, _GIVEN_UP_AFTER = 5.0, 30.0

Moments = dict[tuple[int, int], float]
"""When the n-th message of a chat was due, or came."""


class Noted(Clocked):
    """Notes when each reply came to its customer."""

    at: Moments

    def take(self, chat: int, text: int) -> None:
        super().take(chat, text)
        self.at[chat, text] = time.perf_counter()


class Way(NamedTuple):
    """What somebody does, in which chats, how many they have done in one, and where it is seen."""

    name: str
    act: Callable[[Chat], Awaitable[None]]
    chats: Sequence[Chat]
    done: Callable[[Chat], int]
    seen: Moments

    async def measure(self, seconds: float) -> tuple[list[float], int]:
        """The seconds from the moment each was due to the moment it came, and how many never came."""
        due, acts, begin = Moments(), [], time.perf_counter()
        for number in range(int(seconds * RATE)):
            at, chat = begin + number / RATE, self.chats[number % len(self.chats)]
            await asyncio.sleep(max(at - time.perf_counter(), 0))
            due[chat.number, self.done(chat)] = at
            acts.append(asyncio.ensure_future(self.act(chat)))
        await asyncio.gather(*acts)
        end = time.perf_counter() + _GIVEN_UP_AFTER
        while due.keys() - self.seen.keys() and time.perf_counter() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        waits = [self.seen[key] - at for key, at in due.items() if key in self.seen]
        return waits, len(due) - len(waits)


async def run(seconds: float = SECONDS) -> Table:
    """Two processes on PostgreSQL, of which one sends; an agent's page is open at the other."""
    chats = [Chat(number + 1) for number in range(3 * _CHATS)]
    vendor = Noted(chats)
    vendor.at = {}
    columns = ("", "Redis", "median", "99th percentile", "added to it", "target", "lost", "target")
    table = Table(f"redis: {seconds:g} s each", columns)
    async with stage(vendor, chats, engine="postgresql", processes=2) as made:
        await made.answer_all(1)
        await made.all_arrived(len(chats), within=60)
        sender = await made.sender()
        made.crowd.come_to(sender.url)
        (other,) = (bridge.url for bridge in made.bridges if bridge is not sender)
        async with Crowd(chats, [other], made.token) as far, _page(made, other) as seen:
            first, second, third = (chats[begin : begin + _CHATS] for begin in range(0, len(chats), _CHATS))
            ways = (
                Way("a message is seen at the other process", made.crowd.write, first,
                    lambda chat: chat.written, seen),
                Way("a reply is sent", made.crowd.answer, second, lambda chat: chat.answered, vendor.at),
                Way("a reply to the other process is sent", far.answer, third,
                    lambda chat: chat.answered, vendor.at),
            )  # fmt: skip
            await asyncio.gather(*(way.measure(_WARM_UP) for way in ways))
            base: dict[str, float] = {}
            for state in _STATES:
                assert made.redis
                async with _trouble(made.redis, state):
                    found = await asyncio.gather(*(way.measure(seconds) for way in ways))
                for way, (waits, lost) in zip(ways, found, strict=True):
                    middle, most = (1000 * percentile(waits, share) for share in (50, 99))
                    added = f"{most - base.setdefault(way.name, most):.0f} ms"
                    table.add(
                        way.name, state, f"{middle:.0f} ms", f"{most:.0f} ms", added, "≤ 1500 ms",
                        f"{lost} of {len(waits) + lost:,}", "0",
                    )  # fmt: skip
                await asyncio.sleep(5)  # all is well again
    return table


@asynccontextmanager
async def _trouble(redis: Valkey, state: str) -> AsyncIterator[None]:
    """Redis is in this state meanwhile."""

    async def wipe() -> None:
        while state == "wiped every second":
            await asyncio.to_thread(redis.flush)
            await asyncio.sleep(1)

    with ExitStack() as stack:
        wiping = asyncio.create_task(wipe())
        stack.callback(wiping.cancel)
        if state == "frozen":
            stack.enter_context(redis.frozen())
        elif state == "stopped":
            redis.stop()
            stack.callback(redis.start)
        yield


@asynccontextmanager
async def _page(made: Stage, url: str) -> AsyncIterator[Moments]:
    """An agent's page: when each message of a customer was there."""
    seen = Moments()
    numbers = {chat.thread: chat.number for chat in made.chats}

    async def look(page: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in page:
            entry = orjson.loads(frame.data).get("message")
            if entry and entry["direction"] == "inbound":
                place = numbers[entry["conversation_id"]], int(entry["text"])
                seen.setdefault(place, time.perf_counter())

    headers = {"Authorization": f"Bearer {made.token}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.ws_connect(f"{url}/api/live") as page:
        looking = asyncio.create_task(look(page))
        yield seen
        assert not looking.done(), "the page was closed"
        looking.cancel()
