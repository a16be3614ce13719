"""The whole way in, divided by an aiohttp handler that only reads the body and answers.

Webhook → secret → parse → dedupe → contact, conversation, message → commit on disk → 2xx, over 64
keep-alive connections that send again as soon as they are answered.
"""

from __future__ import annotations

import contextlib
import time
from statistics import median

from benchmarks import gateways
from benchmarks.http import Client
from benchmarks.table import Table, spread
from benchmarks.telegram import Customers, bot_api

CONNECTIONS = 64
ROUNDS = 7
SECONDS = 3.0


async def run(rounds: int = ROUNDS, seconds: float = SECONDS) -> Table:
    """The compared servers take turns, round by round: what else the machine does hits them alike."""
    customers = {"bare": Customers()}
    rates: dict[str, list[float]] = {}
    with gateways.databases() as urls:
        async with contextlib.AsyncExitStack() as stack:
            api = await stack.enter_async_context(bot_api())
            ports = {"bare": stack.enter_context(gateways.program("bare"))}
            for engine, url in urls.items():
                place = stack.enter_context(gateways.folder())
                ports[engine] = await stack.enter_async_context(gateways.bridge(api, url, place))
            customers = {name: Customers() for name in ports}
            for number in range(-1, rounds):
                for name, port in ports.items():
                    rate = await _hammer(port, customers[name], seconds if number >= 0 else 1.0)
                    if number >= 0:  # the one before warms up
                        rates.setdefault(name, []).append(rate)
        for engine, url in urls.items():
            await gateways.demand_messages(url, customers[engine].written)
    table = Table("receive", ("server", "webhooks/s", "÷ bare", "from–to", "target"))
    for name, measured in rates.items():
        ratios = [rate / bare for rate, bare in zip(measured, rates["bare"], strict=True)]
        target = "" if name == "bare" else "≥ 0.25"
        table.add(name, f"{median(measured):,.0f}", f"{median(ratios):.2f}", spread(ratios, ".2f"), target)
    return table


async def _hammer(port: int, customers: Customers, seconds: float) -> float:
    """Webhooks answered per second."""
    async with Client(port, CONNECTIONS) as client:
        before, begin = customers.written, time.perf_counter()
        until = begin + seconds
        await client.closed_loop(lambda: customers.write() if time.perf_counter() < until else None)
        return (customers.written - before) / (time.perf_counter() - begin)
