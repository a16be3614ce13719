"""Thousands of visitors' pages while replies are written: the gateway is killed, and all return at once."""

from __future__ import annotations

import asyncio
import resource
import time

import sqlalchemy as sa

from benchmarks.http import Client
from benchmarks.stage import Clocked, Stage, stage
from benchmarks.table import Table, percentile
from benchmarks.visitors import Visitor
from benchmarks.world import Chat
from bridge.store.engine import Database

COUNT, ROUNDS = 5_000, 3
RATE = 100  # replies a second, each to any visitor
_TARGET = "≤ 5 s"
# Nobody's limit is measured, and all come from one address.
_SITE = {"TELEGRAM_BOT_TOKEN": "", "WIDGET_ADDRESS_RATE": "100000"}
_LAST = sa.text(
    """SELECT a.urn, c.id, c.last_seq FROM conversations c JOIN addresses a ON a.id = c.address_id
    WHERE a.urn LIKE 'webchat:%'"""
)
_SETTLED_AFTER = 5.0


async def run(count: int = COUNT, rounds: int = ROUNDS) -> Table:
    """One gateway on each engine. Every page tries again five times a second until it is let in."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    columns = ("", "round", "away", "in sync, median", "99th percentile", "target", "last", "gaps", "target")
    table = Table(f"sockets: {count:,}", columns)
    for engine in ("postgresql", "sqlite"):
        chats: list[Chat] = []
        async with stage(Clocked(chats), chats, engine=engine, settings=_SITE) as made:
            visitors = [Visitor(number) for number in range(count)]
            chats += await _arrive(made, visitors)
            for number in range(rounds):
                away, waits, gaps = await _cut(made, visitors)
                figures = (percentile(waits, 50), percentile(waits, 99), max(waits))
                middle, late, last = (f"{seconds:.1f} s" for seconds in figures)
                table.add(
                    engine, f"{number + 1}", f"{away:.1f} s", middle, late, _TARGET, last, f"{gaps}", "0"
                )  # fmt: skip
    return table


async def _arrive(made: Stage, visitors: list[Visitor]) -> list[Chat]:
    """Everybody writes once, and has a page open; their chats."""
    gateway = made.bridges[0]
    requests = iter([visitor.first_message(gateway.url) for visitor in visitors])
    async with Client(gateway.port, 32) as client:
        await client.closed_loop(lambda: next(requests, None))
    found = await _threads(made.database)
    for begin in range(0, len(visitors), 500):
        some = visitors[begin : begin + 500]
        await asyncio.gather(*(visitor.open(gateway.url, gateway.port) for visitor in some))
    return [Chat(visitor.number, thread=found[visitor.id][0]) for visitor in visitors]


async def _cut(made: Stage, visitors: list[Visitor]) -> tuple[float, list[float], int]:
    """How long the gateway was away, how long each page was not in sync after that, and what pages miss."""
    gateway = made.bridges[0]
    async with made.replies(RATE):
        await asyncio.sleep(3)
        killed = time.perf_counter()
        gateway.kill()
        for visitor in visitors:
            assert visitor.page
            await visitor.page.gone
        opening = [asyncio.create_task(visitor.open(gateway.url, gateway.port)) for visitor in visitors]
        await asyncio.to_thread(gateway.start)
        back = time.perf_counter()
        await asyncio.gather(*opening)
        await asyncio.sleep(3)
    await asyncio.sleep(_SETTLED_AFTER)
    found = await _threads(made.database)
    gaps = sum(len({*range(1, found[visitor.id][1] + 1)} - visitor.seqs) for visitor in visitors)
    waits = [visitor.in_sync_at - back for visitor in visitors]
    return back - killed, waits, gaps


async def _threads(database: Database) -> dict[str, tuple[str, int]]:
    """The conversation of each visitor, and its last `seq`."""
    rows = await database.read(lambda tx: tx.run(_LAST))
    return {row.urn.partition(":")[2]: (row.id, row.last_seq) for row in rows}
