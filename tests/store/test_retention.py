"""What is forgotten by age: in short steps, all of it, and nothing that anybody still needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from bridge.ids import first_id, now_ms
from bridge.store import handling, lanes, retention
from bridge.store.engine import Database
from bridge.store.retention import AT_ONCE, PARKED_DAYS, Step
from bridge.store.tables import attempts, events, meta, receipts
from tests.store.test_attempts import Sender, first_of_two_fails, sender
from tests.store.test_inbound import hello, rows, take
from tests.store.test_replies import LIFETIME, desk

__all__ = ["desk", "sender"]

DAY = 24 * 3600 * 1000


def old_id(days: float, number: int = 0) -> str:
    """An id that was made so many days ago."""
    return first_id(now_ms() - int(days * DAY) + number)


async def insert(database: Database, table: sa.Table, *values: Mapping[str, Any]) -> None:
    """Rows as they are."""
    await database.write(lambda tx: tx.run(sa.insert(table).values(list(values))))


async def keep(database: Database, channel: int, key: str, days: float, state: str = "done") -> str:
    """An event that came so many days ago; its id."""
    made = old_id(days)
    await insert(
        database, events,
        {"id": made, "channel_id": channel, "key": key, "body": "{}", "state": state,
         "received_at": now_ms() - int(days * DAY)},
    )  # fmt: skip
    return made


async def tidy(database: Database, *steps: Step) -> int:
    """Go on until nothing is left; how many steps it took."""
    taken = 0
    for step in steps:
        more = True
        while more:
            more = await database.write(step)
            taken += 1
    return taken


async def kept(database: Database) -> dict[str, str]:
    """The events that are there, `{key: raw body}`."""
    return {row.key: row.body for row in await rows(database, events)}


async def test_raw_form_goes_before_the_key(database: Database, channel: int) -> None:
    """What customers wrote stands in the one; the other tells a vendor's repeats for a month."""
    for days in (0, 6, 8, 29, 31):
        await keep(database, channel, f"{days}", days)
    await tidy(database, *retention.steps(7))
    assert await kept(database) == {"0": "{}", "6": "{}", "8": "", "29": ""}


async def test_key_is_kept_as_long_as_the_raw_form(database: Database, channel: int) -> None:
    """Whoever keeps what came for a quarter of a year can still say which event it was."""
    for days in (29, 89, 91):
        await keep(database, channel, f"{days}", days)
    await tidy(database, *retention.steps(90))
    assert await kept(database) == {"29": "{}", "89": "{}"}


async def test_no_days_are_an_hour(database: Database, channel: int) -> None:
    """Less would be passed before it is committed."""
    await keep(database, channel, "new", 0)
    await keep(database, channel, "old", 2 / 24)
    await tidy(database, *retention.steps(0))
    assert await kept(database) == {"new": "{}", "old": ""}


async def test_what_is_parked_waits_for_half_a_year(database: Database, channel: int) -> None:
    """For a person, and for a version that can read it; it is a customer's words, so not for ever."""
    for days in (40, PARKED_DAYS - 1, PARKED_DAYS + 1):
        await keep(database, channel, f"{days}", days, "parked")
    await tidy(database, *retention.steps(7))
    assert await kept(database) == {"40": "{}", f"{PARKED_DAYS - 1}": "{}"}


async def test_what_need_not_wait_any_more_is_forgotten_as_others_of_its_age(
    database: Database, channel: int
) -> None:
    """The steps have passed it long ago, and never come back."""
    found = [await keep(database, channel, f"{days}", days, "parked") for days in (1, 8, 31)]
    await keep(database, channel, "beside", 31.01)
    await tidy(database, *retention.steps(7))
    for event in found:
        await database.write(lambda tx: retention.settle(tx, event))  # noqa: B023  # awaited at once
    assert await kept(database) == {"1": "{}", "8": ""}
    assert {row.state for row in await rows(database, events)} == {"done"}


async def test_what_appears_behind_the_last_one_is_forgotten_too(database: Database, channel: int) -> None:
    """Ids are made by clocks that differ, and a step goes only as far as there is something."""
    await keep(database, channel, "before", 9)
    await tidy(database, *retention.steps(7))
    await keep(database, channel, "behind", 7.5)
    await tidy(database, *retention.steps(7))
    assert await kept(database) == {"before": "", "behind": ""}


