"""An idle gateway: from the moment an agent presses Enter to the request at the vendor."""

from __future__ import annotations

import asyncio
import time

from benchmarks.stage import Clocked, stage
from benchmarks.table import Table
from benchmarks.world import Chat

REPLIES, REST = 1_000, 0.04


async def run() -> Table:
    """Both engines; on PostgreSQL also where another process than the sender takes the reply."""
    table = Table("dispatch", ("", "median", "99th percentile", "longest"))
    for title, engine, processes in (
        ("SQLite", "sqlite", 1), ("PostgreSQL, Redis", "postgresql", 1),
        ("two processes, accepted by the other", "postgresql", 2),
    ):  # fmt: skip
        times = sorted(await _measure(engine, processes))
        figures = (times[len(times) // 2], times[len(times) * 99 // 100], times[-1])
        table.add(title, *(f"{1000 * seconds:.1f} ms" for seconds in figures))
    return table


async def _measure(engine: str, processes: int) -> list[float]:
    chats = [Chat(number + 1) for number in range(50)]
    vendor = Clocked(chats)
    async with stage(vendor, chats, engine=engine, processes=processes) as made:
        made.crowd.come_to(made.bridges[-1].url)
        await made.answer_all(1)  # what is loaded at the first call is loaded
        await made.all_arrived(len(chats), within=30)
        times = []
        for number in range(REPLIES):
            await asyncio.sleep(REST)
            began = time.perf_counter()
            await made.crowd.answer(chats[number % len(chats)])
            await made.all_arrived(len(chats) + number + 1, within=30)
            times.append(vendor.came_at[-1] - began)
    return times
