"""Group commit: whatever waits is written in one transaction, and acknowledged after its commit.

There is no artificial delay: while one batch is written, the next one gathers by itself. Its
transaction is asked for meanwhile, and takes what waits only when it begins.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

import structlog

from bridge.errors import Unavailable
from bridge.store.engine import Call, Database, Ended, Tx, Work
from bridge.store.failures import BadData

log = structlog.get_logger()

T = TypeVar("T")
R = TypeVar("R")
# A function over a list: one result per item, in order.
Step = Callable[[Tx, Sequence[T]], Awaitable[Sequence[R]]]

# So many jobs share a transaction at most. More of them save nothing, and those who wait for its end
# could not be answered while the next one runs.
MAX_JOBS = 32
MAX_BYTES = 1_000_000
# Of each share: a flood of one vendor must not have another's only try refused.
MAX_WAITING = 4_000
# Whoever waits longer for a turn is told to ask again: vendors give up soon after, and behind a database
# that hangs a line of thousands would be refused one batch after the other.
PATIENCE = 10.0
# One batch that is written, and one that is ready to follow.
MAX_UNDER_WAY = 2


@dataclass(slots=True)
class _Job:
    step: Step[Any, Any]
    item: Any
    size: int
    done: asyncio.Future[Any]
    since: float


_Batch = list[_Job]


class Writer:
    """The one door for hot writes of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lines: dict[str, _Line] = {}
        self._unanswered: Counter[str] = Counter()
        self._closing = False

    async def close(self) -> None:
        """Write what waits, then stop."""
        self._closing = True
        await asyncio.gather(*(line.idle.wait() for line in self._lines.values()))

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return sum(len(line.waiting) for line in self._lines.values())

    async def write(self, step: Step[T, R], item: T, *, size: int = 500, share: str = "") -> R:
        """The result of `step` for this item, after its commit. `size` is its weight in bytes.

        `share` is whose part of the queue it takes. `BadData`: this very item cannot be stored.
        `Unavailable`: whether it was stored is not known, ask again with the same key.
        """
        if self._closing or self._unanswered[share] >= MAX_WAITING:
            raise Unavailable("Too much waits to be written")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[R] = loop.create_future()
        self._unanswered[share] += 1
        done.add_done_callback(lambda _: self._answered(share))
        self._line(step).add(_Job(step, item, size, done, loop.time()))
        return await done

    def _answered(self, share: str) -> None:
        self._unanswered[share] -= 1

    def _line(self, step: Step[Any, Any]) -> _Line:
        """SQLite has one writer. PostgreSQL takes messages, replies and sends side by side."""
        key = "" if self._database.engine == "sqlite" else getattr(step, "line", "")
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(self._database)
        return line


