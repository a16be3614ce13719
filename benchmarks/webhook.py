"""A vendor that brings 500 webhooks a second, whether or not the last one was acknowledged."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

from benchmarks import gateways
from benchmarks.http import Client
from benchmarks.table import Table, percentile
from benchmarks.telegram import Customers, bot_api

CONNECTIONS = 100  # the most that Telegram opens
RATE, SECONDS = 500, 30.0
_WARM_UP = 3.0
_TARGETS = {"postgresql": 25, "sqlite": 50}


async def run(seconds: float = SECONDS) -> Table:
    """Both engines, one after the other; each webhook is counted from the moment it was due."""
    title = f"webhook: {RATE} a second for {seconds:g} s"
    table = Table(title, ("engine", "median", "99th percentile", "target", "longest", "acknowledged/s"))
    with gateways.databases() as urls:
        for engine, url in urls.items():
            waits, rate = await _measure(url, seconds)
            median, most = (f"{1000 * percentile(waits, share):.1f} ms" for share in (50, 99))
            longest = f"{1000 * max(waits):.0f} ms"
            table.add(engine, median, most, f"≤ {_TARGETS[engine]} ms", longest, f"{rate:.0f}")
    return table


async def _measure(url: str, seconds: float) -> tuple[list[float], float]:
    """Seconds that each took, and how many a second were acknowledged."""
    customers = Customers()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(bot_api())
        place = stack.enter_context(gateways.folder())
        port = await stack.enter_async_context(gateways.bridge(api, url, place))
        client = await stack.enter_async_context(Client(port, CONNECTIONS))
        await client.paced(_due(customers, _WARM_UP))
        client.waits.clear()
        due = _due(customers, seconds)
        await client.paced(due)
        rate = len(client.waits) / (time.perf_counter() - due[0][0])
    await gateways.demand_messages(url, customers.written)
    return client.waits, rate


def _due(customers: Customers, seconds: float) -> list[tuple[float, bytes]]:
    begin = time.perf_counter() + 0.5  # they are written before
    return [(begin + number / RATE, customers.write()) for number in range(int(RATE * seconds))]
