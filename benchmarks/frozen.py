"""Sixteen processes, of which the sender and any others freeze for longer than a lease, again and again."""

from __future__ import annotations

import asyncio
import random
import signal

from benchmarks import verdict
from benchmarks.stage import Clocked, Stage, stage
from benchmarks.table import Table
from benchmarks.takeover import LEASE
from benchmarks.world import Chat

CHATS, ROUNDS, PROCESSES = 1_000, 12, 16
RATE = 100  # replies a second


async def run(rounds: int = ROUNDS, count: int = PROCESSES) -> Table:
    """All on one PostgreSQL and one Redis; who wakes up still has calls on the wire, and their answers."""
    chats = [Chat(number + 1) for number in range(CHATS)]
    vendor = Clocked(chats)
    vendor.rest = 0.05
    frozen = 0
    async with stage(vendor, chats, engine="postgresql", processes=count) as made:
        async with made.replies(RATE):
            for _ in range(rounds):
                frozen += await _freeze(made)
        found = await made.verdict()
    table = Table("frozen", ("", "counted", "target"))
    table.add(f"of {count} processes, frozen", f"{frozen}", "")
    table.add("of them while they had the duty to send", f"{rounds}", "")
    table.add("replies accepted", f"{sum(chat.answered for chat in chats):,}", "")
    verdict.show(table, found)
    return table


async def _freeze(made: Stage) -> int:
    """The sender and some others stand still for more than a lease; how many."""
    await asyncio.sleep(random.uniform(2, 5))
    sender = await made.sender()
    others = [bridge for bridge in made.bridges if bridge is not sender]
    chosen = [sender, *random.sample(others, random.randrange(len(others)))]
    try:
        for bridge in chosen:
            bridge.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(LEASE * random.uniform(1.1, 2.5))
    finally:
        random.shuffle(chosen)
        for bridge in chosen:
            bridge.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(random.uniform(0, 0.2))
    return len(chosen)
