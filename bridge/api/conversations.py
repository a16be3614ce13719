"""The list of conversations, and what agents do with one."""

from __future__ import annotations

from bridge.api.cursors import ID, MS, cursor_of, parts_of
from bridge.api.endpoint import Call
from bridge.api.shapes import (
    Activities,
    ConversationChange,
    ConversationDetail,
    ConversationFilter,
    ConversationPage,
    Counts,
    DraftChange,
    Seen,
)
from bridge.errors import NotFound
from bridge.store import activity, conversations, drafts
from bridge.store.conversations import Filter, Place
from bridge.store.engine import Tx
from bridge.store.handling import KEEP
from bridge.views import ConversationView, Person


async def listed(call: Call, query: ConversationFilter) -> ConversationPage:
    """The newest conversations first."""
    assignee = call.agent.id if query.assignee == "me" else query.assignee
    wanted = Filter(status=query.status, channel=query.channel, assignee=assignee, q=query.q)
    place = _place(query.cursor) if query.cursor else None

    async def look(tx: Tx) -> ConversationPage:
        items, following = await conversations.page(tx, wanted, after=place, limit=query.limit)
        return ConversationPage(
            items=items,
            next_cursor=_cursor(following) if following else None,
            counts=Counts(**await conversations.counts(tx, call.agent.id)),
        )

    return await call.context.database.read(look)


async def one(call: Call, conversation_id: str) -> ConversationDetail:
    """A conversation, with my drafts in it."""

    async def look(tx: Tx) -> ConversationDetail:
        found = await conversations.views(tx, [conversation_id])
        if conversation_id not in found:
            raise NotFound("There is no such conversation")
        mine = await drafts.of(tx, agent_id=call.agent.id, conversation_id=conversation_id)
        return ConversationDetail.model_construct(**dict(found[conversation_id]), drafts=mine)

    return await call.context.database.read(look)


async def change(call: Call, conversation_id: str, body: ConversationChange) -> ConversationView:
    """Open, resolve or assign it; `assignee_id: null` means nobody."""
    assignee = body.assignee_id if "assignee_id" in body.model_fields_set else KEEP
    return await call.context.inbox.update(
        conversation_id, agent_id=call.agent.id, status=body.status, assignee=assignee
    )


async def seen(call: Call, conversation_id: str, body: Seen) -> ConversationView:
    """The agent has seen everything up to a `seq`."""
    return await call.context.inbox.read(conversation_id, body.seq)


async def happened(call: Call, conversation_id: str) -> Activities:
    """What happened in it besides messages."""

    async def look(tx: Tx) -> Activities:
        if not await conversations.exists(tx, conversation_id):
            raise NotFound("There is no such conversation")
        return Activities(items=await activity.of(tx, conversation_id))

    return await call.context.database.read(look)


async def save_draft(call: Call, conversation_id: str, body: DraftChange) -> None:
    """Keep what the agent has typed; the empty text forgets it."""
    await call.context.database.write(
        lambda tx: drafts.save(
            tx, agent_id=call.agent.id, conversation_id=conversation_id, kind=body.kind, text=body.text
        )
    )


async def typing(call: Call, conversation_id: str) -> None:
    """Tell colleagues, and the customer where the channel can, that the agent is writing."""
    await call.context.inbox.typing(conversation_id, Person(id=call.agent.id, name=call.agent.name))


def _cursor(place: Place) -> str:
    return cursor_of(place.last_message_at, place.id)


def _place(cursor: str) -> Place:
    last_message_at, conversation_id = parts_of(cursor, f"({MS}) ({ID})")
    return Place(int(last_message_at), conversation_id)
