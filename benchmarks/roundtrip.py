"""There and back: a customer's webhook → stored → an agent's echo → stored → `sendMessage` at Telegram.

Divided by aiogram's own dispatcher, which does webhook → handler → `message.answer` and stores
nothing. The vendor's limits are lifted; what is measured is the machine's.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field
from statistics import median, quantiles

from benchmarks import gateways
from benchmarks.http import Client
from benchmarks.table import Table, spread
from benchmarks.telegram import BotApi, Customers, bot_api

CONNECTIONS = 64
ROUNDS = 5
MESSAGES = 2_000
SECONDS_PACED = 4.0
_AIOGRAM = "aiogram, no store"


@dataclass
class Contender:
    """A bot under test, with the Telegram that it alone talks to."""

    port: int
    api: BotApi
    customers: Customers = field(default_factory=Customers)
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    async def flood(self, count: int) -> float:
        """Messages per second, from the first webhook to the last reply."""
        self.api.expect(count)
        customers, until = self.customers, self.customers.written + count
        begin = time.perf_counter()
        async with Client(self.port, CONNECTIONS) as client:
            await client.closed_loop(lambda: customers.write() if customers.written < until else None)
            await self.api.complete.wait()
        return count / (time.perf_counter() - begin)

    async def pace(self, rate: float, seconds: float) -> float:
        """The 99th percentile in ms from the moment a message is written to the moment its echo comes."""
        count = int(rate * seconds)
        first = self.customers.written
        self.api.expect(count)
        begin = time.perf_counter() + 0.1
        due = [begin + number / rate for number in range(count)]
        async with Client(self.port, CONNECTIONS) as client:
            await client.paced((at, self.customers.write()) for at in due)
            await self.api.complete.wait()
        waits = [self.api.replied_at[first + number] - at for number, at in enumerate(due)]
        return quantiles(waits, n=100)[98] * 1000


async def run(rounds: int = ROUNDS) -> Table:
    """Round by round, everybody after everybody else."""
    async with contextlib.AsyncExitStack() as stack:
        contenders: dict[str, Contender] = {}
        for name, more in ((_AIOGRAM, {}), ("aiogram, in background", {"IN_BACKGROUND": "1"})):
            api = await stack.enter_async_context(bot_api())
            port = stack.enter_context(gateways.program("aiogram_echo", **gateways.telegram(api), **more))
            contenders[name] = Contender(port, api)
        for engine, url in stack.enter_context(gateways.databases()).items():
            api = await stack.enter_async_context(bot_api())
            place = stack.enter_context(gateways.folder())
            command = (sys.executable, "-m", "benchmarks.bridge_echo")
            port = await stack.enter_async_context(gateways.bridge(api, url, place, *command))
            contenders[f"Bridge, {engine}"] = Contender(port, api)
        for contender in contenders.values():
            await contender.flood(MESSAGES // 4)  # warms up
        for _ in range(rounds):
            for contender in contenders.values():
                contender.rates.append(await contender.flood(MESSAGES))
        for _ in range(rounds):
            for contender in contenders.values():
                half = median(contender.rates) / 2
                contender.latencies.append(await contender.pace(half, SECONDS_PACED))
    return _table(contenders)


def _table(contenders: dict[str, Contender]) -> Table:
    speed = ("bot", "round trips/s", "÷ aiogram", "from–to", "target")
    table = Table("roundtrip", (*speed, "p99 at half load", "from–to", "target"))
    base = contenders[_AIOGRAM].rates
    for name, one in contenders.items():
        ratios = [rate / aiogram for rate, aiogram in zip(one.rates, base, strict=True)]
        ours = name.startswith("Bridge")
        table.add(
            name, f"{median(one.rates):,.0f}", f"{median(ratios):.2f}", spread(ratios, ".2f"),
            "≥ 1.3" if ours else "", f"{median(one.latencies):.1f} ms", spread(one.latencies, ".1f"),
            "≤ 25 ms" if ours else "",
        )  # fmt: skip
    return table
