"""What customers change in their messages: the old text is kept beside the new one."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from bridge.models import Edit
from bridge.store.changes_log import note_changes
from bridge.store.engine import Batch, Row, Tx, to_json
from bridge.store.quotes import WRITTEN

_KNOWN = Batch(
    f"""SELECT m.id, m.conversation_id, m.channel_id, m.external_id, m.text, m.data
    FROM {{rows}} {WRITTEN}""",
    contact_id="uuid", channel_id="int", external_id="text",
)  # fmt: skip
_VERSIONS = Batch(
    "INSERT INTO versions (message_id, at, text) SELECT message_id, CAST(:now AS bigint), text FROM {rows}",
    message_id="uuid", text="text",
)  # fmt: skip
# A live location moves without a word being changed.
_EDITED = Batch(
    """UPDATE messages SET text = r.text, data = r.data,
        edited_at = CASE WHEN messages.text = r.text THEN messages.edited_at ELSE CAST(:now AS bigint) END
    FROM {rows} WHERE messages.id = r.message_id""",
    message_id="uuid", text="text", data="text",
)  # fmt: skip


async def apply(tx: Tx, edits: Sequence[tuple[str, int, Edit]], now: int) -> None:
    """Change what each `(contact id, channel id, edit)` speaks of; no change to see is nothing."""
    rows = [
        {"contact_id": contact_id, "channel_id": channel_id, "external_id": edit.external_id}
        for contact_id, channel_id, edit in edits
    ]
    known = {(row.channel_id, row.external_id): row for row in await _KNOWN.run_all(tx, rows)}
    shown = {key: (row.text, row.data) for key, row in known.items()}
    for _, channel_id, edit in edits:
        key = (channel_id, edit.external_id)
        if key not in known:
            continue
        before, after = shown[key], (edit.text, _data(edit, known[key]))
        if after != before:
            await _change(tx, known[key], before[0], after, now)
            shown[key] = after


async def _change(tx: Tx, message: Row, before: str, after: tuple[str, str], now: int) -> None:
    text, data = after
    if text != before:
        await _VERSIONS.run_all(tx, [{"message_id": message.id, "text": before}], now=now)
    await _EDITED.run_all(tx, [{"message_id": message.id, "text": text, "data": data}], now=now)
    await note_changes(tx, [("message", message.conversation_id, message.id)], now)


def _data(edit: Edit, message: Row) -> str:
    """What the new version holds besides its text; it answers what the old one answered."""
    quote = orjson.loads(message.data).get("quote")
    return to_json({**edit.data, "quote": quote} if quote else dict(edit.data))
