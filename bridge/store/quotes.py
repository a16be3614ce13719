"""Which of our messages a customer's message answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.store.engine import Batch, Tx

# The vendor's id names either what a customer wrote, or one part of what we sent.
_QUOTED = Batch(
    """SELECT r.channel_id, r.external_id, m.seq, m.text, m.direction, ag.name AS agent FROM {rows}
    JOIN messages m ON m.channel_id = r.channel_id AND m.external_id = r.external_id
    LEFT JOIN agents ag ON ag.id = m.agent_id
    UNION ALL
    SELECT a.channel_id, a.external_id, m.seq, m.text, m.direction, ag.name FROM {rows}
    JOIN attempts a ON a.channel_id = r.channel_id AND a.external_id = r.external_id
    JOIN messages m ON m.id = a.message_id
    LEFT JOIN agents ag ON ag.id = m.agent_id""",
    channel_id="int", external_id="text",
)  # fmt: skip


async def quoted(tx: Tx, references: Sequence[tuple[int, str]]) -> dict[tuple[int, str], dict[str, Any]]:
    """`{(channel id, vendor's id): {seq, text, author}}` for those that we know."""
    rows = [{"channel_id": channel_id, "external_id": external} for channel_id, external in references]
    return {
        (row.channel_id, row.external_id): {"seq": row.seq, "text": row.text, "author": row.agent or ""}
        for row in await _QUOTED.run_all(tx, rows)
    }
