"""Albums: files that a customer sends as one, and that arrive apart.

Every file may have a caption of its own. The message shows them all; its `data` keeps them apart, by the
vendor's ids, so that each can be edited.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from bridge.store.engine import Batch, Tx, to_json

_KNOWN = Batch(
    """SELECT m.address_id, m.album, m.id, m.conversation_id, m.external_id, m.text, m.data,
        (SELECT count(*) FROM attachments f WHERE f.message_id = m.id) AS files FROM {rows}
    JOIN messages m ON m.address_id = r.address_id AND m.album = r.album""",
    address_id="uuid", album="text",
)  # fmt: skip

_CAPTIONS = Batch(
    "UPDATE messages SET text = r.text, data = r.data FROM {rows} WHERE messages.id = r.id",
    id="uuid", text="text", data="text",
)  # fmt: skip


@dataclass(slots=True)
class Album:
    """A message that more files may join, and how many the database has of it."""

    message_id: str
    conversation_id: str
    files: int
    external_id: str
    text: str
    data: dict[str, Any] = field(repr=False)

    def join(self, external_id: str, caption: str) -> None:
        """Another file of it, with what the customer wrote below."""
        captions = self.data.setdefault("captions", {self.external_id: self.text})
        captions[external_id] = caption
        self.text = together(captions)


async def known(tx: Tx, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Album]:
    """`{(address id, album): its message}` for those that have begun already."""
    rows = [{"address_id": address_id, "album": album} for address_id, album in keys]
    return {
        (row.address_id, row.album): Album(
            row.id, row.conversation_id, row.files, row.external_id or "", row.text, orjson.loads(row.data)
        )
        for row in await _KNOWN.run_all(tx, rows)
    }


async def save(tx: Tx, joined: Iterable[Album]) -> None:
    """Write down what files that joined have brought."""
    rows = [{"id": album.message_id, "text": album.text, "data": to_json(album.data)} for album in joined]
    await _CAPTIONS.run_all(tx, rows)


def together(captions: Mapping[str, str]) -> str:
    """What the message says."""
    return "\n".join(filter(None, captions.values()))
