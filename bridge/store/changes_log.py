"""Writing the feed: every change that a page may show, in the transaction that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bridge.store.engine import Batch, Tx
from bridge.store.procedure import Once

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


def messages_changed(source: str) -> Once:
    """Appends messages in a procedure: what follows FROM, where each of them is `m`."""
    return Once(f"{INTO_CHANGES} SELECT 'message', m.conversation_id, m.id, :now FROM {source}")
