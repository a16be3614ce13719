"""How channels are, for everybody; and what is kept of a time in which one was down."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from bridge.errors import NotFound
from bridge.health import State
from bridge.ids import new_id
from bridge.store import agents, channels, duties, health
from bridge.store.engine import Database
from bridge.store.health import Direction, Switch
from bridge.store.tables import changes
from bridge.views import IncidentView


class Finder:
    """A node that sends on a channel, and an administrator."""

    def __init__(self, database: Database, channel: int, agent_id: str) -> None:
        self.database, self.channel, self.agent_id, self.epoch = database, channel, agent_id, 1
        self._duty = f"send:{channel}"

    async def takes_over(self) -> None:
        """It, or another node after it, has the duty from now on."""
        epoch = await self.database.write(lambda tx: duties.take(tx, self._duty, "node", 10_000))
        assert epoch
        self.epoch = epoch

    async def finds(self, state: State, why: str = "", *, epoch: int = 0, calm: float = 60) -> bool:
        """What it finds; whether that counts."""
        return await self.database.write(
            lambda tx: health.find(
                tx, self.channel, "out", state, why, calm=calm, duty=self._duty, epoch=epoch or self.epoch
            )
        )

    async def switches(self, to: Switch) -> bool:
        """What the administrator wants."""
        return await self.database.write(lambda tx: health.switch(tx, self.channel, "out", to, self.agent_id))

    async def is_said(self) -> tuple[str, str]:
        """What the pages show."""
        state: tuple[str, str] = (await self.database.read(channels.states))[self.channel]
        return state

    async def incidents(self) -> list[IncidentView]:
        """All of them, newest first."""
        return await self.database.read(lambda tx: health.newest(tx, before="", limit=100))


@pytest.fixture
async def finder(database: Database, channel: int) -> Finder:
    agent = await database.write(
        lambda tx: agents.add(tx, email="anna@example.com", name="Anna", password_hash="")
    )
    made = Finder(database, channel, agent.id)
    await made.takes_over()
    return made


def kinds(incident: IncidentView) -> list[str]:
    return [line.kind for line in incident.lines]


async def test_channel_nobody_has_looked_at_is_up(finder: Finder) -> None:
    assert await finder.is_said() == ("up", "")
    assert await finder.incidents() == []
    assert (await finder.database.read(lambda tx: health.known(tx, finder.channel, "out"))).state == "up"


async def test_outage_is_one_incident_from_its_beginning_to_its_end(finder: Finder) -> None:
    """A doubt begins none, and none ends before all is well."""
    await finder.finds("degraded", "WhatsApp cannot be reached")
    assert await finder.incidents() == []
    assert await finder.is_said() == ("degraded", "WhatsApp cannot be reached")
    for state in ("down", "recovering", "down", "recovering"):
        await finder.finds(state, "cut" if state == "down" else "")
        assert (await finder.is_said())[0] == state
        (incident,) = await finder.incidents()
        assert (incident.state, incident.ended_at) == (state, None)
    await finder.finds("up")
    (incident,) = await finder.incidents()
    assert incident.state == "ended"
    assert incident.ended_at is not None
    assert incident.ended_at >= incident.started_at
    assert kinds(incident) == ["down", "recovering", "down", "recovering", "up"]
    assert incident.lines[0].why == "cut"
    await finder.finds("down")
    assert len(await finder.incidents()) == 2


async def test_what_is_found_again_is_no_news(finder: Finder) -> None:
    """Neither a line in the incident, nor a change for the pages; but its reason may be another one."""
    await finder.finds("down", "refused")
    before = await count_changes(finder.database)
    await finder.finds("down", "no such name")
    assert await count_changes(finder.database) == before
    assert kinds((await finder.incidents())[0]) == ["down"]
    assert await finder.is_said() == ("down", "no such name")


async def count_changes(database: Database) -> int:
    query = sa.select(sa.func.count()).select_from(changes)
    count: int = (await database.read(lambda tx: tx.run(query)))[0][0]
    return count


async def test_who_has_lost_the_duty_says_nothing_any_more(finder: Finder) -> None:
    """It may be the one that reaches nobody."""
    await finder.takes_over()
    assert not await finder.finds("down", epoch=finder.epoch - 1)
    assert await finder.is_said() == ("up", "")
    assert await finder.finds("down")


async def test_next_owner_is_told_what_the_last_one_knew(finder: Finder) -> None:
    await finder.finds("recovering", calm=240)
    known = await finder.database.read(lambda tx: health.known(tx, finder.channel, "out"))
    assert (known.state, known.calm) == ("recovering", 240)
    assert 0 <= known.age < 60


async def test_administrator_treats_it_as_down(finder: Finder) -> None:
    """Whatever is found; the incident says who did it."""
    assert await finder.switches("down")
    assert not await finder.switches("down")
    assert (await finder.is_said())[0] == "down"
    await finder.finds("degraded")
    await finder.finds("up")
    assert (await finder.is_said())[0] == "down"
    assert await finder.switches("")
    assert (await finder.is_said())[0] == "up"
    (incident,) = await finder.incidents()
    assert incident.state == "ended"
    assert kinds(incident) == ["switch_down", "degraded", "up", "switch_automatic"]
    assert [line.by.name for line in incident.lines if line.by] == ["Anna", "Anna"]


async def test_administrator_treats_it_as_up(finder: Finder) -> None:
    """The incident is over until they leave it to what is found."""
    await finder.finds("down", "refused")
    await finder.switches("up")
    assert (await finder.is_said())[0] == "up"
    assert kinds((await finder.incidents())[0]) == ["down", "switch_up"]
    await finder.switches("")
    assert await finder.is_said() == ("down", "refused")
    assert [incident.ended_at is None for incident in await finder.incidents()] == [True, False]


async def test_switch_of_a_channel_that_is_not_there(finder: Finder) -> None:
    with pytest.raises(NotFound):
        await finder.database.write(lambda tx: health.switch(tx, 999, "out", "down", finder.agent_id))


async def test_what_a_person_must_mend_is_said_before_an_outage(finder: Finder) -> None:
    await finder.finds("down", "refused")
    await finder.database.write(
        lambda tx: channels.say_state(tx, finder.channel, "setup", "The token is wrong")
    )
    assert await finder.is_said() == ("setup", "The token is wrong")
    troubles = await finder.database.read(channels.troubles)
    assert troubles == {("telegram", "1"): "The token is wrong"}


@pytest.mark.parametrize("direction", ["in", "out"])
async def test_two_who_say_it_at_once_begin_one_incident(finder: Finder, direction: Direction) -> None:
    """An administrator on one node, and the sender on another."""
    to: tuple[Switch, ...] = ("down", "up", "down", "", "down")
    await asyncio.gather(
        *(
            finder.database.write(
                lambda tx, to=each: health.switch(tx, finder.channel, direction, to, finder.agent_id)  # type: ignore[misc]  # each is awaited here
            )
            for each in to * 4
        ),
        *(finder.finds(state) for state in ("down", "recovering", "up", "down")),
    )
    still = [incident for incident in await finder.incidents() if incident.ended_at is None]
    assert len([incident for incident in still if incident.direction == direction]) <= 1


async def test_incident_that_is_not_there(finder: Finder) -> None:
    with pytest.raises(NotFound):
        await finder.database.read(lambda tx: health.incident(tx, new_id()))
