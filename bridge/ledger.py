"""What `bridge deliveries` and `bridge replay` do, and how they say it: to a terminal, or to a program.

They work on the database alone, beside whoever serves. A customer's words are not shown, but where they
are asked for; nor is whom anything is for.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from bridge.channels.base import Channel
from bridge.errors import Conflict, NotFound, SettingsError
from bridge.ids import now_ms
from bridge.replay import Replayer
from bridge.store import channels, deliveries, handling, parked
from bridge.store.deliveries import COUNTED, State
from bridge.store.engine import Database, Tx
from bridge.views import DeliveryView, ParkedView, QueueView

_AT_ONCE = 100
_GONE = "No such event waits"
_ORDERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WORDS = {
    "on_its_way": "on its way", "due": "about to leave", "behind": "waits for the one before it",
    "off": "its channel is not set up any more", "unknown": "it may have arrived",
    "paused": "its vendor asks for a pause",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What is said of replies; `more` that there are others."""

    channels: list[QueueView]
    items: list[DeliveryView]
    more: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one that was named; `problem` is empty if all is well."""

    id: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    """The events with these ids; without any all that wait, or those on channels of a type.

    Of all, some may be done by somebody else meanwhile: that is no problem.
    """

    ids: Sequence[str] = ()
    channel: str = ""


# ── replies ─────────────────────────────────────────────────────────────────────────────────────


async def list_deliveries(
    database: Database, *, state: State, channel: str, hours: int, limit: int
) -> Deliveries:
    """The first of what waits, and how much there is of it."""

    async def look(tx: Tx) -> Deliveries:
        await _demand_channel(tx, channel)
        items, following = await deliveries.page(tx, state=state, channel=channel, hours=hours, limit=limit)
        queues = await deliveries.queues(tx)
        return Deliveries(
            [one for one in queues if channel in ("", one.channel)], items, following is not None
        )

    return await database.read(look)


async def retry(database: Database, message_ids: Sequence[str], lifetime: int) -> AsyncIterator[Done]:
    """Have replies sent again that were rejected, failed or expired, within so many ms."""
    for message_id in message_ids:
        yield await _one(
            database,
            message_id,
            lambda tx: handling.retry(tx, message_id, lifetime),  # noqa: B023  # awaited at once
        )


async def retry_all(database: Database, *, channel: str, hours: int, lifetime: int) -> AsyncIterator[Done]:
    """The same for all of the last hours that could go by now, the oldest first."""
    await database.read(lambda tx: _demand_channel(tx, channel))
    found = [""]
    while found:
        after = found[-1]
        found = await database.read(
            lambda tx: deliveries.retriable(tx, channel=channel, hours=hours, after=after, limit=_AT_ONCE)  # noqa: B023  # awaited at once
        )
        async for done in retry(database, found, lifetime):
            if not done.problem:  # or somebody else did something about it meanwhile
                yield done


async def give_up(database: Database, message_ids: Sequence[str]) -> AsyncIterator[Done]:
    """Try replies no more."""
    for message_id in message_ids:
        yield await _one(database, message_id, lambda tx: handling.give_up(tx, message_id))  # noqa: B023


async def _one(database: Database, message_id: str, work: Callable[[Tx], Awaitable[Any]]) -> Done:
    async def change(tx: Tx) -> None:
        await work(tx)

    try:
        await database.write(change)
    except (Conflict, NotFound) as error:
        return Done(message_id, error.detail)
    return Done(message_id)


# ── events ──────────────────────────────────────────────────────────────────────────────────────


async def list_parked(
    database: Database, *, channel: str, limit: int, raw: bool
) -> tuple[list[ParkedView], bool]:
    """The first of the events that wait, and whether there are others."""

    async def look(tx: Tx) -> tuple[list[ParkedView], bool]:
        await _demand_channel(tx, channel)
        items, following = await parked.page(tx, channel=channel, limit=limit, raw=raw)
        return items, following is not None

    return await database.read(look)


async def replay(database: Database, configured: Sequence[Channel], wanted: Events) -> AsyncIterator[Done]:
    """Read events again with these channels."""
    known = await database.read(channels.known)
    on = {
        known[channel.type, channel.identity]: channel
        for channel in configured
        if (channel.type, channel.identity) in known
    }
    replayer = Replayer(database, on)
    async for event_id in _ids(database, wanted):
        ended = await replayer.replay(event_id)
        if ended.outcome != "gone":
            yield Done(ended.id, ended.why)
        elif wanted.ids:
            yield Done(ended.id, _GONE)


async def give_up_parked(database: Database, wanted: Events) -> AsyncIterator[Done]:
    """Wait no longer for events."""
    async for event_id in _ids(database, wanted):
        waited = await database.write(lambda tx: parked.give_up(tx, event_id))  # noqa: B023  # awaited at once
        if waited or wanted.ids:
            yield Done(event_id, "" if waited else _GONE)


async def _ids(database: Database, wanted: Events) -> AsyncIterator[str]:
    """Each once, in the order in which they came."""
    for event_id in wanted.ids:
        yield event_id
    if not wanted.ids:
        await database.read(lambda tx: _demand_channel(tx, wanted.channel))
    place = None if wanted.ids else parked.BEGIN
    while place:
        after = place
        found, place = await database.read(
            lambda tx: parked.page(tx, channel=wanted.channel, after=after, limit=_AT_ONCE)  # noqa: B023  # awaited at once
        )
        for event in found:
            yield event.id


async def _demand_channel(tx: Tx, channel: str) -> None:
    """A slip of the finger must not look like an empty list."""
    kinds = sorted({kind for kind, _ in await channels.known(tx)})
    if channel and channel not in kinds:
        raise SettingsError([f"--channel: there is no channel {channel}. There are: {', '.join(kinds)}"])


# ── what a terminal shows ───────────────────────────────────────────────────────────────────────


def show_deliveries(found: Deliveries, console: Console, public_url: str) -> None:
    """A line for each channel, and then what waits."""
    for queue in found.channels:
        if queue.state != "off" or queue.conversations or queue.unknown:
            mark, colour, text = _queue(queue)
            console.print(Text.assemble((mark, colour), " ", text), soft_wrap=True)
    for item in found.items:
        console.print()
        _show_item(console, item.id, item.channel, item.since, _why(item))
        _show_link(console, public_url, item.conversation_id)
    if found.more:
        console.print("\nThere are more: see --limit.")


def show_parked(items: Sequence[ParkedView], more: bool, console: Console, public_url: str) -> None:
    """The events that wait, and what can be done about it."""
    if not items:
        console.print("No event waits: all that came could be read.")
        return
    for item in items:
        _show_item(console, item.id, item.channel, item.since, item.why)
        if item.message:
            _show_link(console, public_url, item.message.conversation_id)
        if item.raw:
            console.print(Text(f"  {printable(item.raw)}"), soft_wrap=True)
        console.print()
    if more:
        console.print("There are more: see --limit.")
    console.print("`bridge replay --all` reads them again, for example after an upgrade.", soft_wrap=True)


def printable(text: str) -> str:
    """What came from outside, without what a terminal would obey."""
    return _ORDERS.sub("\ufffd", text)


def _show_item(console: Console, item_id: str, channel: str, since: int, why: str) -> None:
    about = f"  {channel}  since {clock(since)} ({span(now_ms() - since)})"
    console.print(Text.assemble((item_id, "bold"), about), soft_wrap=True)
    console.print(Text(f"  {printable(why)}"), soft_wrap=True)


def _show_link(console: Console, public_url: str, conversation_id: str) -> None:
    console.print(Text(f"  {public_url}/inbox/#/all/open/c/{conversation_id}", "dim"), soft_wrap=True)


def _queue(queue: QueueView) -> tuple[str, str, str]:
    """A mark, its colour, and how a channel's queue is."""
    waits = _count(queue.conversations, "conversation waits", "conversations wait")
    unknown = _count(queue.unknown, "reply may have arrived", "replies may have arrived")
    said = ", ".join(filter(None, (waits, unknown))) or "nothing waits"
    if queue.paused_until:
        said += f"; its vendor asks for a pause of {span(queue.paused_until - now_ms())} more"
    if queue.state != "up":
        said += f"; it is {queue.state}" + f": {printable(queue.detail)}" * bool(queue.detail)
    held = queue.state in ("setup", "off", "down")
    mark, colour = ("✗", "bold red") if held else ("!", "yellow") if waits or unknown else ("✓", "green")
    return mark, colour, f"{queue.label}: {said}"


def _count(number: int, one: str, many: str) -> str:
    if number >= COUNTED:
        return f"{COUNTED} or more {many}"
    return f"{number} {one if number == 1 else many}" if number else ""


def _why(item: DeliveryView) -> str:
    """The sentence about a reply."""
    parts = [item.reason or _WORDS.get(item.why, ""), _count(item.tries, "try", "tries")]
    if item.next_try_at:
        parts.append(f"the next in {span(item.next_try_at - now_ms())}")
    if item.deadline_at and item.status == "queued":
        parts.append(f"until {clock(item.deadline_at)}")
    return f"{item.status}: " + ", ".join(filter(None, parts))


def clock(ms: int) -> str:
    """A time on this machine's clock."""
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%d %b %H:%M")


def span(ms: int) -> str:
    """A time as people say it."""
    seconds = max(ms // 1000, 0)
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
