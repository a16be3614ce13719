"""Files that were given to us to send, and any file by its id."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from bridge.ids import new_id, now_ms
from bridge.store.engine import Tx
from bridge.store.files import Stored, kind_of
from bridge.store.tables import attachments
from bridge.views import FileView


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is in place, as it is served. `owner` is who uploaded it, empty for a vendor's."""

    sha256: str
    name: str
    mime: str
    owner: str


async def add(tx: Tx, stored: Stored, *, owner: str, name: str) -> FileView:
    """Name a file that is on disk already; it belongs to `owner` until a message takes it."""
    kind = kind_of(stored.mime)
    file = FileView(id=new_id(), name=name, mime=stored.mime, kind=kind, size=stored.size, url="")
    await tx.run(
        sa.insert(attachments).values(
            id=file.id, owner=owner, kind=file.kind, name=name, mime=stored.mime, size=stored.size,
            sha256=stored.sha256, state="stored", created_at=now_ms(),
        )
    )  # fmt: skip
    return file


async def find(tx: Tx, file_id: str) -> StoredFile | None:
    """The file behind an id, once it is in place."""
    rows = await tx.run(
        sa.select(attachments.c.sha256, attachments.c.name, attachments.c.mime, attachments.c.owner).where(
            attachments.c.id == file_id, attachments.c.state == "stored"
        )
    )
    return StoredFile(rows[0].sha256, rows[0].name, rows[0].mime, rows[0].owner) if rows else None
