"""What lets an agent in: sessions, API tokens, and the one-time link of the first administrator.

Only the SHA-256 of a token is kept. It has 256 random bits, so a plain hash is as good as a slow one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from bridge.errors import NotAllowed
from bridge.ids import now_ms
from bridge.store import agents as agent_store
from bridge.store.engine import Tx
from bridge.store.tables import agents, tokens
from bridge.views import AgentView

Kind = Literal["session", "api", "setup"]

SESSION_MS = 30 * 24 * 3600 * 1000
SETUP_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token it is. `hash` names the token without giving it away."""

    hash: str
    kind: Kind
    agent: AgentView
    used_at: int


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _live(now: int) -> sa.ColumnElement[bool]:
    return sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now)


_HOLDER = (
    sa.select(tokens.c.hash, tokens.c.kind, tokens.c.used_at, *agent_store.COLUMNS)
    .join(agents, agents.c.id == tokens.c.agent_id)
    .where(
        tokens.c.hash == sa.bindparam("hash"),
        tokens.c.kind == sa.bindparam("kind"),
        sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > sa.bindparam("now")),
        agents.c.disabled_at.is_(None),
    )
)


async def issue(
    tx: Tx, kind: Kind, agent_id: str | None = None, *, lifetime_ms: int | None = None, label: str = ""
) -> str:
    """A new token, which is never shown again. Without a lifetime it is good until it is ended."""
    token = secrets.token_urlsafe(32)
    now = now_ms()
    await tx.run(
        sa.insert(tokens).values(
            hash=digest(token), kind=kind, agent_id=agent_id, label=label, created_at=now, used_at=now,
            expires_at=None if lifetime_ms is None else now + lifetime_ms,
        )
    )  # fmt: skip
    return token


async def holder(tx: Tx, kind: Kind, token: str) -> Holder | None:
    """Whose token this is, if it is good."""
    rows = await tx.run(_HOLDER, {"hash": digest(token), "kind": kind, "now": now_ms()})
    if not rows:
        return None
    row = rows[0]
    return Holder(row.hash, row.kind, agent_store.to_view(row), row.used_at or 0)


async def renew(tx: Tx, token_hash: str, lifetime_ms: int | None) -> None:
    """Note that a token is in use, and begin its lifetime anew."""
    now = now_ms()
    values = {"used_at": now} | ({} if lifetime_ms is None else {"expires_at": now + lifetime_ms})
    await tx.run(sa.update(tokens).where(tokens.c.hash == token_hash).values(values))


async def end(tx: Tx, token_hash: str) -> None:
    """Make a token worthless."""
    await tx.run(sa.delete(tokens).where(tokens.c.hash == token_hash))


async def good(tx: Tx, hashes: Sequence[str]) -> set[str]:
    """Which of these tokens still let their agents in."""
    rows = await tx.run(
        sa.select(tokens.c.hash)
        .join(agents, agents.c.id == tokens.c.agent_id)
        .where(tokens.c.hash.in_(hashes), _live(now_ms()), agents.c.disabled_at.is_(None))
    )
    return {row.hash for row in rows}


async def prune(tx: Tx) -> int:
    """Forget tokens that have expired; returns how many."""
    return await tx.count(sa.delete(tokens).where(sa.not_(_live(now_ms()))))


async def issue_setup(tx: Tx) -> str | None:
    """A token for the link that makes the first administrator; none once there is an agent."""
    if await agent_store.exist(tx):
        return None
    return await issue(tx, "setup", lifetime_ms=SETUP_MS)


async def set_up(tx: Tx, token: str, *, email: str, name: str, password_hash: str) -> AgentView:
    """The first administrator, by a token that works once; `NotAllowed` with a used or old one."""
    spent = await tx.run(
        sa.delete(tokens)
        .where(tokens.c.hash == digest(token), tokens.c.kind == "setup", _live(now_ms()))
        .returning(tokens.c.hash)
    )
    if not spent or await agent_store.exist(tx):
        raise NotAllowed("This link was used or has expired. A start without agents prints a new one")
    await tx.run(sa.delete(tokens).where(tokens.c.kind == "setup"))
    return await agent_store.add(tx, email=email, name=name, password_hash=password_hash, role="admin")
