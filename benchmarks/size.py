"""How much an idle gateway takes: memory, time until it is ready, and the widget's bytes on the wire."""

from __future__ import annotations

import asyncio
import gzip
import os
import time
from statistics import median

import psutil

from benchmarks import gateways
from benchmarks.table import Table, spread
from benchmarks.telegram import bot_api
from tests import processes

ROUNDS = 5
# Until what is loaded beside the loop (aiogram) is there, and the first polls are over.
_SETTLED_AFTER = 6.0
_MB = 1_000_000


async def run(rounds: int = ROUNDS) -> Table:
    """Each start is a new process on an empty SQLite file; the medians of all."""
    table = Table("size", ("what", "median", "from–to", "target"))
    async with bot_api() as api:
        kinds: dict[str, tuple[dict[str, str], int]] = {
            "without Telegram": ({}, 100),
            "with Telegram": (gateways.telegram(api), 240),
        }
        for name, (settings, target) in kinds.items():
            found = [await _start(settings) for _ in range(rounds)]
            ready, memory = zip(*found, strict=True)
            table.add(f"ready, {name}", f"{median(ready):.1f} s", spread(ready, ".1f"), "≤ 5 s")
            table.add(f"memory, {name}", f"{median(memory):.0f} MB", spread(memory, ".0f"), f"≤ {target} MB")
    widget = gzip.compress((gateways.ROOT / "bridge/static/widget.js").read_bytes(), 9)
    table.add("widget.js, gzip", f"{len(widget):,} bytes", "", "≤ 15,000 bytes")
    return table


async def _start(settings: dict[str, str]) -> tuple[float, float]:
    """Seconds from the command to 200 at `/readyz`, and the resident memory in MB some time later."""
    with gateways.folder() as place:
        begin = time.perf_counter()
        with processes.serving(folder=place, settings={"PYTHONPATH": str(gateways.ROOT), **settings}):
            ready = time.perf_counter() - begin
            await asyncio.sleep(_SETTLED_AFTER)
            (process,) = psutil.Process(os.getpid()).children()
            return ready, process.memory_info().rss / _MB
