"""Doing something while a duty is ours, and again whenever it comes back; and a fair share of the duties."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from bridge.duty import Duty
from bridge.errors import Unavailable
from bridge.store import duties
from bridge.store.engine import Database

log = structlog.get_logger()

# Seconds from one look to the next whether the duty is free.
LOOK = 1.0

Work = Callable[[], Awaitable[None]]


async def on_duty(duty: Duty, work: Work) -> None:
    """Do `work` for ever, from its beginning each time the duty falls to this node.

    It is cut off where the duty is lost, or another node asks for it. The database may be away for a while
    (`Unavailable`).
    """
    duty.welcome()
    try:
        while True:
            try:
                if await duty.take():
                    await _while_held(duty, work)
                    await duty.give_back()
            except Unavailable:
                pass
            await asyncio.sleep(LOOK)
    finally:
        await duty.give_back()


async def _while_held(duty: Duty, work: Work) -> None:
    tasks = [asyncio.ensure_future(part) for part in (duty.keep(), duty.asked.wait(), work())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def share(database: Database, node: str, ours: Sequence[Duty]) -> None:
    """See to it, for ever, that this node has a fair share of the duties it may do."""
    while True:
        # Not in step with others, who would ask for the same.
        await asyncio.sleep(LOOK * random.uniform(1, 2))  # noqa: S311  # jitter
        willing = {duty.name for duty in ours if duty.is_welcome}
        with contextlib.suppress(Unavailable):
            wish = duties.too_many(await database.read(duties.held), node, willing)
            if wish is None:
                continue
            first = await database.write(partial(duties.ask, node=node, duty=wish))
            if first:
                log.info("asks for a duty", duty=wish.name)
