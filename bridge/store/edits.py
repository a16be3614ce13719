"""What customers change in their messages: the old text is kept beside the new one.

An edit may be here before its message, of which the vendor was told to send it again. It waits among the
events, under a name that its message looks for, and is forgotten like any other event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bridge.ids import new_id
from bridge.models import Edit
from bridge.store.albums import together
from bridge.store.changes_log import note_changes
from bridge.store.engine import Batch, Row, Tx, to_json
from bridge.store.quotes import WRITTEN

_KNOWN = Batch(
    f"""SELECT r.contact_id, m.id, m.conversation_id, m.channel_id, m.external_id, m.text, m.data
    FROM {{rows}} {WRITTEN}""",
    contact_id="uuid", channel_id="int", external_id="text",
)  # fmt: skip
# A file of an album that is not its first one: its message is known by the first one's id.
_OF_ALBUMS = Batch(
    """SELECT r.contact_id, m.id, m.conversation_id, m.channel_id, m.external_id, m.text, m.data,
        r.external_id AS part
    FROM {rows} JOIN addresses a ON a.contact_id = r.contact_id AND a.channel_id = r.channel_id
    JOIN messages m ON m.address_id = a.id AND m.album = r.album""",
    contact_id="uuid", channel_id="int", external_id="text", album="text",
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

# A channel, and the vendor's id of a message there.
_Name = tuple[int, str]

# Before the vendor's id of the message that an edit waits for.
EARLY = "early:"
_WAIT = Batch(
    """INSERT INTO events (id, channel_id, key, body, received_at)
    SELECT id, channel_id, key, body, CAST(:now AS bigint) FROM {rows} WHERE true
    ON CONFLICT (channel_id, key) DO UPDATE SET body = excluded.body""",
    id="uuid", channel_id="int", key="text", body="text",
)  # fmt: skip
_COME = Batch("DELETE FROM events WHERE id IN (SELECT r.id FROM {rows}) RETURNING id, key, body", id="uuid")


async def apply(tx: Tx, edits: Sequence[tuple[str, int, Edit]], now: int) -> None:
    """Change what each `(contact id, channel id, edit)` speaks of; no change to see is nothing.

    Of what is not here yet the newest edit waits for it.
    """
    known = await _find(tx, edits)
    shown = {row.id: (row.text, row.data) for row in known.values()}
    early: dict[_Name, Edit] = {}
    for contact_id, channel_id, edit in edits:
        key = (contact_id, channel_id, edit.external_id)
        if key not in known:
            early[channel_id, edit.external_id] = edit
            continue
        message = known[key]
        before = shown[message.id]
        after = _edited(edit, message, before[1])
        if after != before:
            await _change(tx, message, before[0], after, now)
            shown[message.id] = after
    await _wait(tx, early, now)


async def come(tx: Tx, ids: Sequence[str]) -> dict[str, Edit]:
    """The edits that waited as these events, whose messages are here now; they wait no longer."""
    found = await _COME.run_all(tx, [{"id": each} for each in ids])
    # A body is emptied after days.
    return {row.id: _waiting(row) for row in found if row.body}


async def _find(tx: Tx, edits: Sequence[tuple[str, int, Edit]]) -> dict[tuple[str, int, str], Any]:
    """The messages that edits speak of, as far as they are here, by their writer and name."""
    rows = [
        {"contact_id": contact_id, "channel_id": channel_id, "external_id": edit.external_id,
         "album": edit.album}
        for contact_id, channel_id, edit in edits
    ]  # fmt: skip
    found = await _KNOWN.run_all(tx, rows)
    known = {(row.contact_id, row.channel_id, row.external_id): row for row in found}
    files = [
        row for row in rows
        if row["album"] and (row["contact_id"], row["channel_id"], row["external_id"]) not in known
    ]  # fmt: skip
    for row in await _OF_ALBUMS.run_all(tx, files):
        if row.part in orjson.loads(row.data).get("captions", {}):
            known[row.contact_id, row.channel_id, row.part] = row
    return known


async def _wait(tx: Tx, early: Mapping[_Name, Edit], now: int) -> None:
    rows = [
        {"id": new_id(), "channel_id": channel_id, "key": EARLY + external_id,
         "body": to_json({"text": edit.text, "data": edit.data, "album": edit.album})}
        for (channel_id, external_id), edit in sorted(early.items(), key=lambda each: each[0])
    ]  # fmt: skip
    await _WAIT.run_all(tx, rows, now=now)


def _waiting(row: Row) -> Edit:
    return Edit(key=row.key, urn="", external_id=row.key.removeprefix(EARLY), **orjson.loads(row.body))


async def _change(tx: Tx, message: Row, before: str, after: tuple[str, str], now: int) -> None:
    text, data = after
    if text != before:
        await _VERSIONS.run_all(tx, [{"message_id": message.id, "text": before}], now=now)
    await _EDITED.run_all(tx, [{"message_id": message.id, "text": text, "data": data}], now=now)
    await note_changes(tx, [("message", message.conversation_id, message.id)], now)


def _edited(edit: Edit, message: Row, data: str) -> tuple[str, str]:
    """Text and data of the new version; it answers what the old one answered."""
    old = orjson.loads(data)
    captions = old.get("captions")
    kept = {name: old[name] for name in ("quote", "captions") if name in old}
    if not captions:
        return edit.text, to_json({**edit.data, **kept})
    captions[edit.external_id] = edit.text
    # What else is said of an album is said of its first file.
    new = {**edit.data, **kept} if edit.external_id == message.external_id else old
    return together(captions), to_json(new)
