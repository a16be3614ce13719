"""Finding what webhooks lost, in the lists that vendors keep of what customers wrote.

At start and every few minutes, by one node for each channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from bridge.channels.base import Listed, SetUpError, Sweeps
from bridge.channels.live import LiveChannel, State
from bridge.duty import Duty, steady_clock
from bridge.errors import Rejected, SendError, Unavailable
from bridge.inbox import Inbox
from bridge.models import Event
from bridge.retry import pause
from bridge.store import retention, sweeps
from bridge.store.engine import Database
from bridge.store.sweeps import Swept

log = structlog.get_logger()

# Seconds between two sweeps, a tenth more or less.
EVERY = 300.0
# Seconds before each question: replies leave through the same account, and shall not wait for this.
PACE = 0.5
# Seconds until the next look at a duty that another node has, or at a database that is away; and so long
# does a vendor have for its second try.
AGAIN = 5.0
# So many messages are held at once. Of more the oldest are brought first, as they came.
MOST = 2_000
# So many are stored together.
_AT_ONCE = 20

_HOUR_MS = 3600 * 1000
# What a vendor lists late is older than what it has listed already.
OVERLAP_MS = _HOUR_MS // 2
# How far the first sweep goes back, for a channel that was on before there were sweeps.
FIRST_MS = 3 * 24 * _HOUR_MS
# Whether an older message is new could not be told any more: its key may have been forgotten.
REACH_MS = (retention.LEAST_DAYS - 2) * 24 * _HOUR_MS

Say = Callable[[State, str], Awaitable[None]]
T = TypeVar("T")


class _Lost(Exception):
    """Another node has the duty now."""


class Sweeper:
    """Sweeps one channel. `say` is told when its vendor refuses the account, and when that is over."""

    def __init__(self, live: LiveChannel, inbox: Inbox, database: Database, duty: Duty, say: Say) -> None:
        assert isinstance(live.channel, Sweeps)
        self._live = live
        self._channel: Sweeps = live.channel
        self._inbox = inbox
        self._database = database
        self._duty = duty
        self._say = say
        self._refused = False

    async def run(self) -> None:
        """Sweep for ever: at once, then now and then unless another node has just done it.

        And soon after something could not be stored: Twilio brings it only twice.
        """
        spared = 0.0
        while True:
            if self._live.missed.is_set():
                self._live.missed.clear()
                spared = 0.0
            try:
                if await self._duty.take():
                    await self._serve(spared)
                    spared = EVERY / 2
                    await self._rest()
            except (Unavailable, _Lost):
                pass
            await asyncio.sleep(AGAIN)

    async def _rest(self) -> None:
        """Until the next turn, or until something was missed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY * random.uniform(0.9, 1.1)):  # noqa: S311  # jitter
                await self._live.missed.wait()

    async def _serve(self, spared: float) -> None:
        """Sweep, unless the last sweep began less than `spared` seconds ago: not if it is yet to come."""
        keeper = asyncio.create_task(self._duty.keep())
        try:
            swept = await self._database.read(lambda tx: sweeps.find(tx, self._live.id))
            if not 0 <= swept.now - swept.at < spared * 1000:
                await self._sweep(swept)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._duty.give_back()

    async def _sweep(self, swept: Swept) -> None:
        if 0 < swept.at < swept.now - REACH_MS:
            days = REACH_MS // (24 * _HOUR_MS)
            log.warning("what is older is not looked for", channel=self._live.channel.type, days=days)
        found = 0
        try:
            names = await self._ask(self._channel.lists)
        except Rejected as error:  # which lists there are is asked again at the next turn
            self._not_swept(error)
            return
        for name in names:
            try:
                found += await self._sweep_list(name, swept)
            except Rejected as error:
                self._not_swept(error)
        swept.at = swept.now
        await self._keep(swept)
        if found:
            log.warning("messages that no webhook brought", channel=self._live.channel.type, found=found)

    def _not_swept(self, error: Rejected) -> None:
        log.warning("not swept", channel=self._live.channel.type, reason=error.reason)

    async def _sweep_list(self, name: str, swept: Swept) -> int:
        """Bring what is new in a list; how many messages that was."""
        rows, begins = await self._gather(name, _since(name, swept), most=MOST)
        found = await self._bring(rows)
        _note(name, rows, swept)
        while begins:
            await self._keep(swept)
            rows, _ = await self._gather(name, swept.reached[name], begins.pop())
            found += await self._bring(rows)
            _note(name, rows, swept)
        return found

    async def _gather(
        self, name: str, since: int, begin: str = "", most: float = math.inf
    ) -> tuple[list[Listed], list[str]]:
        """The messages of a list from a place in it, oldest first.

        Of more than `most` only the oldest, and the places where the newer ones begin: vendors list the
        newest first, and customers' words are brought in their order.
        """
        rows: dict[str, Listed] = {}
        begins: list[str] = []
        after = begin
        while True:
            page, following = await self._ask(partial(self._channel.listed, name, since, after))
            if len(rows) + len(page) > most:
                begins.append(begin)
                begin = after
                rows.clear()
            rows.update((row.key, row) for row in page)
            if not following:
                newest_first = sorted(rows.values(), key=lambda row: row.at, reverse=True)
                return newest_first[::-1], begins  # within a second too: what is equal stays as listed
            after = following

    async def _bring(self, rows: Sequence[Listed]) -> int:
        """Store what is not known yet; how many messages that was. They are read only then."""
        found = 0
        for index in range(0, len(rows), _AT_ONCE):
            keys = [row.key for row in rows[index : index + _AT_ONCE]]
            known = await self._database.read(lambda tx: sweeps.known(tx, self._live.id, keys))  # noqa: B023  # awaited at once
            new = [row for row in rows[index : index + _AT_ONCE] if row.key not in known]
            read = [event for row in new for event in await self._read(row)]
            await self._inbox.receive(self._live.id, read)
            found += len(new)
        return found

    async def _read(self, row: Listed) -> Sequence[Event]:
        if row.has_files:
            return await self._ask(partial(self._channel.read, row))
        return await self._channel.read(row)

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What the vendor answers, at our pace, asked again until it can be had. `Rejected`, `_Lost`."""
        failures = 0
        while True:
            await asyncio.sleep(max(PACE, self._live.paused_until - steady_clock()))
            if not self._duty.held:
                raise _Lost
            try:
                answer = await ask()
            except Rejected:
                raise
            except (SendError, SetUpError) as error:
                failures += 1
                await self._failed(error, failures)
            else:
                await self._succeeded()
                return answer

    async def _failed(self, error: Exception, failures: int) -> None:
        """Rest after a failure. What is out of reach says nothing of the channel: its webhooks may come."""
        log.warning("sweep waits", channel=self._live.channel.type, reason=str(error))
        if failures > 1 and isinstance(error, SetUpError):
            self._refused = True
            await self._say("setup", str(error))
        await asyncio.sleep(pause(failures, random.random(), getattr(error, "retry_after", None)))  # noqa: S311  # jitter

    async def _succeeded(self) -> None:
        if self._refused:
            self._refused = False
            await self._say("up", "")

    async def _keep(self, swept: Swept) -> None:
        await self._database.write(lambda tx: sweeps.keep(tx, self._live.id, swept))


def _since(name: str, swept: Swept) -> int:
    """From when on a list is read. Vendors' times have whole seconds.

    Nothing from before the channel was first on; and a list that was not there before has nothing from
    before the last sweep.
    """
    begin = swept.at or max(swept.created_at, swept.now - FIRST_MS)
    reached = swept.reached.setdefault(name, begin - begin % 1000)
    since = max(reached - OVERLAP_MS, swept.created_at, swept.now - REACH_MS)
    return since - since % 1000


def _note(name: str, rows: Sequence[Listed], swept: Swept) -> None:
    """A list is read up to the newest of these, and all of them are stored."""
    if rows:
        swept.reached[name] = max(swept.reached[name], rows[-1].at)
