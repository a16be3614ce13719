"""What must hold from one moment to the next, whatever happened in between: of the rows, not of the model."""

from __future__ import annotations

from collections.abc import Collection

from bridge.store.engine import Row
from tests.properties.worlds import Sight

_WAITS = ("queued", "sending")
# By itself a reply only goes on: `failed` is its vendor's last word, `rejected` and `expired` are ours.
_FORWARD = {
    "queued": {"sending", "sent", "delivered", "read", "failed", "rejected", "expired", "unknown"},
    "sending": {"queued", "sent", "delivered", "read", "failed", "rejected", "expired", "unknown"},
    "unknown": {"queued", "sending", "sent", "delivered", "read", "failed", "rejected"},
    "sent": {"delivered", "read", "failed"},
    "delivered": {"read"},
}
_KNOWN = {"accepted", "rejected", "throttled", "not_sent"}
_LATER: dict[str | None, set[str]] = {None: _KNOWN | {"unknown"}, "unknown": _KNOWN}
_KNOWN_NOT_TO_BE_THERE = {"not_sent", "throttled"}


def check(before: Sight, after: Sight, decided: Collection[str], excused: Collection[str]) -> None:
    """Compare two moments. Of the replies in `decided` a person has just said what becomes of them.

    The attempts in `excused` are known to a person who had their reply sent again.
    """
    for message in before.messages.values():
        _check_message(message, after.messages[message.id], message.id in decided)
    for urn, thread in after.threads.items():
        assert [row.seq for row in after.thread(urn)] == [*range(1, thread.last_seq + 1)], "a gap"
    for attempt in before.attempts.values():
        outcome = after.attempts[attempt.id].outcome
        if outcome != attempt.outcome and attempt.message_id not in decided:
            assert outcome in _LATER.get(attempt.outcome, ()), f"{attempt.outcome} became {outcome}"
    for attempt in after.attempts.values():
        if attempt.id not in before.attempts:
            _check_start(attempt, before, after, excused)


def _check_message(before: Row, after: Row, decided: bool) -> None:
    assert (before.conversation_id, before.seq) == (after.conversation_id, after.seq), "it moved"
    if before.status != after.status and not decided:
        assert after.status in _FORWARD[before.status], f"{before.status} became {after.status}"


def _check_start(attempt: Row, before: Sight, after: Sight, excused: Collection[str]) -> None:
    """A call leaves: under the newest epoch, to who agreed, in its turn, beside no other, once."""
    message = after.messages[attempt.message_id]
    assert attempt.epoch == after.epoch, "a stale epoch started"
    address = after.addresses[message.urn]
    assert (address.state, address.consent_at is not None) == ("open", True), "to a closed address"
    thread = after.thread(message.urn)
    replies = {row.id: row for row in thread if row.direction == "outbound"}
    under_way = {a.id for a in after.attempts.values() if a.message_id in replies and a.outcome is None}
    assert under_way <= {attempt.id}, "two calls of one conversation at once"
    earlier = [row for row in replies.values() if row.seq < message.seq]
    assert not [row for row in earlier if row.status in _WAITS], "out of order"
    for other in before.attempts.values():
        if (other.message_id, other.part) == (attempt.message_id, attempt.part) and other.id not in excused:
            assert other.outcome in _KNOWN_NOT_TO_BE_THERE, f"sent again after {other.outcome}"
    held = before.threads[message.urn].due_at
    if held is not None and held > attempt.started_at:
        unclear = [row for row in earlier if before.messages[row.id].status == "unknown"]
        assert not unclear, "it overtakes what may still arrive, whose lane is held"
