"""A reply's time stands still while its channel is down, and not for ever."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bridge.ids import new_id, now_ms
from bridge.store import deliveries, handling, lanes
from bridge.store.deadlines import MOST
from bridge.store.tables import incidents, messages
from tests.store.test_attempts import Sender, sender
from tests.store.test_replies import LIFETIME, desk

__all__ = ["desk", "sender"]

HOUR = 3600_000
WRITTEN = 100 * HOUR  # so long ago


async def was_down(sender: Sender, begun: int, ended: int | None, direction: str = "out") -> None:
    """The reply's channel was down, from so many ms ago to so many ms ago, or still is."""
    now = now_ms()
    span = {"started_at": now - begun, "ended_at": None if ended is None else now - ended}
    row = {"id": new_id(), "channel_id": sender.desk.channel, "direction": direction, **span}
    await sender.desk.database.write(lambda tx: tx.run(sa.insert(incidents).values(row)))


async def had(sender: Sender, lifetime: int, status: str = "queued") -> None:
    """The reply was written long ago, to be sent within so many ms."""
    written = now_ms() - WRITTEN
    times = {"created_at": written, "deadline_at": written + lifetime, "status": status}
    reply = sa.update(messages).where(messages.c.id == sender.message_id)
    await sender.desk.database.write(lambda tx: tx.run(reply.values(times)))


async def is_late(sender: Sender) -> bool:
    """Whether its time is over; who looks at its lane and who starts it agree on that."""
    database, desk = sender.desk.database, sender.desk
    (head,) = await database.read(lambda tx: lanes.heads(tx, desk.channel, [desk.conversation_id]))
    assert (await sender.start() is None) == head.late
    return head.late


@pytest.mark.parametrize(
    ("outages", "late"),
    [
        ([], True),
        ([(40 * HOUR, 20 * HOUR)], False),
        ([(40 * HOUR, 35 * HOUR)], True),
        ([(40 * HOUR, 32 * HOUR), (30 * HOUR, 22 * HOUR)], False),
        ([(15 * HOUR, None)], False),
        ([(5 * HOUR, None)], True),
        ([(200 * HOUR, 85 * HOUR)], False),  # only since it was written
        ([(200 * HOUR, 95 * HOUR)], True),
        ([(200 * HOUR, 150 * HOUR)], True),
    ],
)
async def test_time_in_which_the_channel_was_down_does_not_count(
    sender: Sender, outages: list[tuple[int, int | None]], late: bool
) -> None:
    """It was written a hundred hours ago, to be sent within ninety: ten of them must have been an outage."""
    await had(sender, WRITTEN - 10 * HOUR)
    for begun, ended in outages:
        await was_down(sender, begun, ended)
    assert await is_late(sender) == late


async def test_outage_of_the_way_in_is_no_reason(sender: Sender) -> None:
    await had(sender, WRITTEN - 10 * HOUR)
    await was_down(sender, 50 * HOUR, None, "in")
    assert await is_late(sender)


@pytest.mark.parametrize("beyond", [-HOUR, HOUR])
async def test_channel_that_never_comes_back_keeps_nobody_waiting_for_ever(
    sender: Sender, beyond: int
) -> None:
    """After two days more the agent is told, whatever the channel does."""
    await had(sender, WRITTEN - MOST - beyond)
    await was_down(sender, 99 * HOUR, None)
    assert await is_late(sender) == (beyond > 0)


async def test_reply_that_is_sent_again_has_its_time_from_now_on(sender: Sender) -> None:
    """What was before gives it nothing; what goes on does."""
    await had(sender, 24 * HOUR, "expired")
    await was_down(sender, 60 * HOUR, 20 * HOUR)
    database = sender.desk.database
    await database.write(lambda tx: handling.retry(tx, sender.message_id, LIFETIME))
    assert await lasts(sender) == pytest.approx(LIFETIME, abs=30_000)
    await was_down(sender, 6 * HOUR, 3 * HOUR)
    assert await lasts(sender) == pytest.approx(LIFETIME + 3 * HOUR, abs=30_000)


async def lasts(sender: Sender) -> int:
    """For how long it is still tried, as `bridge deliveries` shows it (ms)."""
    items, _ = await sender.desk.database.read(
        lambda tx: deliveries.page(tx, state="waiting", channel="", hours=24, limit=10)
    )
    (item,) = items
    assert item.deadline_at
    return item.deadline_at - now_ms()
