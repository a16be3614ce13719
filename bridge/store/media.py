"""Customers' files that wait to be fetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bridge.ids import now_ms
from bridge.store.changes_log import note_changes
from bridge.store.engine import Batch, Row, Statement, Tx
from bridge.store.files import Stored

# A claim is a due time far enough away: who dies with it lets it come back. Who only slept may still bring
# what came of it, after another's word: a file that is there stays, and one given up may come all the same.
_CLAIM = Statement(
    """UPDATE attachments SET due_at = {now} + CAST(:hold AS bigint)
    WHERE id IN (SELECT id FROM attachments WHERE due_at IS NOT NULL AND due_at <= {now}
        AND channel_id NOT IN (SELECT c.id FROM channels c WHERE c.paused_until > {now})
        ORDER BY due_at LIMIT CAST(:limit AS bigint) {skip})
    RETURNING id, message_id, channel_id, kind, ref, mime, name, tries"""
)
_STORED = Statement(
    """UPDATE attachments SET state = 'stored', sha256 = :sha256, size = CAST(:size AS bigint), mime = :mime,
        due_at = NULL WHERE id = :id AND state <> 'stored' RETURNING message_id"""
)
_GAVE_UP = Statement(
    """UPDATE attachments SET state = :state, due_at = NULL WHERE id = :id AND state = 'pending'
    RETURNING message_id"""
)
_LATER = Statement(
    """UPDATE attachments SET due_at = {now} + CAST(:ms AS bigint), tries = tries + 1
    WHERE id = :id AND state = 'pending'"""
)
_WHERE = Statement("SELECT id, conversation_id FROM messages WHERE id = :id")
_LOOSE = Statement("DELETE FROM attachments WHERE message_id IS NULL AND created_at < :before")
_UNNAMED = Batch(
    """SELECT r.sha256 FROM {rows}
    WHERE NOT EXISTS (SELECT 1 FROM attachments f WHERE f.sha256 = r.sha256)""",
    sha256="text",
)  # fmt: skip


async def claim(tx: Tx, limit: int, hold_ms: int) -> Sequence[Row]:
    """Files to fetch now, held for so long, but on a channel that rests. `tries` are those that failed."""
    return await _CLAIM.run(tx, limit=limit, hold=hold_ms)


async def stored(tx: Tx, attachment_id: str, file: Stored) -> None:
    """A file is in place."""
    await _tell(
        tx, await _STORED.run(tx, id=attachment_id, sha256=file.sha256, size=file.size, mime=file.mime)
    )


async def gave_up(tx: Tx, attachment_id: str, state: Literal["failed", "too_big"]) -> None:
    """A file that will not come."""
    await _tell(tx, await _GAVE_UP.run(tx, id=attachment_id, state=state))


async def later(tx: Tx, attachment_id: str, ms: int) -> None:
    """A file to ask for again, after a try that failed."""
    await _LATER.run(tx, id=attachment_id, ms=ms)


async def forget_loose(tx: Tx, before: int) -> None:
    """Drop uploads that were never sent. Their files are swept."""
    await _LOOSE.run(tx, before=before)


async def unnamed(tx: Tx, contents: Sequence[str]) -> list[str]:
    """Which of these files no row names (any more)."""
    rows = await _UNNAMED.run_all(tx, [{"sha256": sha256} for sha256 in contents])
    return [row.sha256 for row in rows]


async def _tell(tx: Tx, changed: Sequence[Row]) -> None:
    for file in changed:
        for row in await _WHERE.run(tx, id=file.message_id):
            await note_changes(tx, [("message", row.conversation_id, row.id)], now_ms())
