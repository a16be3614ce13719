"""What a Telegram customer can do, each kind as the update that the Bot API makes of it.

https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from bridge.sandbox import samples
from bridge.sandbox.feed import Json
from bridge.sandbox.telegram_chats import Chat, Chats, Files
from bridge.sandbox.telegram_sending import described
from bridge.sandbox.vendor import Upload

_NAMES = {
    1001: ("Giulia Ferri", "giuliaferri"), 1002: ("Luca Marini", "lucamarini"), 1003: ("Sara Conti", ""),
}  # fmt: skip
_GROUP = -100_200_300


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a customer does.

    `kind` takes: text (`entities`); photo, video, animation, voice, audio, video_note, document,
    sticker (`file`, else a sample); album (`files`, else `count` samples); location, venue
    (`latitude`, `longitude`); contact (`phone`, `own`); poll; dice; reply (`message_id`: the one
    answered); edit (`message_id`: the one changed, else the last); start (`payload`); blocked;
    unblocked; group (`title`). `update` is a raw one and sent as it is.
    """

    text: str = ""
    kind: str = "text"
    chat_id: int = 1001
    name: str = ""
    username: str = ""
    entities: Sequence[Json] = ()
    file: Upload | None = None
    files: Sequence[Upload] = ()
    count: int = 3
    latitude: float = 44.2866
    longitude: float = 11.8830
    phone: str = "+393331112233"
    own: bool = False
    message_id: int | None = None
    payload: str = ""
    title: str = "Amici di Bottega Lume"
    update: Mapping[str, Any] | None = field(default=None)


FIELDS = frozenset(item.name for item in fields(Said))


def updates(said: Said, bot: Json, chats: Chats, files: Files) -> list[Json]:
    """The update of it, several for an album. What cannot be done is a `ValueError`."""
    if said.update is not None:
        return [_raw(dict(said.update), chats)]
    name, username = _NAMES.get(said.chat_id, (f"Customer {said.chat_id}", ""))
    chat = chats.enter(said.chat_id, said.name or name, said.username or username)
    if said.kind in ("blocked", "unblocked"):
        return [_standing(bot, chat, blocked=said.kind == "blocked")]
    chat.blocked = False
    if said.kind == "album":
        return [{"message": message} for message in _album(said, chat, files)]
    if said.kind == "edit":
        return [{"edited_message": _edit(said, chat)}]
    if said.kind == "group":
        return [{"message": chats.group(_GROUP, said.title).message(chat.who, {"text": said.text})}]
    if said.kind in _FILES:
        return [{"message": chat.message(chat.who, _file(said, files))}]
    if said.kind == "reply":
        return [{"message": chat.message(chat.who, _reply(said, chat))}]
    make = _CONTENTS.get(said.kind)
    if make is None:
        raise ValueError(f"unknown kind of message: {said.kind}")
    return [{"message": chat.message(chat.who, make(said, chat.id))}]


def subject(update: Json) -> tuple[Json, Json | None]:
    """The chat that an update is about, and its message if it has one."""
    for key, value in update.items():
        if not isinstance(value, dict):
            continue
        if isinstance(value.get("chat"), dict):
            return value["chat"], value if "message_id" in value and key != "message_reaction" else None
        if isinstance(value.get("message"), dict):  # a button pressed below a message
            return value["message"].get("chat") or {}, None
    return {}, None


def _raw(update: Json, chats: Chats) -> Json:
    chat, message = subject(update)
    if chat.get("type") == "private" and message is not None:
        name = f"{chat.get('first_name', '')} {chat.get('last_name', '')}".strip()
        chats.enter(int(chat["id"]), name, str(chat.get("username", ""))).keep(message)
    return update


def _standing(bot: Json, chat: Chat, *, blocked: bool) -> Json:
    was, becomes = ("member", "kicked") if blocked else ("kicked", "member")
    chat.blocked = blocked
    until = {"until_date": 0}
    return {
        "my_chat_member": {
            "chat": chat.head(), "from": chat.who, "date": int(time.time()),
            "old_chat_member": {"user": bot, "status": was} | ({} if blocked else until),
            "new_chat_member": {"user": bot, "status": becomes} | (until if blocked else {}),
        }
    }  # fmt: skip


