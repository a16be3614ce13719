"""What the live feed tells pages, as JSON that is made once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson
from pydantic import BaseModel

from bridge.channels.live import LiveChannel
from bridge.store import activity, contacts, conversations, health, messages
from bridge.store import channels as channel_rows
from bridge.store.changes import Change, Cursor, Position
from bridge.store.engine import Tx
from bridge.views import ChannelView


class Frame(NamedTuple):
    """One durable frame, and the place in the feed that it brings its reader to."""

    at: Position
    text: bytes


async def frames(
    tx: Tx, feed_id: str, changes: Sequence[Change], channels: Mapping[int, LiveChannel]
) -> list[Frame]:
    """The frames for these changes, in order; of several changes of one thing only the last one."""
    last = {change[1:]: change for change in changes}
    wanted = sorted(last.values())
    parts = await _parts(tx, wanted, channels)
    made = []
    for change in wanted:
        body = _body(change, parts)
        if body:
            cursor = str(Cursor(feed_id, change.at)).encode()
            text = b'{"type":"%b","cursor":"%b",%b}' % (change.kind.encode(), cursor, body)
            made.append(Frame(change.at, text))
    return made


def greeting(kind: str, cursor: Cursor) -> bytes:
    """`hello`, or `reset` where the page's cursor means nothing here."""
    return orjson.dumps({"type": kind, "cursor": str(cursor)})


# Each noun's JSON by its id, each made once however many frames carry it.
_Parts = Mapping[str, Mapping[str, bytes]]


async def _parts(tx: Tx, changes: Sequence[Change], channels: Mapping[int, LiveChannel]) -> _Parts:
    threads = {change.conversation_id for change in changes if change.conversation_id}
    parts = {
        "message": _json(await messages.views(tx, _subjects(changes, "message"))),
        "activity": _json(await activity.views(tx, _subjects(changes, "activity"))),
        "contact": _json(await contacts.views(tx, _subjects(changes, "contact"))),
        "conversation": _json(await conversations.views(tx, threads)),
    }
    if any(change.kind == "channels" for change in changes):
        views = await channel_views(tx, channels)
        parts["channels"] = {"": b"[%b]" % b",".join(map(_dump, views))}
    return parts


async def channel_views(tx: Tx, channels: Mapping[int, LiveChannel]) -> list[ChannelView]:
    """The channels that are on; how each is was said by one node for all."""
    states, incidents = await channel_rows.states(tx), await health.under_way(tx)
    return [live.view(*states[live.id], incidents.get(live.id)) for live in channels.values()]


def _body(change: Change, parts: _Parts) -> bytes:
    """The members of a frame besides its type and cursor; empty if its subject is gone."""
    subject = change.conversation_id if change.kind == "conversation" else change.subject_id
    found = parts.get(change.kind, {}).get(subject or "")
    if not found:
        return b""
    body = b'"%b":%b' % (change.kind.encode(), found)
    if change.kind in ("message", "activity"):
        body += b',"conversation":%b' % parts["conversation"][change.conversation_id or ""]
    return body


def _subjects(changes: Iterable[Change], kind: str) -> set[str]:
    return {change.subject_id for change in changes if change.kind == kind and change.subject_id}


def _json(views: Mapping[str, BaseModel]) -> dict[str, bytes]:
    return {key: _dump(view) for key, view in views.items()}


def _dump(view: BaseModel) -> bytes:
    return view.model_dump_json().encode()