async def test_clock_that_was_ahead_does_not_end_the_forgetting(database: Database, channel: int) -> None:
    """It had the steps pass a month that was yet to come."""
    await keep(database, channel, "of the clock that was ahead", -40)
    ahead = {"key": "forgotten_raw", "value": old_id(-40)}
    await insert(database, meta, ahead)
    await keep(database, channel, "old", 8)
    await tidy(database, *retention.steps(7))
    assert await kept(database) == {"of the clock that was ahead": "{}", "old": ""}


async def test_a_step_is_short_and_all_of_them_leave_nothing(database: Database, channel: int) -> None:
    """While SQLite forgets, nobody can write: a month of a busy channel must not go at once."""
    count = 2 * AT_ONCE + 1
    await insert(
        database, events,
        *({"id": old_id(8, n), "channel_id": channel, "key": f"{n}", "body": "{}", "received_at": 0}
          for n in range(count)),
    )  # fmt: skip
    first, *others = retention.steps(7)
    assert await database.write(first)
    assert [*(await kept(database)).values()].count("") == AT_ONCE
    assert await tidy(database, first) == 2
    assert set((await kept(database)).values()) == {""}
    assert await tidy(database, *others) == len(others)
    assert len(await kept(database)) == count


async def test_tries_that_came_to_nothing_go_and_evidence_stays(sender: Sender) -> None:
    """A channel that is down for a day makes a thousand of them for each reply."""
    database, channel = sender.desk.database, sender.desk.channel
    outcomes = ("not_sent", "throttled", "accepted", "rejected", "unknown")
    await insert(
        database, attempts,
        *({"id": old_id(days, n), "message_id": sender.message_id, "part": 0, "channel_id": channel,
           "epoch": 1, "started_at": 0, "outcome": outcome}
          for days in (29, 31) for n, outcome in enumerate(outcomes)),
    )  # fmt: skip
    await tidy(database, *retention.steps(30))
    found = [row.outcome for row in await rows(database, attempts, "id")]
    assert found == [*outcomes[2:], *outcomes]


async def test_receipts_go_after_a_month_whoever_they_speak_of(database: Database, channel: int) -> None:
    """Half of them may be of what other programs send from the same number."""
    count = AT_ONCE + 1
    await insert(
        database, receipts,
        *({"channel_id": channel, "external_id": f"{state}-{n}", "rank": 2, "status": state,
           "at": now_ms() - days * DAY}
          for n in range(count) for state, days in (("delivered", 31), ("failed", 31), ("read", 29))),
    )  # fmt: skip
    assert await tidy(database, retention.forget_receipts) == 4
    assert {row.status for row in await rows(database, receipts)} == {"read"}
    await database.write(lambda tx: tx.run(sa.update(receipts).values(at=0)))
    await tidy(database, retention.forget_receipts)
    assert await rows(database, receipts) == []


async def test_what_failed_is_known_however_late_it_is_sent_again(sender: Sender) -> None:
    """Of two parts the first failed, a month ago: forgotten, it would count as sent (I5)."""
    desk = sender.desk
    await first_of_two_fails(sender)
    await desk.database.write(lambda tx: tx.run(sa.update(receipts).values(at=0)))
    await tidy(desk.database, retention.forget_receipts)
    assert [row.external_id for row in await rows(desk.database, receipts)] == ["X0"]
    await desk.database.write(lambda tx: handling.retry(tx, sender.message_id, LIFETIME))
    (head,) = await desk.database.read(lambda tx: lanes.heads(tx, desk.channel, [desk.conversation_id]))
    assert head.sent == {1}


async def test_repeat_is_told_for_as_long_as_its_vendor_repeats(database: Database, channel: int) -> None:
    """WhatsApp goes on for seven days, whatever is kept of the raw form."""
    await take(database, channel, hello(1, raw="{}"))
    week = first_id(now_ms() - 7 * DAY - 1)
    await database.write(lambda tx: tx.run(sa.update(events).values(id=week)))
    await tidy(database, *retention.steps(0))
    assert (await take(database, channel, hello(1, raw="{}"))).new == 0
    assert await kept(database) == {"update:1": ""}
