"""What a million replies that wait take of a process's memory: nothing of them is kept there."""

from __future__ import annotations

import asyncio
import time

import psutil

from benchmarks.stage import Clocked, Stage, stage
from benchmarks.table import Table
from benchmarks.world import Chat

COUNT, SECONDS = 1_000_000, 60.0
_EACH = 200  # to one customer
_SETTLED_AFTER = 10.0
_MB = 1_000_000


async def run(count: int = COUNT, seconds: float = SECONDS) -> Table:
    """Both engines: idle, with all of them waiting for a vendor that is away, and while they are sent."""
    columns = ("", "idle", "all wait", "while they are sent", "sent", "most over idle", "target")
    table = Table(f"memory: {count:,} replies wait", columns)
    for engine in ("postgresql", "sqlite"):
        chats = [Chat(number + 1) for number in range(count // _EACH)]
        vendor = Clocked(chats)
        async with stage(vendor, chats[:1], engine=engine) as made:
            await made.answer_all(1)
            await made.all_arrived(1, within=60)
            await asyncio.to_thread(made.bridges[0].stop)
            idle = await _start(made)  # with one customer, and nothing to do
            for begin in range(1, len(chats), 200):
                await asyncio.gather(*map(made.crowd.write, chats[begin : begin + 200]))
            await asyncio.to_thread(made.bridges[0].stop)
            made.door.shut()
            await made.queue(_EACH)
            waiting = await _start(made)
            await made.door.open()
            before = vendor.replies
            await made.all_arrived(before + 1, within=120)  # it is tried now and then
            until, most = time.perf_counter() + seconds, waiting
            while time.perf_counter() < until:
                await asyncio.sleep(0.5)
                most = max(most, _memory(made))
            figures = (f"{mb:.0f} MB" for mb in (idle, waiting, most))
            sent = f"{vendor.replies - before:,}"
            table.add(engine, *figures, sent, f"{max(waiting, most) - idle:.0f} MB", "≤ 60 MB")
    return table


async def _start(made: Stage) -> float:
    """A new process, some time later."""
    await asyncio.to_thread(made.bridges[0].start)
    await asyncio.sleep(_SETTLED_AFTER)
    return _memory(made)


def _memory(made: Stage) -> float:
    """Resident memory in MB."""
    return psutil.Process(made.bridges[0].process.pid).memory_info().rss / _MB
