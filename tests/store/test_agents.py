"""Agents and what lets them in."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from bridge.errors import Conflict, NotAllowed, NotFound
from bridge.ids import new_id
from bridge.store import agents, drafts, tokens
from bridge.store.engine import Database
from bridge.store.tables import conversations
from bridge.views import AgentView
from tests.store.test_inbound import hello, rows, take


async def add(database: Database, email: str = "anna@example.com") -> AgentView:
    """A new agent."""
    return await database.write(lambda tx: agents.add(tx, email=email, name="Anna", password_hash="h"))


async def test_email_is_taken_once_in_any_case(database: Database) -> None:
    """One person, one account."""
    await add(database, " Anna@Example.com ")
    with pytest.raises(Conflict):
        await add(database, "anna@example.COM")
    found = await database.read(lambda tx: agents.by_email(tx, "ANNA@example.com"))
    assert found
    assert (found.agent.email, found.password_hash) == ("anna@example.com", "h")
    assert await database.read(lambda tx: agents.by_email(tx, "bea@example.com")) is None


async def test_unknown_agent_cannot_be_changed(database: Database) -> None:
    """Nothing is made by changing it."""
    with pytest.raises(NotFound):
        await database.write(lambda tx: agents.change(tx, new_id(), {"name": "x"}))


async def test_token_is_good_for_its_kind_until_it_ends(database: Database) -> None:
    """A session is no API token, and what has ended or expired is nothing."""
    agent = await add(database)
    token = await database.write(lambda tx: tokens.issue(tx, "api", agent.id))
    old = await database.write(lambda tx: tokens.issue(tx, "api", agent.id, lifetime_ms=-1))
    holder = await database.read(lambda tx: tokens.holder(tx, "api", token))
    assert holder
    assert holder.agent == agent
    assert await database.read(lambda tx: tokens.holder(tx, "session", token)) is None
    assert await database.read(lambda tx: tokens.holder(tx, "api", old)) is None
    both = [tokens.digest(token), tokens.digest(old)]
    assert await database.read(lambda tx: tokens.good(tx, both)) == {tokens.digest(token)}
    assert await database.write(tokens.prune) == 1
    await database.write(lambda tx: tokens.end(tx, holder.hash))
    assert await database.read(lambda tx: tokens.holder(tx, "api", token)) is None


async def test_only_one_of_many_becomes_the_first_administrator(database: Database) -> None:
    """The same link opened twice at the same moment makes one agent."""
    token = await database.write(tokens.issue_setup)
    assert token

    async def become(number: int) -> AgentView:
        email = f"a{number}@example.com"
        return await database.write(
            lambda tx: tokens.set_up(tx, token, email=email, name="A", password_hash="h")
        )

    results = await asyncio.gather(*(become(number) for number in range(5)), return_exceptions=True)
    assert [one.role for one in results if isinstance(one, AgentView)] == ["admin"]
    assert sum(isinstance(one, NotAllowed) for one in results) == 4
    assert len(await database.read(agents.everyone)) == 1


async def test_draft_is_kept_per_agent_and_kind(database: Database, channel: int) -> None:
    """Nobody writes into a colleague's draft, nor into a conversation that is not there."""
    await take(database, channel, hello(1))
    (conversation,) = await rows(database, conversations)
    anna, bea = await add(database), await add(database, "bea@example.com")

    async def save(agent: AgentView, kind: str, text: str, thread: str = conversation.id) -> None:
        await database.write(
            lambda tx: drafts.save(tx, agent_id=agent.id, conversation_id=thread, kind=kind, text=text)
        )

    async def of(agent: AgentView) -> dict[Literal["reply", "note"], str]:
        return await database.read(
            lambda tx: drafts.of(tx, agent_id=agent.id, conversation_id=conversation.id)
        )

    await save(anna, "note", "n")
    for text in ("a", "ab"):
        await save(bea, "reply", text)
    assert (await of(anna), await of(bea)) == ({"note": "n"}, {"reply": "ab"})
    await save(bea, "reply", "")
    assert (await of(anna), await of(bea)) == ({"note": "n"}, {})
    with pytest.raises(NotFound):
        await save(anna, "note", "n", new_id())
