"""Receipts: the vendor's later word on what we sent. Forward only, in any order, at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridge.models import Receipt
from bridge.store.changes_log import messages_changed, note_changes
from bridge.store.engine import Batch, Statement, Tx
from bridge.store.procedure import Hold, Once, Procedure, holding_name

# `failed` and `delivered` both end the matter: whichever came first stays. Only `read` adds to it.
RANK = {"sent": 1, "delivered": 2, "failed": 2, "read": 3}

_RECEIPTS = Batch(
    """INSERT INTO receipts (channel_id, external_id, rank, status, reason, at)
    SELECT channel_id, external_id, rank, status, reason, CAST(:now AS bigint) FROM {rows} WHERE true
    ON CONFLICT (channel_id, external_id) DO UPDATE SET rank = excluded.rank, status = excluded.status,
        reason = excluded.reason, at = excluded.at
    WHERE receipts.rank < excluded.rank AND receipts.status <> 'failed'""",
    channel_id="int", external_id="text", rank="int", status="text", reason="text",
)  # fmt: skip

# A receipt and the answer that names its part may be written at once, in two transactions that do not
# see each other: both would pass by. Whoever names a vendor's id first holds it until its commit.
_NAME = Batch(f"SELECT {holding_name('id')} FROM {{rows}}", id="text")

_MESSAGES_OF = Batch(
    """SELECT DISTINCT a.message_id FROM {rows}
    JOIN attempts a ON a.channel_id = r.channel_id AND a.external_id = r.external_id""",
    channel_id="int", external_id="text",
)  # fmt: skip

# What the receipts of all parts say together: one failed part fails the message; else it is as far as its
# slowest part. The row is locked before its parts are read: two nodes with a receipt each see both.
SETTLE = Once(
    """UPDATE messages SET status = t.status, reason = t.reason FROM (
        SELECT r.message_id, CASE WHEN max(CASE WHEN rc.status = 'failed' THEN 1 END) = 1 THEN 'failed'
                ELSE CASE min(coalesce(rc.rank, 1)) WHEN 2 THEN 'delivered' WHEN 3 THEN 'read' ELSE 'sent' END
            END AS status,
            coalesce(max(CASE WHEN rc.status = 'failed' THEN rc.reason END), '') AS reason
        FROM {rows} JOIN attempts a ON a.message_id = r.message_id AND a.outcome = 'accepted'
        LEFT JOIN receipts rc ON rc.channel_id = a.channel_id AND rc.external_id = a.external_id
        GROUP BY r.message_id) AS t
    WHERE messages.id = t.message_id AND t.status <> 'sent'
        AND (messages.status = 'sent' OR messages.status = 'delivered' AND t.status = 'read')"""
)
_SETTLE = Procedure(
    "settle", Hold("JOIN messages t ON t.id = r.message_id", by="t.id"), SETTLE,
    # All of them if one did: a page that hears of a message that stayed as it was shows it as it was.
    messages_changed("{rows} JOIN messages m ON m.id = r.message_id WHERE {touched}"),
    message_id="uuid",
)  # fmt: skip

_PULLED = Statement(
    """UPDATE messages SET status = :status WHERE address_id = :address_id AND seq <= :seq
    AND conversation_id = :conversation_id AND direction = 'outbound'
    AND (status = 'sent' OR (status = 'delivered' AND :status = 'read'))
    RETURNING id, conversation_id"""
)


async def hold_names(tx: Tx, external_ids: Iterable[str]) -> None:
    """Keep what others write of these ids of a vendor until our commit; on SQLite there are no others."""
    if tx.engine == "postgresql":
        await _NAME.run_all(tx, [{"id": each} for each in sorted(set(external_ids))])


async def record(tx: Tx, found: Sequence[tuple[int, Receipt]], now: int) -> None:
    """Keep `(channel id, receipt)` and move the messages they speak of; unknown ones wait here."""
    furthest: dict[tuple[int, str], Receipt] = {}
    # What was delivered before can be read, and not fail any more: the database knows.
    after_failed: dict[tuple[int, str], Receipt] = {}
    for channel_id, receipt in found:
        key = (channel_id, receipt.external_id)
        known = furthest.get(key)
        if known is None or (RANK[known.status] < RANK[receipt.status] and known.status != "failed"):
            furthest[key] = receipt
        elif RANK[known.status] < RANK[receipt.status]:
            after_failed[key] = receipt
    await hold_names(tx, (external_id for _, external_id in furthest))
    for receipts in (furthest, after_failed):
        await _RECEIPTS.run_all(tx, _rows(receipts), now=now)
    parts = await _MESSAGES_OF.run_all(tx, _rows(furthest))
    await settle_status(tx, [row.message_id for row in parts], now)


def _rows(receipts: Mapping[tuple[int, str], Receipt]) -> list[dict[str, Any]]:
    return [
        {"channel_id": key[0], "external_id": key[1], "rank": RANK[receipt.status],
         "status": receipt.status, "reason": receipt.reason}
        for key, receipt in sorted(receipts.items(), key=lambda entry: entry[0])
    ]  # fmt: skip


async def settle_status(tx: Tx, message_ids: Sequence[str], now: int) -> None:
    """Set sent messages to what the receipts of all their parts say together."""
    await _SETTLE.call(tx, [{"message_id": message_id} for message_id in sorted(set(message_ids))], now)


async def acknowledge(
    tx: Tx, *, conversation_id: str, address_id: str, seq: int, status: str, now: int
) -> None:
    """A customer's own page has (`delivered`) or showed (`read`) every message up to `seq`."""
    moved = await _PULLED.run(
        tx, conversation_id=conversation_id, address_id=address_id, seq=seq, status=status
    )
    await note_changes(tx, [("message", row.conversation_id, row.id) for row in moved], now)