def _album(said: Said, chat: Chat, files: Files) -> list[Json]:
    album = str(secrets.randbits(54))
    made = []
    for number, upload in enumerate(said.files or [samples.photo(n) for n in range(said.count)]):
        kind = "video" if upload.mime.startswith("video/") else "photo"
        content = described(kind, files.add(upload, f"{kind}s"))
        caption = {"caption": said.text} if said.text and number == 0 else {}
        made.append(chat.message(chat.who, {**content, **caption, "media_group_id": album}))
    return made


def _edit(said: Said, chat: Chat) -> Json:
    own = [message for message in chat.messages.values() if message["from"].get("id") == chat.id]
    wanted = [m for m in own if said.message_id in (None, m["message_id"])]
    if not wanted:
        raise ValueError("there is no message to edit")
    field_name = "text" if "text" in wanted[-1] else "caption"
    changed = {**wanted[-1], "edit_date": int(time.time()), field_name: said.text}
    chat.keep(changed)
    return changed


def _reply(said: Said, chat: Chat) -> Json:
    wanted = [m for m in chat.messages.values() if m["message_id"] == said.message_id]
    quoted = (wanted or [m for m in chat.messages.values() if m["from"].get("is_bot")])[-1:]
    if not quoted:
        return {"text": said.text}
    original = {k: v for k, v in quoted[0].items() if k != "reply_to_message"}
    return {"text": said.text, "reply_to_message": original}


def _file(said: Said, files: Files) -> Json:
    upload = said.file or samples.of(said.kind)
    content = described(said.kind, files.add(upload, f"{said.kind}s"))
    captioned = said.text and said.kind not in ("sticker", "video_note")
    return {**content, "caption": said.text} if captioned else content


def _text(said: Said, _: int) -> Json:
    return {"text": said.text, "entities": list(said.entities)} if said.entities else {"text": said.text}


def _start(said: Said, _: int) -> Json:
    command = {"type": "bot_command", "offset": 0, "length": 6}
    return {"text": f"/start {said.payload or said.text}".strip(), "entities": [command]}


def _location(said: Said, _: int) -> Json:
    return {"location": {"latitude": said.latitude, "longitude": said.longitude}}


def _venue(said: Said, _: int) -> Json:
    # Telegram fills `location` too, for bots that do not know venues.
    place, title = _location(said, _), said.text or "Piazza del Popolo"
    return {"venue": {**place, "title": title, "address": "Piazza del Popolo 1"}, **place}


def _contact(said: Said, chat_id: int) -> Json:
    card: Json = {"phone_number": said.phone, "first_name": said.text or "Marta"}
    return {"contact": {**card, "user_id": chat_id} if said.own else card}


def _poll(said: Said, _: int) -> Json:
    words = ("Sì", "No")
    options = [{"persistent_id": str(n), "text": word, "voter_count": 0} for n, word in enumerate(words)]
    return {
        "poll": {
            "id": str(secrets.randbits(60)), "question": said.text or "Passate domani?", "options": options,
            "total_voter_count": 0, "is_closed": False, "is_anonymous": True, "type": "regular",
            "allows_multiple_answers": False, "allows_revoting": True, "members_only": False,
        }
    }  # fmt: skip


def _dice(_: Said, __: int) -> Json:
    return {"dice": {"emoji": "🎲", "value": secrets.randbelow(6) + 1}}


_FILES = ("photo", "video", "animation", "voice", "audio", "video_note", "document", "sticker")
_CONTENTS: dict[str, Callable[[Said, int], Json]] = {
    "text": _text, "start": _start, "location": _location, "venue": _venue,
    "contact": _contact, "poll": _poll, "dice": _dice,
}  # fmt: skip
KINDS = (*_CONTENTS, *_FILES, "reply", "album", "edit", "blocked", "unblocked", "group")