class _Line:
    """Jobs that share transactions."""

    def __init__(self, database: Database) -> None:
        self.waiting: deque[_Job] = deque()
        self.idle = asyncio.Event()
        self.idle.set()
        self._database = database
        self._under_way = 0
        self._asked = False
        self._turn = asyncio.Lock()
        self._repairs: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None

    def add(self, job: _Job) -> None:
        """Have a job done with the next transaction."""
        if not self.waiting and self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(PATIENCE, self._send_back)
        self.waiting.append(job)
        self._ask()

    def _send_back(self) -> None:
        """Refuse those that have waited too long without being begun."""
        now = asyncio.get_running_loop().time()
        late: _Batch = []
        while self.waiting and now - self.waiting[0].since >= PATIENCE:
            late.append(self.waiting.popleft())
        _fail(late, Unavailable("The database does not keep up"))
        rest = self.waiting[0].since + PATIENCE - now if self.waiting else None
        self._watch = None if rest is None else asyncio.get_running_loop().call_later(rest, self._send_back)

    def _ask(self) -> None:
        """Ask for a transaction if something waits for which none has been asked yet."""
        if self.waiting and not self._asked and self._under_way < MAX_UNDER_WAY:
            self._asked = True
            self._under_way += 1
            self.idle.clear()
            batch: _Batch = []
            self._dispatch(batch, partial(self._written, batch))

    def _dispatch(self, batch: _Batch, ended: Ended) -> None:
        """Have a batch written.

        The next one may run beside the commit of this, never beside its statements or between two tries: two
        messages of one customer would reach the lock of their address in any order.
        """
        has_turn = False

        async def work(tx: Tx) -> list[Any]:
            nonlocal has_turn
            if tx.engine == "sqlite":  # one transaction after the other
                return await self._do(tx, batch)
            has_turn = has_turn or await self._turn.acquire()
            results = await self._do(tx, batch)
            self._turn.release()
            has_turn = False
            return results

        def over(results: list[Any] | None, error: BaseException | None) -> None:
            if has_turn:
                self._turn.release()
            ended(results, error)

        self._database.dispatch(work, over)

    async def _do(self, tx: Tx, batch: _Batch) -> list[Any]:
        if not batch:
            self._fill(batch)
        return await _steps(tx, batch)

    def _fill(self, batch: _Batch) -> None:
        """Take what waits, oldest first, within the limits of a batch."""
        self._asked = False
        size = 0
        while self.waiting and len(batch) < MAX_JOBS:
            size += self.waiting[0].size
            if batch and size > MAX_BYTES:
                return
            batch.append(self.waiting.popleft())

    def _written(self, batch: _Batch, results: list[Any] | None, error: BaseException | None) -> None:
        """A transaction has ended, well or not."""
        if error is None and results is not None:
            _settle(batch, results)
            self._end()
            return
        if not batch:  # it did not even begin
            self._fill(batch)
        repair = asyncio.create_task(self._repair(batch, error))
        self._repairs.add(repair)
        repair.add_done_callback(self._repaired)

    def _repaired(self, repair: asyncio.Task[None]) -> None:
        self._repairs.discard(repair)
        self._end()

    def _end(self) -> None:
        self._under_way -= 1
        self._ask()
        if not self._under_way:
            self.idle.set()

    async def _repair(self, batch: _Batch, error: BaseException | None) -> None:
        """Once more, in halves around a job that cannot be done. The next batch may pass them."""
        if isinstance(error, Exception) and not isinstance(error, Unavailable) and len(batch) > 1:
            half = len(batch) // 2
            for part in (batch[:half], batch[half:]):
                await self._repair(part, await self._attempt(part))
        elif error:
            if not isinstance(error, Unavailable | BadData):
                log.error("batch not written", jobs=len(batch), exc_info=error)
            _fail(batch, error)

    async def _attempt(self, batch: _Batch) -> BaseException | None:
        """One transaction; the error that ended it, if one did."""
        done: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def ended(results: list[Any] | None, error: BaseException | None) -> None:
            if error is None and results is not None:
                _settle(batch, results)
            done.set_result(error)

        self._dispatch(batch, ended)
        return await done


async def _steps(tx: Tx, batch: _Batch) -> list[Any]:
    """Each kind of job once, over all its items; jobs of one kind keep their order."""
    results: dict[int, Any] = {}

    async def do(tx: Tx, indexes: list[int]) -> None:
        found = await batch[indexes[0]].step(tx, [batch[index].item for index in indexes])
        results.update(zip(indexes, found, strict=True))

    order = sorted(range(len(batch)), key=lambda index: (_rank(batch[index].step), index))
    kinds = [list(same) for _, same in groupby(order, key=lambda index: _rank(batch[index].step))]
    if len(kinds) == 1:
        await do(tx, kinds[0])
    else:
        await _Together(tx, [partial(do, indexes=indexes) for indexes in kinds]).finish()
    return [results[index] for index in range(len(batch))]


class _Together:
    """A `Tx` for several kinds of work, whose calls it makes in one statement.

    Where the first calls, the second begins, and so on; the last one's call is that of all. Then they go
    on in turn: nothing ever runs beside another on the connection.
    """

    def __init__(self, tx: Tx, works: Sequence[Work[None]]) -> None:
        self._tx = tx
        self._works = deque(works)
        self._calls: list[Call] = []
        self._answers: list[str | None] = []
        self.engine = tx.engine
        self.begin, self.run, self.count, self.fetch = tx.begin, tx.run, tx.count, tx.fetch

    async def call(self, calls: Sequence[Call]) -> Sequence[str | None]:
        begin = len(self._calls)
        self._calls += calls
        await self.finish()
        return self._answers[begin : begin + len(calls)]

    async def finish(self) -> None:
        """Do the works that have not begun, then make the calls that have not been made."""
        while self._works:
            await self._works.popleft()(self)
        missing = self._calls[len(self._answers) :]
        if missing:
            self._answers += await self._tx.call(missing)


def _rank(step: Step[Any, Any]) -> tuple[int, str]:
    """Where a kind of job stands in its transaction: the same on every node, so nodes lock alike."""
    return getattr(step, "rank", 9), f"{step.__module__}.{step.__qualname__}"


def ranked(rank: int, line: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Say at which place of a transaction a step runs, and whose steps it must not overtake."""

    def mark(step: Callable[..., T]) -> Callable[..., T]:
        step.rank, step.line = rank, line  # type: ignore[attr-defined]  # a function is an object too
        return step

    return mark


def _settle(batch: _Batch, results: list[Any]) -> None:
    for job, result in zip(batch, results, strict=True):
        if not job.done.done():
            job.done.set_result(result)


def _fail(batch: _Batch, error: BaseException) -> None:
    for job in batch:
        if not job.done.done():
            job.done.set_exception(error)
