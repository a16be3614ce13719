"""A duty: held by one, given back for good, lost only by who gives no sign of life; fair shares of them."""

from __future__ import annotations

import asyncio
import string
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bridge.duty import Duty
from bridge.rota import on_duty, share
from bridge.store import duties
from bridge.store.duties import Held
from bridge.store.engine import Database, connect
from tests.clocks import set_clock
from tests.gateways import until

LEASE_MS = 1_000


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with our tables."""
    made = connect(database_url)
    yield made
    await made.close()


async def test_duty_that_was_given_back_is_not_renewed(database: Database) -> None:
    """Who renews it in the background must not take it from the next one at the last moment."""
    ours, theirs = (Duty(database, "send:1", owner, LEASE_MS) for owner in ("ours", "theirs"))
    assert await ours.take()
    keeping = asyncio.create_task(ours.keep())
    await asyncio.sleep(0)  # it has begun to wait for its time
    await ours.give_back()
    await keeping
    assert await theirs.take()


async def test_duty_that_came_without_our_hearing_of_it_is_given_back(database: Database) -> None:
    """The process was told to end while it took the duty: the next one shall not wait for the lease."""
    ours, theirs = (Duty(database, "send:1", owner, LEASE_MS) for owner in ("ours", "theirs"))
    assert await database.write(lambda tx: duties.take(tx, "send:1", "ours", LEASE_MS)) == 1
    await ours.give_back()
    assert await theirs.take()


async def test_lists_that_take_long_keep_no_duty_waiting(postgresql_url: str) -> None:
    """A lease runs out in seconds, and ten agents may look for something in old threads."""
    database = connect(postgresql_url)
    ours = Duty(database, "send:1", "ours", LEASE_MS)
    assert await ours.take()
    slow = sa.text("SELECT pg_sleep(3)")
    lists = [asyncio.create_task(database.read(lambda tx: tx.run(slow))) for _ in range(20)]
    asleep = sa.text("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    other = connect(postgresql_url)
    await until(lambda: other.read(lambda tx: tx.run(asleep)))
    await ours.give_back()
    assert await ours.take()
    assert not any(one.done() for one in lists)
    await asyncio.gather(*lists)
    await other.close()
    await database.close()


async def test_f28_duty_of_who_gives_no_sign_is_taken_over(database: Database) -> None:
    """Not before it has stayed silent for a whole lease while somebody looked, and not for ever."""
    ours, theirs = (Duty(database, "send:1", owner, LEASE_MS) for owner in ("ours", "theirs"))
    assert await ours.take()
    assert not await theirs.take()
    await until(theirs.take)
    assert not ours.held
    assert theirs.epoch == ours.epoch + 1


async def test_f28_silence_counts_from_the_first_look(database: Database) -> None:
    """Who was not yet ready to take it over, but watched, does not wait for a whole lease after that."""
    ours, theirs = (Duty(database, "send:1", owner, LEASE_MS) for owner in ("ours", "theirs"))
    assert await ours.take()
    await theirs.look()
    await asyncio.sleep(LEASE_MS / 1000)
    assert await theirs.take()


@pytest.mark.parametrize("hours", [-1, 1])
async def test_f40_clock_that_jumps_loses_no_lease_and_holds_none_for_ever(
    database: Database, hours: int
) -> None:
    """Who renews keeps it, whatever the database's clock says; who does not loses it."""
    lease_ms = 4 * LEASE_MS  # a machine that is busy for a second is not to be taken for one that froze
    ours, theirs = (Duty(database, "send:1", owner, lease_ms) for owner in ("ours", "theirs"))
    assert await ours.take()
    keeping = asyncio.create_task(ours.keep())
    assert not await theirs.take()
    await set_clock(database, hours * 3600 * 1000)
    for _ in range(6):  # a lease and a half
        await asyncio.sleep(lease_ms / 4000)
        assert not await theirs.take()
        assert ours.held
    keeping.cancel()
    await until(theirs.take)


