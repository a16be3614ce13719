"""One, two and four processes on one PostgreSQL: how much they take and send, and what is at its limit.

Each process has as many connections as the only one has: batches stay as large, and commits as few.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import psutil

from benchmarks.http import Client, Source
from benchmarks.stage import Clocked, Stage, stage
from benchmarks.table import Table
from benchmarks.telegram import Customers
from benchmarks.world import Chat

CHATS, SECONDS = 500, 10.0
PROCESSES = (1, 2, 4)
_CONNECTIONS = 64  # to each process
_REPLY = (
    b"POST /api/conversations/%b/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
)


async def run(seconds: float = SECONDS) -> Table:
    """Webhooks over all processes, then replies; the vendor and everybody's client are this process."""
    columns = ("", "webhooks in/s", "processors used", "replies out/s", "processors used")
    cores = psutil.cpu_count()
    table = Table(f"processes: on {cores} processors", columns)
    for count in PROCESSES:
        chats = [Chat(number + 1) for number in range(CHATS)]
        async with stage(Clocked(chats), chats, engine="postgresql", processes=count) as made:
            await made.answer_all(1)
            await made.all_arrived(CHATS, within=60)
            customers = Customers()
            taken, use_in = await _hammer(made, customers.write, seconds)
            sent, use_out = await _send(made, seconds)
            table.add(f"{count}", f"{taken:,.0f}", use_in, f"{sent:,.0f}", use_out)
    return table


async def _hammer(made: Stage, source: Source, seconds: float) -> tuple[float, str]:
    """Requests answered a second by all processes together, and whose processors that took."""
    answered = 0
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client(bridge.port, _CONNECTIONS)) for bridge in made.bridges
        ]
        with _used(made) as used:
            begin = time.perf_counter()
            until = begin + seconds
            await asyncio.gather(
                *(
                    client.closed_loop(lambda: source() if time.perf_counter() < until else None)
                    for client in clients
                )
            )
            took = time.perf_counter() - begin
        answered = sum(len(client.waits) for client in clients)
    return answered / took, used[0]


async def _send(made: Stage, seconds: float) -> tuple[float, str]:
    """Replies accepted anywhere and taken by the vendor, a second; and whose processors that took."""
    turns = itertools.cycle(made.chats)

    def reply() -> bytes:
        chat = next(turns)
        body = b'{"text":"%d","client_id":"%d"}' % (chat.answered, chat.answered)
        chat.answered += 1
        return _REPLY % (chat.thread.encode(), made.token.encode(), len(body), body)

    before, begin = made.vendor.replies, time.perf_counter()
    with _used(made) as used:
        await _hammer(made, reply, seconds)
        await made.all_arrived(sum(chat.answered for chat in made.chats), within=300)
        took = time.perf_counter() - begin
    return (made.vendor.replies - before) / took, used[0]


@contextmanager
def _used(made: Stage) -> Iterator[list[str]]:
    """Afterwards: how many processors each had on average. The first gateway is the one that sends."""
    gateways = [psutil.Process(bridge.process.pid) for bridge in made.bridges]
    us = psutil.Process()

    def spent() -> list[float]:
        servers = [child for child in us.children(recursive=True) if child.name().startswith("postgres")]
        each = [_of(us), sum(map(_of, servers)), *map(_of, gateways)]
        return [time.perf_counter(), psutil.cpu_times().idle, *each]

    before, found = spent(), list[str]()
    yield found
    took, *used = (after - first for first, after in zip(before, spent(), strict=True))
    idle, client, database, *each = (seconds / took for seconds in used)
    bridges = " + ".join(f"{share:.2f}" for share in each)
    found.append(f"Bridge {bridges}, PostgreSQL {database:.2f}, client {client:.2f}, idle {idle:.2f}")


def _of(process: psutil.Process) -> float:
    """Seconds of a processor that it has had."""
    spent = process.cpu_times()
    return float(spent.user + spent.system)
