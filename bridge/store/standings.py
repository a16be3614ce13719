"""Whether an address may be written to: open, blocked, opted out, invalid."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from bridge.ids import new_id
from bridge.models import AddressState
from bridge.store.changes_log import note_changes
from bridge.store.engine import Batch, Tx

# Only the customer who opted out opts in again (START): that arrives as `open` with its own reason,
# while a mere unblock must not undo an opt-out.
_STANDING = Batch(
    """UPDATE addresses SET state = r.state, state_reason = r.reason, state_at = CAST(:now AS bigint),
        consent_at = CASE WHEN r.state = 'open' AND r.reason = 'start' THEN CAST(:now AS bigint)
            ELSE addresses.consent_at END,
        consent_source = CASE WHEN r.state = 'open' AND r.reason = 'start' THEN 'start'
            ELSE addresses.consent_source END
    FROM {rows} WHERE addresses.id = r.id AND addresses.state <> r.state
        AND (addresses.state <> 'opted_out' OR (r.state = 'open' AND r.reason = 'start'))
    RETURNING addresses.id, addresses.contact_id, addresses.urn, addresses.state, addresses.channel_id""",
    id="uuid", state="text", reason="text",
)  # fmt: skip

_CURRENT = Batch(
    """SELECT c.id, c.contact_id, c.last_seq FROM {rows}
    JOIN conversations c ON c.contact_id = r.contact_id AND c.ended_at IS NULL""",
    contact_id="uuid",
)  # fmt: skip

_LINES = Batch(
    """INSERT INTO activity (id, conversation_id, after_seq, kind, data, at)
    SELECT id, conversation_id, after_seq, 'address', data, CAST(:now AS bigint) FROM {rows}""",
    id="uuid", conversation_id="uuid", after_seq="int", data="text",
)  # fmt: skip


async def apply(tx: Tx, wanted: Sequence[tuple[str, AddressState, str]], now: int) -> None:
    """Set `(address id, state, reason)`, in order, with a line in the thread for each real change."""
    for address_id, state, reason in wanted:
        row = {"id": address_id, "state": state, "reason": reason}
        for changed in await _STANDING.run_all(tx, [row], now=now):
            await _say(tx, changed.contact_id, changed.channel_id, state, now)


async def _say(tx: Tx, contact_id: str, channel_id: int, state: str, now: int) -> None:
    await note_changes(tx, [("contact", None, contact_id)], now)
    for current in await _CURRENT.run_all(tx, [{"contact_id": contact_id}]):
        data = orjson.dumps({"state": state, "channel_id": channel_id}).decode()
        line = {"id": new_id(), "conversation_id": current.id, "after_seq": current.last_seq, "data": data}
        await _LINES.run_all(tx, [line], now=now)
        await note_changes(tx, [("activity", current.id, line["id"])], now)
