"""Which of our messages a customer's message answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.store.engine import Batch, Tx

# What a contact wrote, by the vendor's id for it: among the last thousand messages of each thread. An
# index would find it in all of them, and would cost every message what these few save (ADR 12).
WRITTEN = """JOIN conversations c ON c.contact_id = r.contact_id
    JOIN messages m ON m.conversation_id = c.id AND m.seq > c.last_seq - 1000
        AND m.channel_id = r.channel_id AND m.external_id = r.external_id"""

# The vendor's id names either what a customer wrote, or one part of what we sent.
_QUOTED = Batch(
    f"""SELECT r.channel_id, r.external_id, m.seq, m.text, m.direction, '' AS agent FROM {{rows}} {WRITTEN}
    UNION ALL
    SELECT a.channel_id, a.external_id, m.seq, m.text, m.direction, ag.name FROM {{rows}}
    JOIN attempts a ON a.channel_id = r.channel_id AND a.external_id = r.external_id
    JOIN messages m ON m.id = a.message_id
    LEFT JOIN agents ag ON ag.id = m.agent_id""",
    contact_id="uuid", channel_id="int", external_id="text",
)  # fmt: skip


async def quoted(tx: Tx, references: Sequence[tuple[str, int, str]]) -> dict[tuple[int, str], dict[str, Any]]:
    """`{(channel id, vendor's id): {seq, text, author}}` for those that we know.

    `references` are `(contact id, channel id, vendor's id)`.
    """
    rows = [
        {"contact_id": contact_id, "channel_id": channel_id, "external_id": external}
        for contact_id, channel_id, external in references
    ]
    return {
        (row.channel_id, row.external_id): {"seq": row.seq, "text": row.text, "author": row.agent or ""}
        for row in await _QUOTED.run_all(tx, rows)
    }
