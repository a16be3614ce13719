"""Group commit: whatever waits is written in one transaction, and acknowledged after its commit.

There is no artificial delay: while one transaction commits, the next batch gathers by itself. The
next transaction is asked for meanwhile and takes what waits only when it begins, so that the
database never waits for us: on SQLite the writing thread goes straight on to it, and on PostgreSQL
it begins beside the commit of the one before.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import structlog

from bridge.errors import Unavailable
from bridge.store.engine import Database, Tx
from bridge.store.failures import BadData, Contended

log = structlog.get_logger()

T = TypeVar("T")
R = TypeVar("R")
# A function over a list: one statement per table, one result per item, in order.
Step = Callable[[Tx, Sequence[T]], Awaitable[Sequence[R]]]

MAX_ITEMS = 200
MAX_BYTES = 1_000_000
MAX_WAITING = 4_000
# One that commits and one that follows.
MAX_UNDER_WAY = 2
_TRIES = 5


@dataclass(slots=True)
class _Job:
    step: Step[Any, Any]
    item: Any
    size: int
    done: asyncio.Future[Any]


class Writer:
    """The one door for hot writes of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._asked = False
        self._closing = False

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="writer")

    async def close(self) -> None:
        """Write what waits, then stop."""
        self._closing = True
        self._wake.set()
        if self._task:
            await self._task

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    async def write(self, step: Step[T, R], item: T, *, size: int = 500) -> R:
        """The result of `step` for this item, after its commit. `size` is its weight in bytes.

        `BadData`: this very item cannot be stored. `Unavailable`: nothing was stored, ask again.
        """
        if self._closing or len(self._waiting) >= MAX_WAITING:
            raise Unavailable("Too much waits to be written")
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(step, item, size, done))
        self._wake.set()
        return await done

    async def _run(self) -> None:
        """Ask for a transaction whenever something waits for which none has been asked yet."""
        while self._waiting or self._under_way or not self._closing:
            await self._wake.wait()
            self._wake.clear()
            if self._waiting and not self._asked and len(self._under_way) < MAX_UNDER_WAY:
                self._asked = True
                task = asyncio.create_task(self._commit([]))
                self._under_way.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake.set()

    def _fill(self, batch: list[_Job]) -> None:
        """Take what waits, oldest first, within the limits of a batch. Runs in any thread."""
        self._asked = False
        size = 0
        while self._waiting and len(batch) < MAX_ITEMS:
            size += self._waiting[0].size
            if batch and size > MAX_BYTES:
                break
            batch.append(self._waiting.popleft())

    async def _commit(self, batch: list[_Job]) -> None:
        """Write a batch; halve it around a row that cannot be stored, order kept."""
        try:
            results = await self._attempt(batch)
        except BadData as error:
            if len(batch) <= 1:
                _fail(batch, error)
                return
            half = len(batch) // 2
            await self._commit(batch[:half])
            await self._commit(batch[half:])
        except Exception as error:  # the caller of each job decides, and the writer goes on
            if not batch:  # the transaction did not even begin
                self._fill(batch)
            if not isinstance(error, Unavailable):
                log.exception("batch not written", jobs=len(batch))
            _fail(batch, error)
        else:
            for job, result in zip(batch, results, strict=True):
                if not job.done.done():
                    job.done.set_result(result)

    async def _attempt(self, batch: list[_Job]) -> list[Any]:
        """One transaction, which fills an empty batch; run again when another was in its way."""

        async def work(tx: Tx) -> list[Any]:
            if not batch:
                self._fill(batch)
            return await _steps(tx, batch)

        for tries in range(_TRIES):
            try:
                return await self._database.write(work)
            except Contended:
                await asyncio.sleep(random.uniform(0, 0.02 * 2**tries))  # noqa: S311  # jitter, no secret
        raise Unavailable("The database is too busy")


async def _steps(tx: Tx, batch: list[_Job]) -> list[Any]:
    """Each kind of job once, over all its items; jobs of one kind keep their order."""
    results: dict[int, Any] = {}
    order = sorted(range(len(batch)), key=lambda index: (_rank(batch[index].step), index))
    for _, indexes in groupby(order, key=lambda index: _rank(batch[index].step)):
        same = list(indexes)
        found = await batch[same[0]].step(tx, [batch[index].item for index in same])
        results.update(zip(same, found, strict=True))
    return [results[index] for index in range(len(batch))]


def _rank(step: Step[Any, Any]) -> tuple[int, int]:
    """Where a kind of job stands in its transaction: the same on every node, so nodes lock alike."""
    return getattr(step, "rank", 9), hash(step)


def ranked(rank: int) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Say at which place of a transaction a step runs."""

    def mark(step: Callable[..., T]) -> Callable[..., T]:
        step.rank = rank  # type: ignore[attr-defined]  # a function is an object too
        return step

    return mark


def _fail(batch: list[_Job], error: Exception) -> None:
    for job in batch:
        if not job.done.done():
            job.done.set_exception(error)
