"""Whether an address may be written to: open, blocked, opted out, invalid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import sqlalchemy as sa

from bridge.ids import new_id
from bridge.models import AddressState
from bridge.store.changes_log import note_changes
from bridge.store.engine import Batch, Tx
from bridge.store.tables import addresses

# Clocks differ, and a vendor's has whole seconds: of a STOP and a START so near to each other (ms) of which
# one is heard late, STOP is taken for the last.
_DOUBT_MS = 60_000

# Last said: STOP at `state_at` by who is opted out, START at `consent_at` where that is the source.
_MEANT = f"""CASE WHEN r.late = 0 THEN r.opt_in = 1 OR addresses.state <> 'opted_out'
    WHEN r.opt_in = 1 THEN addresses.state <> 'opted_out' OR addresses.state_at <= r.at
    ELSE addresses.consent_source <> 'start' OR addresses.consent_at < r.at + {_DOUBT_MS} END"""
# Only the customer who opted out opts in again (START): a mere unblock must not undo an opt-out.
_STANDING = Batch(
    f"""UPDATE addresses SET state = r.state, state_reason = r.reason, state_at = r.at,
        consent_at = CASE WHEN r.opt_in = 1 THEN r.at ELSE addresses.consent_at END,
        consent_source = CASE WHEN r.opt_in = 1 THEN 'start' ELSE addresses.consent_source END
    FROM {{rows}} WHERE addresses.id = r.id AND addresses.state <> r.state AND {_MEANT}
    RETURNING addresses.contact_id, addresses.channel_id""",
    id="uuid", state="text", reason="text", opt_in="int", at="bigint", late="int",
)  # fmt: skip
# Said again it changes nothing but the time since when it counts.
_SAID_AGAIN = Batch(
    """UPDATE addresses SET state_at = CASE WHEN r.opt_in = 1 THEN addresses.state_at ELSE r.at END,
        consent_at = CASE WHEN r.opt_in = 1 THEN r.at ELSE addresses.consent_at END,
        consent_source = CASE WHEN r.opt_in = 1 THEN 'start' ELSE addresses.consent_source END
    FROM {rows} WHERE addresses.id = r.id AND addresses.state = r.state AND (r.late = 0
        OR r.opt_in = 0 AND addresses.state_at < r.at
        OR r.opt_in = 1 AND (addresses.consent_source <> 'start' OR addresses.consent_at < r.at))""",
    id="uuid", state="text", opt_in="int", at="bigint", late="int",
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an address, and why; `at` is when it was said (Unix ms), if it is heard later."""

    address_id: str
    state: AddressState
    reason: str
    opt_in: bool = False
    at: int | None = None


async def apply(tx: Tx, verdicts: Sequence[Verdict], now: int) -> None:
    """Close and open addresses, in order, with a line in the thread for each real change."""
    for verdict in verdicts:
        row = {
            "id": verdict.address_id, "state": verdict.state, "reason": verdict.reason,
            "opt_in": int(verdict.opt_in), "late": int(verdict.at is not None), "at": verdict.at or now,
        }  # fmt: skip
        if verdict.opt_in or verdict.state == "opted_out":
            await _SAID_AGAIN.run_all(tx, [row])
        for changed in await _STANDING.run_all(tx, [row]):
            await _say(tx, changed.contact_id, changed.channel_id, verdict.state, now)


async def move(tx: Tx, address_id: str, urn: str) -> None:
    """The vendor moved an address; if the new one is known already, both stay as they are."""
    own = sa.select(addresses.c.channel_id).where(addresses.c.id == address_id).scalar_subquery()
    known = sa.select(addresses.c.id).where(addresses.c.urn == urn, addresses.c.channel_id == own)
    if not await tx.run(known):
        await tx.run(sa.update(addresses).where(addresses.c.id == address_id).values(urn=urn))


async def _say(tx: Tx, contact_id: str, channel_id: int, state: str, now: int) -> None:
    await note_changes(tx, [("contact", None, contact_id)], now)
    for current in await _CURRENT.run_all(tx, [{"contact_id": contact_id}]):
        data = orjson.dumps({"state": state, "channel_id": channel_id}).decode()
        line = {"id": new_id(), "conversation_id": current.id, "after_seq": current.last_seq, "data": data}
        await _LINES.run_all(tx, [line], now=now)
        await note_changes(tx, [("activity", current.id, line["id"])], now)
