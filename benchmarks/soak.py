"""`python -m benchmarks.soak`: hours of kills, repeated webhooks and cut calls; every message is checked.

Several processes on one PostgreSQL and one Redis, or one on SQLite. At the end everything that was promised
is looked for: in the database, and at the vendor.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks import gateways, verdict
from benchmarks.table import Table
from benchmarks.verdict import VIOLATIONS
from benchmarks.world import Chat, Crowd, Door, Turns, Vendor, drained, threads_of
from bridge.store.engine import Database, connect
from tests import servers
from tests.bridges import Bridge
from tests.gateways import sign_up

CUSTOMERS, AGENTS = 48, 16


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run. `kills` ends it, `minutes`, or so many `messages` both ways, whichever comes last."""

    engine: str
    processes: int
    minutes: float
    kills: int
    messages: int
    kill_every: float
    rate: float
    replies: float
    chats: int


@contextmanager
def installation(plan: Plan, vendor: Vendor, place: Path) -> Iterator[list[Bridge]]:
    """The processes, none of them begun."""
    with ExitStack() as stack:
        if plan.engine == "sqlite":
            settings = {"DATABASE_URL": f"sqlite:///{place / 'bridge.db'}"}
        else:
            server, redis = (
                stack.enter_context(servers.postgresql(durable=True)), stack.enter_context(servers.valkey())
            )  # fmt: skip
            settings = {"DATABASE_URL": server.url(server.create()), "REDIS_URL": redis.url}
        settings |= gateways.telegram(vendor) | gateways.QUIET
        yield [stack.enter_context(Bridge(place / f"{number}", settings)) for number in range(plan.processes)]


async def kill(plan: Plan, bridges: Sequence[Bridge], chats: Sequence[Chat]) -> int:
    """Kill one process or another, and start it again, for as long as planned; how many were killed."""
    chance, kills, until = random.Random(), 0, time.monotonic() + plan.minutes * 60
    while kills < plan.kills or time.monotonic() < until or _done(chats) < plan.messages:
        await asyncio.sleep(chance.expovariate(1 / plan.kill_every))
        bridge = chance.choice(bridges)
        bridge.kill()
        kills += 1
        await asyncio.to_thread(bridge.start)
        if sys.stderr.isatty():
            left = max(until - time.monotonic(), 0)
            print(f"\r{kills} kills, {left:.0f} s left, {_done(chats):,} messages ", end="", file=sys.stderr)
    return kills


def _done(chats: Sequence[Chat]) -> int:
    """How many messages were taken by now, both ways."""
    return sum(chat.written + chat.answered for chat in chats)


async def run(plan: Plan) -> tuple[Table, bool]:
    """Let the world go on for as long as planned, then look for all that was promised."""
    chats = [Chat(number + 1) for number in range(plan.chats)]
    vendor = Vendor(chats)
    with gateways.folder() as place:
        door = Door(vendor)
        await door.open()
        with installation(plan, vendor, place) as bridges:
            await asyncio.to_thread(bridges[0].start)
            await asyncio.gather(*(asyncio.to_thread(bridge.start) for bridge in bridges[1:]))
            database = connect(bridges[0].settings["DATABASE_URL"])
            try:
                return await _live(plan, chats, vendor, bridges, database)
            finally:
                await database.close()
                door.shut()


async def _live(
    plan: Plan, chats: Sequence[Chat], vendor: Vendor, bridges: Sequence[Bridge], database: Database
) -> tuple[Table, bool]:
    async with Crowd(chats, [bridge.url for bridge in bridges], await sign_up(database)) as crowd:
        await asyncio.gather(*(crowd.write(chat) for chat in chats))
        await threads_of(database, chats)
        writing, answering = Turns(plan.rate), Turns(plan.replies)
        people = [asyncio.create_task(crowd.customer(writing.more)) for _ in range(CUSTOMERS)]
        people += [asyncio.create_task(crowd.agent(answering.more)) for _ in range(AGENTS)]
        killing = asyncio.create_task(kill(plan, bridges, chats))
        await asyncio.wait([killing, *people], return_when=asyncio.FIRST_COMPLETED)
        writing.over = answering.over = True
        await asyncio.gather(*people)
        kills = await killing
    await drained(database)
    return await _report(plan, kills, chats, vendor, database)


async def _report(
    plan: Plan, kills: int, chats: Sequence[Chat], vendor: Vendor, database: Database
) -> tuple[Table, bool]:
    """The table, and whether everything is as it was promised."""
    found = await verdict.look(database, chats)
    table = Table(f"soak: {plan.engine}, {plan.processes} processes, {plan.minutes:g} min", ("", "counted"))
    table.add("processes killed", f"{kills:,}")
    table.add("messages acknowledged", f"{sum(chat.written for chat in chats):,}")
    table.add("replies accepted", f"{sum(chat.answered for chat in chats):,}")
    table.add("calls that the vendor took, and cut", f"{vendor.replies:,} ({vendor.cut:,})")
    for name in ("sent", "unknown", "rejected"):
        table.add(f"replies that are {name}", f"{found[name]:,}")
    for name in VIOLATIONS:
        table.add(f"**{name}**", f"**{found[name]:,}**")
    return table, not any(found[name] for name in VIOLATIONS)


def main() -> None:
    """Run it, and fail where something is not as it was promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--processes", type=int, default=0, help="4 on PostgreSQL, 1 on SQLite")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--kills", type=int, default=0, help="at least so many")
    parser.add_argument("--messages", type=int, default=0, help="at least so many, both ways together")
    parser.add_argument("--kill-every", type=float, default=20, help="seconds, on average")
    parser.add_argument("--rate", type=float, default=200, help="messages of customers a second")
    parser.add_argument("--replies", type=float, default=50, help="replies of agents a second")
    parser.add_argument("--chats", type=int, default=2_000)
    given = parser.parse_args()
    given.processes = given.processes or (1 if given.engine == "sqlite" else 4)
    table, well = uvloop.run(run(Plan(**vars(given))))
    print(table, flush=True)
    if not well:
        sys.exit(1)


if __name__ == "__main__":
    main()
