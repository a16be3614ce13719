"""What `bridge outage` does, on the database alone, beside whoever serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from bridge.errors import SettingsError
from bridge.ids import now_ms
from bridge.ledger import clock, printable, span
from bridge.store import channels, deliveries, health
from bridge.store.engine import Database, Tx
from bridge.store.health import Switch
from bridge.views import IncidentLine, IncidentView, QueueView

_MARKS = {"up": ("✓", "green"), "degraded": ("!", "yellow"), "recovering": ("!", "yellow")}
_NO_MARK = ("✗", "bold red")
_WORDS = {
    "degraded": "does not answer", "down": "is down", "recovering": "is coming back", "up": "works",
    "setup": "is not set up as it should be", "off": "is off",
}  # fmt: skip
_LINES = {
    "degraded": "does not answer", "down": "down", "recovering": "coming back", "up": "works again",
    "switch_down": "treated as down", "switch_up": "treated as working",
    "switch_automatic": "as it is found again",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outages:
    """How the channels are, and the newest incidents."""

    channels: Sequence[QueueView]
    incidents: Sequence[IncidentView]


async def look(database: Database, limit: int) -> Outages:
    """How it is now, and the last incidents."""

    async def read(tx: Tx) -> Outages:
        return Outages(await deliveries.queues(tx), await health.newest(tx, before="", limit=limit))

    return await database.read(read)


async def treat(database: Database, channel: str, to: Switch) -> None:
    """Switch a channel, named by its type or its number. `SettingsError` says which there are."""

    async def write(tx: Tx) -> None:
        found = await channels.named(tx, channel)
        if len(found) != 1:
            known = ", ".join(f"{each.type} (number {each.id})" for each in await channels.named(tx, ""))
            problem = "is not one channel" if found else "is no channel"
            raise SettingsError([f"{channel} {problem}. There are: {known or 'none yet'}"])
        await health.switch(tx, found[0].id, "out", to, None)

    await database.write(write)


def show(found: Outages, console: Console) -> None:
    """A line for each channel, and what happened in each incident."""
    for channel in found.channels:
        if channel.state != "off":
            mark, colour = _MARKS.get(channel.state, _NO_MARK)
            said = f"{channel.label} {_WORDS[channel.state]}" + _because(channel.detail)
            console.print(Text.assemble((mark, colour), " ", said), soft_wrap=True)
    for incident in found.incidents:
        console.print()
        until = incident.ended_at or now_ms()
        how_long = f"{clock(incident.started_at)}, for {span(until - incident.started_at)}"
        over = "" if incident.ended_at else ", not over"
        console.print(Text.assemble((incident.label, "bold"), f"  {how_long}{over}"), soft_wrap=True)
        for line in incident.lines:
            console.print(Text(f"  {clock(line.at)}  {_line(line)}"), soft_wrap=True)


def _line(line: IncidentLine) -> str:
    by = ""
    if line.kind.startswith("switch_"):
        by = f" by {printable(line.by.name)}" if line.by else " on the command line"
    return _LINES[line.kind] + by + _because(line.why)


def _because(why: str) -> str:
    return f": {printable(why)}" if why else ""
