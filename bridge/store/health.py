"""How the channels are, in each direction, and the times in which one was down.

What is found is written by the node that sends or fetches there, under its duty; an administrator's switch
stands above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from bridge.errors import NotFound
from bridge.health import State
from bridge.ids import new_id, now_ms
from bridge.store.changes_log import note_changes
from bridge.store.engine import Row, Statement, Tx
from bridge.store.tables import agents, channels, health, incident_lines, incidents
from bridge.text import clean
from bridge.views import IncidentLine, IncidentView, Person, UnderWay

Direction = Literal["in", "out"]
Switch = Literal["", "down", "up"]
# Whatever was found is as it was said to be, or as it was switched.
_EFFECTIVE = "CASE WHEN h.switch = '' THEN h.state ELSE h.switch END"

_HOLD = Statement(
    "SELECT * FROM health h WHERE h.channel_id = :channel_id AND h.direction = :direction {alone}"
)
_MAKE = Statement(
    """INSERT INTO health (channel_id, direction, since) VALUES (:channel_id, :direction, {now})
    ON CONFLICT DO NOTHING"""
)
_OWNED = Statement("SELECT 1 FROM duties WHERE name = :name AND epoch = :epoch {alone}")
_FIND = Statement(
    """UPDATE health SET state = :state, why = :why, calm = CAST(:calm AS bigint),
        since = CASE WHEN state = :state THEN since ELSE {now} END
    WHERE channel_id = :channel_id AND direction = :direction"""
)
_SWITCH = Statement(
    "UPDATE health SET switch = :switch WHERE channel_id = :channel_id AND direction = :direction"
)
_KNOWN = Statement(
    """SELECT state, switch, calm, {now} - since AS age FROM health
    WHERE channel_id = :channel_id AND direction = :direction"""
)
_STATES = Statement(
    f"""SELECT h.channel_id, h.direction, {_EFFECTIVE} AS state, h.why, h.switch FROM health h
    ORDER BY h.channel_id, h.direction"""
)
_BEGIN = Statement(
    """INSERT INTO incidents (id, channel_id, direction, started_at)
    VALUES (:id, :channel_id, :direction, {now}) ON CONFLICT DO NOTHING"""
)
_END = Statement(
    """UPDATE incidents SET ended_at = {now}
    WHERE channel_id = :channel_id AND direction = :direction AND ended_at IS NULL"""
)
_OPEN = Statement(
    """SELECT id FROM incidents
    WHERE channel_id = :channel_id AND direction = :direction AND ended_at IS NULL"""
)
_LINE = Statement(
    """INSERT INTO incident_lines (id, incident_id, at, kind, why, agent_id)
    VALUES (:id, :incident_id, {now}, :kind, :why, :agent_id)"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an earlier owner of a channel knew, `age` seconds ago, and the switch. `calm` is in seconds."""

    state: State = "up"
    switch: Switch = ""
    age: float = 0.0
    calm: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """How one direction of a channel is for everybody, why, and whether a person has said so."""

    state: State
    why: str
    switch: Switch


async def known(tx: Tx, channel_id: int, direction: Direction) -> Known:
    """What was found last; all is well where nobody has looked."""
    rows = await _KNOWN.run(tx, channel_id=channel_id, direction=direction)
    if not rows:
        return Known()
    (row,) = rows
    return Known(state=row.state, switch=row.switch, age=row.age / 1000, calm=(row.calm or 0) / 1000)


async def switched(tx: Tx, channel_id: int, direction: Direction) -> Switch:
    """What an administrator has the channel treated as; empty: as it is found."""
    return (await known(tx, channel_id, direction)).switch


async def states(tx: Tx) -> dict[tuple[int, Direction], Found]:
    """How every channel is in each direction in which that was ever found out."""
    rows = await _STATES.run(tx)
    return {(row.channel_id, row.direction): Found(row.state, row.why, row.switch) for row in rows}


async def find(
    tx: Tx, channel_id: int, direction: Direction, state: State, why: str, *,
    calm: float, duty: str, epoch: int,
) -> bool:  # fmt: skip
    """Write down what was found; `False` if the duty has passed to another node, which knows better."""
    await tx.begin()
    if not await _OWNED.run(tx, name=duty, epoch=epoch):
        return False
    before = await _held(tx, channel_id, direction)
    why = clean(why)
    found = {"state": state, "why": why, "calm": int(calm * 1000)}
    await tx.count(_FIND.text(tx.engine), {"channel_id": channel_id, "direction": direction, **found})
    if before.state != state:
        await _tell(tx, channel_id, direction, before.switch or state, Line(state, why))
    return True


