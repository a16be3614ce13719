"""Replies that wait in PostgreSQL, sent by two processes: Bridge's, and workers of procrastinate.

A task sends one message, under a lock of its conversation, which keeps the order as Bridge does. Both
speak to a vendor without limits, keep their queue on the same server, and take turns.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psycopg
from procrastinate.tasks import Task

from benchmarks import gateways
from benchmarks.procrastinate_worker import make_app
from benchmarks.stage import Clocked, stage
from benchmarks.table import Table, spread
from benchmarks.world import Chat, Door

CHATS, COUNT, ROUNDS = 1_000, 10_000, 5
PROCESSES = 2
# Tasks at once and connections of each worker: the best of them is compared.
_CHOICES = ((10, 4), (30, 10), (100, 20), (300, 40))
# Its tasks are looked up by module, which must not be the one that is run.
_WORKER = "import uvloop; from benchmarks.procrastinate_worker import main; uvloop.run(main())"


async def run(count: int = COUNT, rounds: int = ROUNDS) -> Table:
    """Queued in one transaction while the processes run; from the first call at the vendor to the last."""
    each = count // CHATS
    ours, theirs = ([Chat(number + 1) for number in range(CHATS)] for _ in range(2))
    vendor = Clocked(ours)
    rates: dict[str, list[float]] = {"Bridge": [], "procrastinate": []}
    async with stage(vendor, ours, engine="postgresql", processes=PROCESSES) as made:
        await made.answer_all(1)
        await made.all_arrived(CHATS, within=60)
        async with _queue(made.bridges[0].settings["DATABASE_URL"], theirs) as queue:
            tried = {choice: await queue.attempt(choice, each) for choice in _CHOICES}
            best = max(tried, key=lambda choice: tried[choice])
            with queue.workers(best):
                for _ in range(rounds):
                    before = len(vendor.came_at)
                    await made.queue(each)
                    rates["Bridge"].append(await _rate(vendor, before, each * CHATS))
                    rates["procrastinate"].append(await queue.send(each))
    table = Table(
        f"procrastinate: {each * CHATS:,} replies in {CHATS:,} conversations",
        ("", "sent/s", "from–to", "÷ procrastinate", "from–to", "target", "out of order"),
    )
    for name, chats in (("procrastinate", theirs), ("Bridge", ours)):
        ratios = [one / other for one, other in zip(rates[name], rates["procrastinate"], strict=True)]
        disorder = sum(later <= earlier for chat in chats for earlier, later in pairwise(chat.arrived))
        what, target = (name, "≥ 3") if name == "Bridge" else (f"{name}, {best[0]} tasks a worker", "")
        table.add(
            what, f"{median(rates[name]):,.0f}", spread(rates[name], ",.0f"), f"{median(ratios):.1f}",
            spread(ratios, ".1f"), target, f"{disorder}",
        )  # fmt: skip
    return table


class _Queue:
    """procrastinate's queue, and the vendor that its workers call."""

    def __init__(self, url: str, vendor: Clocked, task: Task[[int, str], Any, Any]) -> None:
        self._url, self._vendor, self._task = url, vendor, task
        self._queued = 0

    @contextmanager
    def workers(self, choice: tuple[int, int]) -> Iterator[None]:
        """So many processes."""
        settings = {
            **os.environ, **gateways.telegram(self._vendor), "DATABASE_URL": self._url,
            "TASKS": f"{choice[0]}", "CONNECTIONS": f"{choice[1]}",
        }  # fmt: skip
        command = (sys.executable, "-c", _WORKER)
        made = [subprocess.Popen(command, cwd=gateways.ROOT, env=settings) for _ in range(PROCESSES)]
        try:
            yield
        finally:
            for worker in made:
                worker.terminate()
            for worker in made:
                worker.wait(30)

    async def attempt(self, choice: tuple[int, int], each: int) -> float:
        """Messages a second with these settings, once the workers are warm."""
        with self.workers(choice):
            await self.send(1)
            return await self.send(max(each // 4, 1))

    async def send(self, each: int) -> float:
        """Messages a second, where each customer gets so many."""
        before = len(self._vendor.came_at)
        jobs = [
            self._task.configure(lock=f"{chat}").make_new_job(chat=chat, text=f"{self._queued + number}")
            for number in range(each)
            for chat in range(1, CHATS + 1)
        ]
        self._queued += each
        await self._task.blueprint.job_manager.batch_defer_jobs_async(jobs)  # type: ignore[attr-defined]
        return await _rate(self._vendor, before, len(jobs))


@asynccontextmanager
async def _queue(url: str, chats: list[Chat]) -> AsyncIterator[_Queue]:
    """An empty queue in a database beside another."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("CREATE DATABASE procrastinate")
    url = urlsplit(url)._replace(path="/procrastinate").geturl()
    app = make_app(url)
    task = app.task(name="send")(_nothing)
    vendor = Clocked(chats)
    door = Door(vendor)
    await door.open()
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        try:
            yield _Queue(url, vendor, task)
        finally:
            door.shut()


async def _nothing(chat: int, text: str) -> None:
    """The workers' own is what is done."""


async def _rate(vendor: Clocked, before: int, count: int) -> float:
    """Messages a second from the first call after those before to the last of so many."""
    while len(vendor.came_at) < before + count:  # noqa: ASYNC110  # the vendor has no time to ring
        await asyncio.sleep(0.05)
    return (count - 1) / (vendor.came_at[before + count - 1] - vendor.came_at[before])
