"""What agents do with conversations and with replies whose fate is not settled.

Whatever is done holds the conversation first, then the message, then the lane, as the ways in and out do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import sqlalchemy as sa

from bridge.errors import Conflict, NotFound
from bridge.ids import now_ms
from bridge.models import Limits
from bridge.parts import parts_of
from bridge.store import activity
from bridge.store.attempts import WENT_ON
from bridge.store.changes_log import note_changes
from bridge.store.deadlines import AWAY
from bridge.store.engine import Row, Statement, Tx
from bridge.store.outgoing import Carrier, has_newer
from bridge.store.receipts import settle_status
from bridge.store.replies import ADDRESSES, LANES, NEWEST
from bridge.store.tables import agents, attachments, attempts, conversations, messages


class Keep:
    """Leave it as it is (`None` means nobody)."""


KEEP = Keep()

_UNREAD = Statement(
    """UPDATE conversations SET read_seq = {greatest}(read_seq, CAST(:seq AS integer)),
        unread = (SELECT count(*) FROM messages m WHERE m.conversation_id = conversations.id
            AND m.direction = 'inbound' AND m.seq > {greatest}(conversations.read_seq, CAST(:seq AS integer)))
    WHERE id = :id AND unread > 0 AND read_seq < CAST(:seq AS integer) RETURNING id"""
)
# A person has decided: the lane no longer waits for news of that reply. It may wait for news of a later one.
_RELEASE = Statement(
    f"""UPDATE lanes SET due_at = {{now}}
    WHERE conversation_id = :id AND NOT {WENT_ON.format(message=":message_id")}"""
)
_AGAIN = Statement(
    # Of the time in which its channel was down, none that was before.
    f"""UPDATE messages SET status = 'queued', reason = '', deadline_at = {{now}} + CAST(:lifetime AS bigint)
        - (SELECT {AWAY} FROM messages m WHERE m.id = messages.id)
    WHERE id = :id"""
)
# Sent again because its vendor failed it: an attempt that came to nothing is no part that is there.
_FAILED = Statement(
    """UPDATE attempts SET outcome = 'rejected', reason = rc.reason FROM receipts rc
    WHERE attempts.message_id = :id AND attempts.outcome = 'accepted' AND rc.status = 'failed'
        AND rc.channel_id = attempts.channel_id AND rc.external_id = attempts.external_id"""
)
# Where a state's own word would not say enough.
_NOW = {
    "sending": "This reply is on its way: it ends by itself",
    "unknown": "This reply may have arrived: say that it did, or have it sent again",
}
_NEWEST = Statement(f"SELECT {NEWEST} AS id FROM conversations c WHERE c.id = :id")
# Ended threads stay as they are; the next message of their contact starts a new one. A thread that somebody
# holds at this moment ends another time: of many at once none may be waited for.
_END = Statement(
    """UPDATE conversations SET ended_at = {now} WHERE id IN (SELECT id FROM conversations
        WHERE status = 'resolved' AND ended_at IS NULL AND resolved_at < {now} - CAST(:age AS bigint)
        {skip})"""
)


async def update(
    tx: Tx, conversation_id: str, agent_id: str, *,
    status: Literal["open", "resolved"] | None = None, assignee: str | Keep | None = KEEP,
) -> None:  # fmt: skip
    """Open, resolve, assign; each real change leaves a line in the thread."""
    now = now_ms()
    current = await _locked(tx, conversation_id)
    if status and status != current.status:
        values: dict[str, Any] = {"status": status, "resolved_at": now if status == "resolved" else None}
        if status == "resolved":
            values |= {"waiting_since": None, "unread": 0, "read_seq": current.last_seq}
        elif current.ended_at is not None:
            await _demand_no_newer(tx, current)
            values["ended_at"] = None
        await _set(tx, conversation_id, values)
        kind = "resolved" if status == "resolved" else "reopened"
        await activity.add(tx, current, kind, agent_id, now=now)
    if not isinstance(assignee, Keep) and assignee != current.assignee_id:
        data = await _assignee(tx, assignee)
        await _set(tx, conversation_id, {"assignee_id": assignee})
        await activity.add(tx, current, "assigned" if assignee else "unassigned", agent_id, data, now=now)


async def read(tx: Tx, conversation_id: str, seq: int) -> None:
    """Somebody saw everything up to `seq`."""
    await _locked(tx, conversation_id)  # so that what is counted as unread is what is there by then
    if await _UNREAD.run(tx, id=conversation_id, seq=seq):
        await note_changes(tx, [("conversation", conversation_id, None)], now_ms())


async def settle(
    tx: Tx, message_id: str, agent_id: str, verdict: Literal["arrived", "again"], *,
    carriers: Mapping[int, Carrier], lifetime: int,
) -> int:  # fmt: skip
    """An agent knows what became of an `unknown` reply; returns the channel whose lane must run.

    What follows a part that arrived goes out by itself.
    """
    current, message = await _reply(tx, message_id, ("unknown",))
    if verdict == "again":
        return await _queue(tx, message, lifetime)
    await tx.run(
        sa.update(attempts)
        .where(attempts.c.message_id == message_id, attempts.c.outcome == "unknown")
        .values(outcome="accepted", reason="an agent says that it arrived")
    )
    carrier = carriers.get(message.channel_id)
    if carrier and await _has_parts_left(tx, message, carrier.limits):
        await _queue(tx, message, lifetime)
    else:
        await _arrived(tx, message)
    data = {"message_id": message_id, "seq": message.seq}
    await activity.add(tx, current, "settled", agent_id, data, now=now_ms())
    return int(message.channel_id)


async def retry(tx: Tx, message_id: str, lifetime: int) -> int:
    """Put a reply that did not go back into its lane; returns the channel whose lane must run."""
    _, message = await _reply(tx, message_id, ("rejected", "failed", "expired"))
    await _FAILED.run(tx, id=message_id)
    return await _queue(tx, message, lifetime)


async def cancel(tx: Tx, message_id: str) -> None:
    """Take a waiting reply out of its lane, or what is left of it."""
    _, message = await _reply(tx, message_id, ("queued",))
    await tx.run(
        sa.update(messages)
        .where(messages.c.id == message_id, messages.c.status == "queued")
        .values(status="rejected", reason="cancelled")
    )
    await note_changes(tx, [("message", message.conversation_id, message_id)], now_ms())


async def give_up(tx: Tx, message_id: str) -> int:
    """Try a reply no more; returns the channel whose lane may go on.

    One that is on its way ends by itself.
    """
    _, message = await _reply(tx, message_id, ("queued", "unknown"))
    await tx.run(
        sa.update(messages).where(messages.c.id == message_id).values(status="rejected", reason="given_up")
    )
    if message.status == "unknown":
        await _release(tx, message)
    await note_changes(tx, [("message", message.conversation_id, message_id)], now_ms())
    channel_id: int = message.channel_id
    return channel_id


async def end_old(tx: Tx, age_ms: int) -> int:
    """End threads that have been resolved for so long; how many."""
    return await tx.count(_END.text(tx.engine), {"age": age_ms})


async def _has_parts_left(tx: Tx, message: Row, limits: Limits) -> bool:
    """Whether there is more of a reply than what is at the customer's."""
    of_message = attachments.c.message_id == message.id
    in_order = sa.select(attachments.c.size).where(of_message).order_by(attachments.c.position)
    files = await tx.run(in_order)
    parts = await tx.run(
        sa.select(attempts.c.part)
        .where(attempts.c.message_id == message.id, attempts.c.outcome == "accepted")
        .distinct()
    )
    return max(len(parts), 1) < len(parts_of(message.text, files, limits))