async def switch(tx: Tx, channel_id: int, direction: Direction, to: Switch, agent_id: str | None) -> bool:
    """Have a channel treated as down or as up, or (empty) as it is found; whether that changes anything.

    Without an agent it was done on the machine itself.
    """
    await tx.begin()
    if not await tx.run(sa.select(channels.c.id).where(channels.c.id == channel_id)):
        raise NotFound("There is no such channel")
    before = await _held(tx, channel_id, direction)
    if before.switch == to:
        return False
    await tx.count(_SWITCH.text(tx.engine), {"channel_id": channel_id, "direction": direction, "switch": to})
    line = Line(f"switch_{to or 'automatic'}", "", agent_id)
    await _tell(tx, channel_id, direction, to or before.state, line)
    return True


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an incident's history: a state that was found, or `switch_…` and who did it."""

    kind: str
    why: str = ""
    agent_id: str | None = None


async def _held(tx: Tx, channel_id: int, direction: Direction) -> Row:
    place = {"channel_id": channel_id, "direction": direction}
    await tx.count(_MAKE.text(tx.engine), place)
    row: Row = (await _HOLD.run(tx, **place))[0]
    return row


async def _tell(tx: Tx, channel_id: int, direction: Direction, state: str, line: Line) -> None:
    """Begin an incident, end it, or go on with it; and tell the pages."""
    place = {"channel_id": channel_id, "direction": direction}
    if state == "down":
        await tx.count(_BEGIN.text(tx.engine), {"id": new_id(), **place})
    for current in await _OPEN.run(tx, **place):
        await tx.count(_LINE.text(tx.engine), {
            "id": new_id(), "incident_id": current.id, "kind": line.kind, "why": line.why,
            "agent_id": line.agent_id,
        })  # fmt: skip
    if state == "up":
        await tx.count(_END.text(tx.engine), place)
    await note_changes(tx, [("channels", None, None)], now_ms())


# ── what people see ─────────────────────────────────────────────────────────────────────────────

_INCIDENTS = sa.select(
    incidents, channels.c.type.label("channel"), channels.c.label, health.c.state, health.c.switch
).select_from(
    incidents.join(channels, channels.c.id == incidents.c.channel_id).outerjoin(
        health,
        sa.and_(health.c.channel_id == incidents.c.channel_id, health.c.direction == incidents.c.direction),
    )
)
_LINES = (
    sa.select(incident_lines, agents.c.name.label("agent"))
    .select_from(incident_lines.outerjoin(agents, agents.c.id == incident_lines.c.agent_id))
    .where(incident_lines.c.incident_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(incident_lines.c.id)
)


async def incident(tx: Tx, incident_id: str) -> IncidentView:
    """One of them. `NotFound`."""
    found = await _views(tx, await tx.run(_INCIDENTS.where(incidents.c.id == incident_id)))
    if not found:
        raise NotFound("There is no such incident")
    return found[0]


async def under_way(tx: Tx) -> dict[int, UnderWay]:
    """By channel, the incident of what we send that is not over."""
    of = incidents.c
    rows = await tx.run(
        sa.select(of.channel_id, of.id, of.started_at).where(of.ended_at.is_(None), of.direction == "out")
    )
    return {row.channel_id: UnderWay(id=row.id, started_at=row.started_at) for row in rows}


async def newest(tx: Tx, *, before: str, limit: int) -> list[IncidentView]:
    """The incidents older than `before` (an id, or empty), newest first."""
    query = _INCIDENTS.order_by(incidents.c.id.desc()).limit(limit)
    return await _views(tx, await tx.run(query.where(incidents.c.id < before) if before else query))


async def _views(tx: Tx, rows: Sequence[Row]) -> list[IncidentView]:
    lines: dict[str, list[IncidentLine]] = {row.id: [] for row in rows}
    for line in await tx.run(_LINES, {"ids": [*lines]}) if lines else ():
        by = Person(id=line.agent_id, name=line.agent) if line.agent_id else None
        lines[line.incident_id].append(IncidentLine(at=line.at, kind=line.kind, why=line.why, by=by))
    return [
        IncidentView(
            id=row.id, channel=row.channel, channel_id=row.channel_id, label=row.label,
            direction=row.direction, state="ended" if row.ended_at else row.switch or row.state,
            started_at=row.started_at, ended_at=row.ended_at, lines=lines[row.id],
        )
        for row in rows
    ]  # fmt: skip
