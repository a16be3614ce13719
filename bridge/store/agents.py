"""Agents: the people who answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bridge.errors import Conflict, NotFound
from bridge.ids import new_id, now_ms
from bridge.store.engine import Row, Statement, Tx
from bridge.store.tables import agents
from bridge.views import AgentView

COLUMNS = (
    agents.c.id, agents.c.email, agents.c.name, agents.c.role, agents.c.language, agents.c.theme,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credentials:
    """An agent and the hash to check a password against (empty: no password can be right)."""

    agent: AgentView
    password_hash: str


_ADD = Statement(
    """INSERT INTO agents (id, email, name, password_hash, role, created_at)
    VALUES (:id, :email, :name, :password_hash, :role, :now)
    ON CONFLICT (email) DO NOTHING RETURNING id, email, name, role, language, theme"""
)
_ANY = sa.select(agents.c.id).limit(1)
_EVERYONE = sa.select(*COLUMNS).where(agents.c.disabled_at.is_(None)).order_by(agents.c.name, agents.c.id)
_BY_EMAIL = sa.select(*COLUMNS, agents.c.password_hash).where(
    agents.c.email == sa.bindparam("email"), agents.c.disabled_at.is_(None)
)


def normal_email(email: str) -> str:
    """An address as it is kept and compared: upper and lower case are the same person."""
    return email.strip().lower()


def to_view(row: Row) -> AgentView:
    """An agent from a row that has `COLUMNS`."""
    return AgentView(
        id=row.id, email=row.email, name=row.name, role=row.role, language=row.language, theme=row.theme
    )


async def add(tx: Tx, *, email: str, name: str, password_hash: str, role: str = "agent") -> AgentView:
    """A new agent; `Conflict` if the email is taken."""
    values = {"id": new_id(), "email": normal_email(email), "name": name.strip(), "role": role}
    rows = await _ADD.run(tx, **values, password_hash=password_hash, now=now_ms())
    if not rows:
        raise Conflict(f"There is an agent with the email {values['email']} already")
    return to_view(rows[0])


async def exist(tx: Tx) -> bool:
    """Whether there is any agent, so that nobody needs to be made the first."""
    return bool(await tx.run(_ANY))


async def everyone(tx: Tx) -> list[AgentView]:
    """All agents who may sign in, by name."""
    return [to_view(row) for row in await tx.run(_EVERYONE)]


async def by_email(tx: Tx, email: str) -> Credentials | None:
    """Who signs in with this email, if anybody may."""
    rows = await tx.run(_BY_EMAIL, {"email": normal_email(email)})
    return Credentials(to_view(rows[0]), rows[0].password_hash) if rows else None


async def change(tx: Tx, agent_id: str, values: dict[str, Any]) -> AgentView:
    """Set `name`, `language`, `theme` or `password_hash`; `NotFound` for nobody."""
    statement = sa.update(agents).where(agents.c.id == agent_id).values(values).returning(*COLUMNS)
    rows = await tx.run(statement)
    if not rows:
        raise NotFound("There is no such agent")
    return to_view(rows[0])
