"""Edits: what a customer made of a message afterwards. Every version is kept."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.models import Edit
from bridge.store.changes_log import note_changes
from bridge.store.engine import Batch, Tx, to_json
from bridge.store.quotes import WRITTEN

_EDITS = Batch(
    f"""SELECT m.id, m.conversation_id, m.channel_id, m.external_id, m.text FROM {{rows}} {WRITTEN}""",
    contact_id="uuid", channel_id="int", external_id="text",
)  # fmt: skip
_VERSIONS = Batch(
    "INSERT INTO versions (message_id, at, text) SELECT message_id, CAST(:now AS bigint), text FROM {rows}",
    message_id="uuid", text="text",
)  # fmt: skip
_EDITED = Batch(
    """UPDATE messages SET text = r.text, data = r.data, edited_at = CAST(:now AS bigint) FROM {rows}
    WHERE messages.id = r.message_id""",
    message_id="uuid", text="text", data="text",
)  # fmt: skip


async def apply(tx: Tx, edits: Sequence[tuple[str, int, Edit]], now: int) -> None:
    """Keep the old version beside the new one; an edit that changes nothing to see is nothing.

    `edits` are `(contact id, channel id, edit)`, in their order.
    """
    rows = [
        {"contact_id": contact_id, "channel_id": channel_id, "external_id": edit.external_id}
        for contact_id, channel_id, edit in edits
    ]
    known = {(row.channel_id, row.external_id): row for row in await _EDITS.run_all(tx, rows)}
    texts = {key: row.text for key, row in known.items()}
    for _, channel_id, edit in edits:
        key = (channel_id, edit.external_id)
        if key not in known or texts[key] == edit.text:
            continue
        message = known[key]
        await _VERSIONS.run_all(tx, [{"message_id": message.id, "text": texts[key]}], now=now)
        row = {"message_id": message.id, "text": edit.text, "data": to_json(dict(edit.data))}
        await _EDITED.run_all(tx, [row], now=now)
        await note_changes(tx, [("message", message.conversation_id, message.id)], now)
        texts[key] = edit.text
