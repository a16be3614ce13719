"""What happened in a conversation besides messages: assigned, resolved, reopened."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from bridge.ids import new_id
from bridge.store.changes_log import note_changes
from bridge.store.engine import Row, Tx
from bridge.store.tables import activity, agents
from bridge.views import Activity, Person

_SELECT = sa.select(activity, agents.c.name.label("agent_name")).outerjoin(
    agents, agents.c.id == activity.c.agent_id
)
_BY_ID = _SELECT.where(activity.c.id.in_(sa.bindparam("ids", expanding=True)))
_IN_CONVERSATION = _SELECT.where(activity.c.conversation_id == sa.bindparam("conversation")).order_by(
    activity.c.after_seq, activity.c.at, activity.c.id
)


async def add(
    tx: Tx, conversation: Any, kind: str, agent_id: str | None = None, data: Mapping[str, Any] | None = None,
    *, now: int,
) -> None:  # fmt: skip
    """A line at the end of a thread, of whose row `id` and `last_seq` are needed."""
    line = {
        "id": new_id(), "conversation_id": conversation.id, "after_seq": conversation.last_seq,
        "kind": kind, "agent_id": agent_id, "data": orjson.dumps(data or {}).decode(), "at": now,
    }  # fmt: skip
    await tx.run(sa.insert(activity).values(**line))
    await note_changes(tx, [("activity", conversation.id, line["id"])], now)


async def views(tx: Tx, ids: Collection[str]) -> dict[str, Activity]:
    """The entries with these ids; unknown ids are left out."""
    if not ids:
        return {}
    return {row.id: _view(row) for row in await tx.run(_BY_ID, {"ids": list(ids)})}


async def of(tx: Tx, conversation_id: str) -> list[Activity]:
    """Everything that happened in a conversation, in the order in which it is shown."""
    return [_view(row) for row in await tx.run(_IN_CONVERSATION, {"conversation": conversation_id})]


def _view(row: Row) -> Activity:
    by = Person(id=row.agent_id, name=row.agent_name) if row.agent_id else None
    return Activity(
        id=row.id, conversation_id=row.conversation_id, after_seq=row.after_seq, kind=row.kind, by=by,
        data=orjson.loads(row.data), at=row.at,
    )  # fmt: skip