async def _release(tx: Tx, message: Row) -> None:
    ids = {"id": message.conversation_id, "message_id": message.id}
    await tx.count(_RELEASE.text(tx.engine), ids)


async def _arrived(tx: Tx, message: Row) -> None:
    now = now_ms()
    await tx.run(sa.update(messages).where(messages.c.id == message.id).values(status="sent", reason=""))
    await settle_status(tx, [message.id], now)
    await _release(tx, message)
    await note_changes(tx, [("message", message.conversation_id, message.id)], now)


async def _queue(tx: Tx, message: Row, lifetime: int) -> int:
    """Have it sent within so many ms."""
    now = now_ms()
    await tx.count(_AGAIN.text(tx.engine), {"id": message.id, "lifetime": lifetime})
    lane = {"conversation_id": message.conversation_id, "channel_id": message.channel_id}
    await LANES.run_all(tx, [lane])
    await _release(tx, message)
    await note_changes(tx, [("message", message.conversation_id, message.id)], now)
    channel_id: int = message.channel_id
    return channel_id


async def _reply(tx: Tx, message_id: str, allowed: tuple[str, ...]) -> tuple[Row, Row]:
    """The conversation and a reply of it that is in one of the allowed states, both locked."""
    query = sa.select(messages).where(messages.c.id == message_id)
    found = await tx.run(query)
    if not found or found[0].direction != "outbound":
        raise NotFound("There is no such reply")
    conversation = await _locked(tx, found[0].conversation_id)
    (message,) = await tx.run(query.with_for_update())
    if message.status not in allowed:
        words = _NOW.get(message.status, f"This reply is {message.status} now")
        raise Conflict(words, status_now=message.status)
    return conversation, message


async def _locked(tx: Tx, conversation_id: str) -> Row:
    query = sa.select(conversations).where(conversations.c.id == conversation_id).with_for_update()
    found = await tx.run(query)
    if not found:
        raise NotFound("There is no such conversation")
    return found[0]


async def _demand_no_newer(tx: Tx, ended: Row) -> None:
    """`Conflict` where the customer has a newer thread; none begins before our commit."""
    await ADDRESSES.take(tx, [ended.contact_id])
    (newest,) = await _NEWEST.run(tx, id=ended.id)
    if newest.id is not None:
        raise has_newer(newest.id)


async def _set(tx: Tx, conversation_id: str, values: dict[str, Any]) -> None:
    await tx.run(sa.update(conversations).where(conversations.c.id == conversation_id).values(**values))


async def _assignee(tx: Tx, agent_id: str | None) -> dict[str, Any]:
    if agent_id is None:
        return {}
    found = await tx.run(
        sa.select(agents.c.name).where(agents.c.id == agent_id, agents.c.disabled_at.is_(None))
    )
    if not found:
        raise NotFound("There is no such agent")
    return {"assignee": {"id": agent_id, "name": found[0].name}}
