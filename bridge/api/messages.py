"""The messages of a conversation: reading, replying, and settling what became of a reply."""

from __future__ import annotations

from bridge.api.endpoint import Call, Made
from bridge.api.shapes import LONGEST_NOTE, MessagePage, Messages, NewMessage, Verdict, Versions
from bridge.errors import Invalid, NotFound
from bridge.store import conversations, messages
from bridge.store.engine import Tx
from bridge.views import MessageView, Person

_AFTER_ALL = 2_147_483_647


async def listed(call: Call, conversation_id: str, query: MessagePage) -> Messages:
    """A page of a thread, ascending by `seq`: after one, before one, else the newest."""

    async def look(tx: Tx) -> Messages:
        if not await conversations.exists(tx, conversation_id):
            raise NotFound("There is no such conversation")
        if query.after is not None:
            return Messages(items=await messages.after(tx, conversation_id, query.after, query.limit))
        before = _AFTER_ALL if query.before is None else query.before
        return Messages(items=await messages.before(tx, conversation_id, before, query.limit))

    return await call.context.database.read(look)


async def write(call: Call, conversation_id: str, body: NewMessage) -> Made[MessageView]:
    """Send a reply, or write a note; the same `client_id` again is the same message."""
    if not body.text.strip() and not body.attachments:
        raise _wrong_text("must not be empty")
    if body.kind == "note" and len(body.text) > LONGEST_NOTE:
        raise _wrong_text(f"has more than {LONGEST_NOTE} characters", limit=LONGEST_NOTE)
    message, new = await call.context.inbox.reply(
        conversation_id, agent=Person(id=call.agent.id, name=call.agent.name), kind=body.kind, text=body.text,
        client_id=body.client_id, attachments=body.attachments, reply_to=body.reply_to, via=body.via,
    )  # fmt: skip
    return Made(message, new)


async def all_versions(call: Call, message_id: str) -> Versions:
    """Every text that an edited message has had, the current one last."""
    found = await call.context.database.read(lambda tx: messages.all_versions(tx, message_id))
    return Versions(items=found)


async def settle(call: Call, message_id: str, body: Verdict) -> MessageView:
    """Say what became of a reply whose fate nobody knows: it arrived, or send it again."""
    return await call.context.inbox.settle(message_id, call.agent.id, body.as_)


async def retry(call: Call, message_id: str) -> MessageView:
    """Send a reply again that was rejected, failed or expired."""
    return await call.context.inbox.retry(message_id)


async def cancel(call: Call, message_id: str) -> MessageView:
    """Take back a reply that still waits."""
    return await call.context.inbox.cancel(message_id)


async def give_up(call: Call, message_id: str) -> MessageView:
    """Try a reply no more that waits, or whose fate nobody knows; one that is on its way ends by itself."""
    return await call.context.inbox.give_up(message_id)


def _wrong_text(problem: str, **extra: object) -> Invalid:
    return Invalid(f"text {problem}", fields=[{"field": "text", "problem": problem}], **extra)
