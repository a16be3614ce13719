"""Writing the feed: every change that a page may show, in the transaction that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bridge.store.engine import Batch, Tx

Kind = Literal["message", "conversation", "activity", "contact", "channels"]
# (kind, conversation id, id of the message, activity or contact)
Change = tuple[Kind, str | None, str | None]

INTO_CHANGES = "INSERT INTO changes (kind, conversation_id, subject_id, at)"
_CHANGES = Batch(
    f"""{INTO_CHANGES}
    SELECT kind, conversation_id, subject_id, CAST(:now AS bigint) FROM {{rows}}""",
    kind="text", conversation_id="uuid", subject_id="uuid",
)  # fmt: skip


async def note_changes(tx: Tx, changes: Sequence[Change], now: int) -> None:
    """Append to the feed. Ring the bell `changes` after the commit."""
    rows = [
        {"kind": kind, "conversation_id": conversation_id, "subject_id": subject_id}
        for kind, conversation_id, subject_id in changes
    ]
    await _CHANGES.run_all(tx, rows, now=now)


def step_for_message(conversation_id: str, message_id: str, rest: str = "") -> str:
    """The step of a procedure that appends a message: where its ids come from, and when."""
    return f"{INTO_CHANGES} SELECT 'message', {conversation_id}, {message_id}, :now {rest}"
