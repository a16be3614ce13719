"""A reply whose way is known from the one before it: it saves a look, and decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.errors import Conflict, Invalid, NotFound
from bridge.ids import new_id
from bridge.models import Limits, Standing
from bridge.store import channels, handling, standings
from bridge.store.outgoing import Carrier, Route
from bridge.store.replies import Accepted, Outcome
from bridge.store.tables import addresses, conversations
from tests.store.test_inbound import hello, rows, take
from tests.store.test_replies import LIMITS, Desk, desk

__all__ = ["desk"]


async def first(desk: Desk) -> Route:
    """Where an earlier reply went."""
    return leads(*await desk.accept(desk.draft("earlier", client_id="c1")))


def leads(outcome: Outcome) -> Route:
    """Where a reply goes."""
    assert isinstance(outcome, Accepted)
    assert outcome.head
    assert outcome.channel_id is not None
    return Route(address_id=outcome.head.address_id, channel_id=outcome.channel_id, urn=outcome.head.urn)


async def moves_to(desk: Desk, channel: int, urn: str) -> Route:
    """The customer has a second address, and writes from there now."""
    (known,) = await rows(desk.database, addresses)
    (thread,) = await rows(desk.database, conversations)
    other = {**known._mapping, "id": new_id(), "channel_id": channel, "urn": urn}
    await desk.database.write(lambda tx: tx.run(sa.insert(addresses).values(other)))
    there = sa.update(conversations).where(conversations.c.id == thread.id).values(address_id=other["id"])
    await desk.database.write(lambda tx: tx.run(there))
    return Route(address_id=other["id"], channel_id=channel, urn=urn)


async def test_reply_goes_the_known_way(desk: Desk) -> None:
    """As long as it is the customer's; so does each of a batch, and what is no reply goes nowhere."""
    route = await first(desk)
    one, note, two = await desk.accept(
        desk.draft("one", route=route), desk.draft("a note", kind="note", route=route), desk.draft("two")
    )
    assert leads(one) == leads(two) == route
    assert isinstance(note, Accepted)
    assert note.head is None
    assert await desk.statuses() == ["queued", "queued", "noted", "queued"]


async def test_reply_follows_the_customer_to_another_channel(desk: Desk) -> None:
    """And the limits of that one count: nobody is refused for what was so once."""
    route = await first(desk)
    roomy = await desk.database.write(lambda tx: channels.register(tx, "sms", "2", "SMS"))
    there = await moves_to(desk, roomy, "tel:+393331234567")
    draft = desk.draft("a" * (LIMITS.text + 1), route=route)
    carrier = Carrier(label="SMS", limits=Limits(text=1600, part=1600, files=1, file_size=1), pulled=False)
    (outcome,) = await desk.accept(replace(draft, carriers={**draft.carriers, roomy: carrier}))
    assert leads(outcome) == there
    (short,) = await desk.accept(
        replace(desk.draft("fits both", route=route), carriers={**draft.carriers, roomy: carrier})
    )
    assert leads(short) == there


async def test_reply_goes_to_the_address_that_it_names(desk: Desk) -> None:
    """Wherever the customer is now."""
    before = await first(desk)
    there = await moves_to(desk, desk.channel, "telegram:8")
    named, plain = await desk.accept(desk.draft(via=before.address_id, route=there), desk.draft(route=there))
    assert (leads(named), leads(plain)) == (before, there)


async def test_reply_follows_an_address_that_moved(desk: Desk) -> None:
    """A chat that became another one has the same address, by another name."""
    route = await first(desk)
    await desk.database.write(lambda tx: standings.move(tx, route.address_id, "telegram:-100"))
    (outcome,) = await desk.accept(desk.draft(route=route))
    assert leads(outcome) == replace(route, urn="telegram:-100")


@pytest.mark.parametrize("state", ["blocked", "opted_out", "invalid"])
async def test_known_way_that_was_closed_is_refused_with_its_reason(desk: Desk, state: Any) -> None:
    """Nothing goes to who does not want it (I7)."""
    route = await first(desk)
    await take(desk.database, desk.channel, Standing(key="s", urn="telegram:7", state=state))
    (outcome,) = await desk.accept(desk.draft(route=route))
    assert isinstance(outcome, Conflict)
    assert outcome.extra["reason"] == state


async def test_known_way_into_a_thread_that_ended_is_as_any_other(desk: Desk) -> None:
    """It brings the thread back; beside a newer one it is refused, with its id."""
    database, route = desk.database, await first(desk)
    ending = sa.text("UPDATE conversations SET status = 'resolved', resolved_at = 1")
    await database.write(lambda tx: tx.run(ending))
    await database.write(lambda tx: handling.end_old(tx, 1))
    (back,) = await desk.accept(desk.draft("Ci ripensi?", route=route))
    assert leads(back) == route
    await database.write(lambda tx: tx.run(ending))
    await database.write(lambda tx: handling.end_old(tx, 1))
    await take(database, desk.channel, hello(3))
    (refused,) = await desk.accept(desk.draft("Di nuovo", route=route))
    newest = (await rows(database, conversations, "created_at"))[-1]
    assert isinstance(refused, Conflict)
    assert refused.extra == {"reason": "ended", "newest": newest.id}


async def test_repeat_is_found_whatever_is_known(desk: Desk) -> None:
    """The same `client_id` again is the same message; with another text it is a conflict."""
    route = await first(desk)
    again, other = (desk.draft(text, client_id="c1", route=route) for text in ("earlier", "another"))
    one, two = (desk.draft(text, client_id="c2", route=route) for text in ("fresh", "not fresh"))
    for drafts in ([other, again, one, two], [again, other, replace(one, id=new_id())]):
        outcomes = dict(zip((draft.text for draft in drafts), await desk.accept(*drafts), strict=True))
        same, fresh = outcomes["earlier"], outcomes["fresh"]
        assert isinstance(same, Accepted)
        assert isinstance(fresh, Accepted)
        assert (same.new, same.message.text) == (False, "earlier")
        assert fresh.message.text == "fresh"
        assert isinstance(outcomes["another"], Conflict)
        assert isinstance(outcomes.get("not fresh", Conflict("")), Conflict)
    assert await desk.statuses() == ["queued", "queued"]


async def test_wrong_drafts_are_refused_whatever_is_known(desk: Desk) -> None:
    """A conversation that is gone, a text that is too long, an address of somebody else."""
    route = await first(desk)
    await take(desk.database, desk.channel, hello(2, chat=8))
    foreign = next(row.id for row in await rows(desk.database, addresses) if row.urn == "telegram:8")
    outcomes = await desk.accept(
        desk.draft(conversation_id=new_id(), route=route), desk.draft("a" * 101, route=route),
        desk.draft(via=foreign, route=route), desk.draft("fine", route=route),
    )  # fmt: skip
    assert [type(outcome) for outcome in outcomes] == [NotFound, Invalid, Invalid, Accepted]
    assert await desk.statuses() == ["queued", "queued"]
