"""The sender when something else happens meanwhile: outcomes are kept, nothing leaves that may not."""

from __future__ import annotations

import sqlalchemy as sa

from tests.gateways import until
from tests.senders import Rig, rig

FAST = {"TELEGRAM_RATE": "1000", "TELEGRAM_CHAT_RATE": "1000"}


async def test_f14_fresh_reply_overtakes_a_backlog_whatever_the_rate(database_url: str) -> None:
    """One at a time or many, every other turn is for the newest: nobody waits behind an hour."""
    async with rig(database_url, **FAST | {"TELEGRAM_RATE": "30"}) as made:
        for chat in range(100, 120):
            await made.reply(f"old {chat}", chat=chat)
        old = sa.text("UPDATE lanes SET due_at = due_at - 3600000")
        await made.database.write(lambda tx: tx.run(old))
        await made.reply("fresh")
        made.start()
        await until(lambda: has(made, "fresh"))
        assert made.said().index("fresh") <= 1


async def has(made: Rig, text: str) -> bool:
    return text in made.said()
