"""A duty: held by one, and given back for good."""

from __future__ import annotations

import asyncio

from bridge.duty import Duty
from bridge.store.engine import connect


async def test_duty_that_was_given_back_is_not_renewed(database_url: str) -> None:
    """Who renews it in the background must not take it from the next one at the last moment."""
    database = connect(database_url)
    ours, theirs = (Duty(database, "send:1", owner, lease_ms=2_000) for owner in ("ours", "theirs"))
    assert await ours.take()
    keeping = asyncio.create_task(ours.keep())
    await asyncio.sleep(0)  # it has begun to wait for its time
    await ours.give_back()
    await keeping
    assert await theirs.take()
    await database.close()