# ── fair shares ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("asker_lives", [True, False])
async def test_duty_goes_to_who_asked_for_it(database: Database, *, asker_lives: bool) -> None:
    """Not to whoever looks first, its last owner least of all; but to them if nobody comes for it."""
    ours, theirs, third = (Duty(database, "send:1", owner, LEASE_MS) for owner in ("ours", "theirs", "third"))
    assert await ours.take()
    keeping = asyncio.create_task(ours.keep())
    assert not await theirs.take()
    await database.write(lambda tx: duties.ask(tx, "theirs", Held("send:1", "ours", "")))
    await ours.asked.wait()
    assert ours.held
    await ours.give_back()
    await keeping
    assert not await third.take()
    assert not await ours.take()
    if asker_lives:
        assert await theirs.take()
        assert not theirs.asked.is_set()
    else:
        await until(third.take)


async def test_who_comes_later_gets_its_share(database: Database) -> None:
    """Each does one of two, where the first one did both."""
    nodes = {node: [Duty(database, name, node) for name in ("setup:1", "setup:2")] for node in "ab"}
    working: set[tuple[str, str]] = set()

    async def work(node: str, duty: Duty) -> None:
        working.add((node, duty.name))
        try:
            await asyncio.Event().wait()
        finally:
            working.remove((node, duty.name))

    async def busy() -> set[str]:
        return {node for node, _ in working} if len(working) == 2 else set()

    async def both() -> bool:
        return await busy() == {"a", "b"}

    def join(node: str) -> list[asyncio.Task[None]]:
        ours = nodes[node]
        rota = [on_duty(duty, lambda duty=duty: work(node, duty)) for duty in ours]  # type: ignore[misc]  # mypy knows no defaults of lambdas
        return [asyncio.create_task(job) for job in (*rota, share(database, node, ours))]

    tasks = join("a")
    await until(busy)
    tasks += join("b")
    await until(both)
    assert len({name for _, name in working}) == len(working)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_nobody_asks_for_what_it_is_not_ready_for(database: Database) -> None:
    """Its owner would give it back to nobody."""
    duty = Duty(database, "send:1", "ours", LEASE_MS)
    found = [duty.is_welcome]
    duty.welcome()
    found.append(duty.is_welcome)
    duty.welcome(after=60)
    found.append(duty.is_welcome)
    assert found == [False, True, False]


@given(
    owners=st.dictionaries(st.sampled_from(string.ascii_lowercase), st.sampled_from("ABCD"), min_size=1),
    turns=st.permutations("ABCD"),
)
def test_shares_become_fair_and_then_nobody_asks(owners: dict[str, str], turns: list[str]) -> None:
    """Whoever had how many, and in whatever order they ask."""
    left = len(owners) * len(turns)
    while wishes := [(node, wish) for node in turns if (wish := wish_of(node, owners))]:
        node, wish = wishes[0]
        owners[wish.name] = node
        left -= 1
        assert left > 0
    shares = Counter(owners.values())
    assert max(shares.values()) - min(shares[node] for node in turns) <= 1


def wish_of(node: str, owners: dict[str, str]) -> Held | None:
    """What a node asks for, of all duties."""
    found = [Held(name, owner, "") for name, owner in sorted(owners.items())]
    return duties.too_many(found, node, set(owners))


def test_what_is_asked_for_counts_as_passed() -> None:
    """Nobody asks for a second one before the first has come, or for what is not its business."""
    found = [Held("send:1", "a", "b"), Held("send:2", "a", ""), Held("send:3", "a", "")]
    assert duties.too_many(found, "b", {"send:1", "send:2", "send:3"}) is None
    assert duties.too_many(found, "c", {"send:1", "send:2", "send:3"}) == found[1]
    assert duties.too_many(found, "c", {"send:1", "send:3"}) is None


async def test_duty_between_two_owners_counts_as_passed(database: Database) -> None:
    """It was given back, and who asked for it has not looked yet."""
    ours = Duty(database, "send:1", "ours", LEASE_MS)
    assert await ours.take()
    wish = Held("send:1", "ours", "")
    assert await database.write(lambda tx: duties.ask(tx, "theirs", wish))
    assert not await database.write(lambda tx: duties.ask(tx, "third", wish))
    await ours.give_back()
    assert await database.read(duties.held) == [Held("send:1", "ours", "theirs")]
