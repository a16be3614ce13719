"""The process that sends is killed while replies flow: how long until the other one sends?"""

from __future__ import annotations

import asyncio
import random
import time
from statistics import median

from benchmarks import verdict
from benchmarks.stage import Clocked, Stage, stage
from benchmarks.table import Table, spread
from benchmarks.world import Chat
from bridge.duty import LEASE_MS

CHATS, ROUNDS = 200, 10
RATE = 100  # replies a second
LEASE = LEASE_MS / 1000


async def run(rounds: int = ROUNDS) -> Table:
    """Two processes on PostgreSQL and Redis, killed in turn; at the end every reply is looked for."""
    chats = [Chat(number + 1) for number in range(CHATS)]
    vendor = Clocked(chats)
    vendor.rest = 0.05  # so that some calls are on the wire at each kill
    async with stage(vendor, chats, engine="postgresql", processes=2) as made:
        async with made.replies(RATE):
            waits = [await _kill(made, vendor) for _ in range(rounds)]
        found = await made.verdict()
    table = Table("takeover", ("", "", "target"))
    table.add("processes killed", f"{rounds}", "")
    table.add("from the kill to the next send, median", f"{median(waits):.1f} s", "")
    table.add("from–to", f"{spread(waits, '.1f')} s", f"≤ {LEASE + 1:.0f} s")
    verdict.show(table, found)
    return table


async def _kill(made: Stage, vendor: Clocked) -> float:
    """Seconds without a send."""
    await asyncio.sleep(random.uniform(15, 18))  # the other one, just started, has loaded all it needs
    sender = await made.sender()
    killed = time.perf_counter()
    sender.kill()
    await asyncio.sleep(0.1)  # what was on the wire has come
    before = len(vendor.came_at)
    await made.all_arrived(vendor.replies + 1, within=60)
    await asyncio.to_thread(sender.start)
    return vendor.came_at[before] - killed
