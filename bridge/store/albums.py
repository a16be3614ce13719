"""Albums: files that a customer sends as one, and that arrive apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.store.engine import Batch, Tx

_KNOWN = Batch(
    """SELECT m.address_id, m.album, m.id, m.conversation_id,
        (SELECT count(*) FROM attachments f WHERE f.message_id = m.id) AS files FROM {rows}
    JOIN messages m ON m.address_id = r.address_id AND m.album = r.album""",
    address_id="uuid", album="text",
)  # fmt: skip

_CAPTION = Batch(
    """UPDATE messages SET text = CASE WHEN messages.text = '' THEN r.text
        ELSE messages.text || CAST(:line AS text) || r.text END
    FROM {rows} WHERE messages.id = r.message_id""",
    message_id="uuid", text="text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Album:
    """A message that more files may join, and how many the database has of it."""

    message_id: str
    conversation_id: str = ""
    files: int = 0


async def known(tx: Tx, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Album]:
    """`{(address id, album): its message}` for those that have begun already."""
    rows = [{"address_id": address_id, "album": album} for address_id, album in keys]
    return {
        (row.address_id, row.album): Album(row.id, row.conversation_id, row.files)
        for row in await _KNOWN.run_all(tx, rows)
    }


async def add_caption(tx: Tx, message_id: str, text: str) -> None:
    """Every file of an album may have words of its own."""
    if text:
        await _CAPTION.run_all(tx, [{"message_id": message_id, "text": text}], line="\n")
