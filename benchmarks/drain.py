"""A channel that was away for seven hours, and the backlog behind it: how fast, and does the vendor mind?"""

from __future__ import annotations

import asyncio
from itertools import pairwise

from benchmarks.stage import Clocked, Stage, stage
from benchmarks.table import Table
from benchmarks.world import Chat, drained, states
from tests.clocks import set_clock

LIMIT, EACH = 30, 1
CHATS, REPLIES = 150, 12
HOURS = 7
_REAL = {"TELEGRAM_RATE": str(LIMIT), "TELEGRAM_CHAT_RATE": str(EACH)}


async def run() -> Table:
    """Both engines, before a vendor that refuses what is beyond its limit."""
    table = Table(
        "drain", ("", "delivered", "out of order", "429 answers", "share of the vendor's limit", "unclear")
    )
    for engine in ("sqlite", "postgresql"):
        chats = [Chat(number + 1) for number in range(CHATS)]
        vendor = Clocked(chats, overall=LIMIT, each=EACH)
        async with stage(vendor, chats, engine=engine, settings=_REAL) as made:
            table.add(engine, *await _measure(made, vendor))
    return table


async def _measure(made: Stage, vendor: Clocked) -> list[str]:
    await made.answer_all(1)
    await made.all_arrived(CHATS, within=60)
    made.door.shut()
    await made.answer_all(REPLIES)
    for _ in range(HOURS):
        await set_clock(made.database, 3600 * 1000)
        await asyncio.sleep(2)
    await made.door.open()
    before = len(vendor.came_at)
    await drained(made.database)
    came = vendor.came_at[before:]
    rate = (len(came) - 1) / (came[-1] - came[0])
    disorder = sum(later <= earlier for chat in made.chats for earlier, later in pairwise(chat.arrived))
    return [
        f"{len(came):,} of {CHATS * REPLIES:,}", f"{disorder}", f"{vendor.refused}", f"{rate / LIMIT:.1%}",
        f"{(await states(made.database))['unknown']}",
    ]  # fmt: skip
