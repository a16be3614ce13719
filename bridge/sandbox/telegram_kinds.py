"""What a Telegram customer can do, each kind as the update that the Bot API makes of it.

https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bridge.sandbox import samples
from bridge.sandbox.feed import Json
from bridge.sandbox.telegram_chats import Chat
from bridge.sandbox.telegram_sending import described
from bridge.sandbox.vendor import Upload

if TYPE_CHECKING:
    from bridge.sandbox.telegram import Telegram

_NAMES = {1001: ("Giulia Ferri", "giuliaferri"), 1002: ("Luca Marini", "lucamarini"), 1003: ("Sara Conti", "")}
_GROUP = -100_200_300


def updates(bot: Telegram, text: str, kind: str, chat_id: int, more: Mapping[str, Any]) -> list[Json]:
    """The update (several for an album) of a customer who does `kind`.

    Kinds and what they take in `more`: text (`entities`); photo, video, animation, voice, audio,
    video_note, document, sticker (`file`: an `Upload`, else a sample); album (`count` or `files`);
    location, venue (`latitude`, `longitude`), contact (`phone`, `own`), poll, dice; reply
    (`message_id`: the one answered), edit (`message_id`: the one changed, else the last); start
    (`payload`); blocked, unblocked; group (a message in a group chat). `update`: raw.
    """
    raw = more.get("update")
    if raw is not None:
        return [_raw(bot, dict(raw))]
    name, username = _NAMES.get(chat_id, (f"Customer {chat_id}", ""))
    chat = bot.chats.enter(chat_id, str(more.get("name") or name), str(more.get("username") or username))
    if kind in ("blocked", "unblocked"):
        return [_standing(bot, chat, blocked=kind == "blocked")]
    chat.blocked = False
    if kind == "album":
        return [{"message": message} for message in _album(bot, chat, text, more)]
    if kind == "edit":
        return [{"edited_message": _edit(chat, text, more)}]
    if kind == "group":
        group = bot.chats.group(_GROUP, str(more.get("title") or "Amici di Bottega Lume"))
        return [{"message": group.message(chat.who, {"text": text})}]
    make = _CONTENTS.get(kind)
    if make is None:
        raise ValueError(f"unknown kind of message: {kind}")
    return [{"message": chat.message(chat.who, make(bot, chat, text, more))}]


def subject(update: Json) -> tuple[Json, Json | None]:
    """The chat that an update is about, and its message if it has one."""
    for key, value in update.items():
        if isinstance(value, dict) and isinstance(value.get("chat"), dict):
            return value["chat"], value if "message_id" in value and key != "message_reaction" else None
    nested = [v["message"] for v in update.values() if isinstance(v, dict) and isinstance(v.get("message"), dict)]
    return (nested[0].get("chat") or {}, None) if nested else ({}, None)


def _raw(bot: Telegram, update: Json) -> Json:
    chat, message = subject(update)
    if chat.get("type") == "private" and message is not None:
        name = f"{chat.get('first_name', '')} {chat.get('last_name', '')}".strip()
        known = bot.chats.enter(int(chat["id"]), name, str(chat.get("username", "")))
        known.messages[int(message["message_id"])] = message
        known.last_id = max(known.last_id, int(message["message_id"]))
    return update


def _standing(bot: Telegram, chat: Chat, *, blocked: bool) -> Json:
    was, becomes = ("member", "kicked") if blocked else ("kicked", "member")
    chat.blocked = blocked
    until = {"until_date": 0}
    return {
        "my_chat_member": {
            "chat": chat.head(), "from": chat.who, "date": int(time.time()),
            "old_chat_member": {"user": bot.bot, "status": was} | ({} if blocked else until),
            "new_chat_member": {"user": bot.bot, "status": becomes} | (until if blocked else {}),
        }
    }  # fmt: skip


def _album(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> list[Json]:
    uploads = more.get("files") or [samples.photo(n) for n in range(int(more.get("count") or 3))]
    album = str(secrets.randbits(54))
    made = []
    for number, upload in enumerate(uploads):
        kind = "video" if upload.mime.startswith("video/") else "photo"
        content = described(kind, bot.files.add(upload, f"{kind}s"))
        caption = {"caption": text} if text and number == 0 else {}
        made.append(chat.message(chat.who, {**content, **caption, "media_group_id": album}))
    return made


def _edit(chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
    own = [m for m in chat.messages.values() if m["from"].get("id") == chat.id]
    wanted = more.get("message_id")
    message = next((m for m in own if m["message_id"] == wanted), None) if wanted else (own[-1] if own else None)
    if message is None:
        raise ValueError("there is no message to edit")
    changed = {**message, "edit_date": int(time.time()), ("text" if "text" in message else "caption"): text}
    chat.messages[message["message_id"]] = changed
    return changed


def _text(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
    entities = more.get("entities")
    return {"text": text, "entities": entities} if entities else {"text": text}


def _start(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
    payload = str(more.get("payload") or text)
    return {"text": f"/start {payload}".strip(), "entities": [{"type": "bot_command", "offset": 0, "length": 6}]}


def _reply(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
    ours = [m for m in chat.messages.values() if m["message_id"] == more.get("message_id")]
    theirs = ours or [m for m in chat.messages.values() if m["from"].get("is_bot")][-1:]
    quoted = {k: v for k, v in theirs[0].items() if k != "reply_to_message"} if theirs else None
    return {"text": text, "reply_to_message": quoted} if quoted else {"text": text}


def _file(kind: str) -> Callable[..., Json]:
    def make(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
        upload = more.get("file") or samples.of(kind)
        assert isinstance(upload, Upload)
        content = described(kind, bot.files.add(upload, f"{kind}s"))
        captioned = text and kind not in ("sticker", "video_note")
        return {**content, "caption": text} if captioned else content

    return make


def _position(more: Mapping[str, Any]) -> Json:
    return {"latitude": float(more.get("latitude", 44.2866)), "longitude": float(more.get("longitude", 11.8830))}


def _location(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
    return {"location": _position(more)}


def _venue(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
    # Telegram fills `location` too, for bots that do not know venues.
    place = {"location": _position(more), "title": text or "Piazza del Popolo", "address": "Piazza del Popolo 1"}
    return {"venue": place, "location": place["location"]}


def _contact(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
    card: Json = {"phone_number": str(more.get("phone") or "+393331112233"), "first_name": text or "Marta"}
    return {"contact": {**card, "user_id": chat.id} if more.get("own") else card}


def _poll(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
    options = [{"persistent_id": str(n), "text": word, "voter_count": 0} for n, word in enumerate(("Sì", "No"))]
    return {
        "poll": {
            "id": str(secrets.randbits(60)), "question": text or "Passate domani?", "options": options,
            "total_voter_count": 0, "is_closed": False, "is_anonymous": True, "type": "regular",
            "allows_multiple_answers": False, "allows_revoting": True, "members_only": False,
        }
    }  # fmt: skip


def _dice(bot: Telegram, chat: Chat, text: str, more: Mapping[str, Any]) -> Json:
    return {"dice": {"emoji": "🎲", "value": random.randint(1, 6)}}


_CONTENTS: dict[str, Callable[..., Json]] = {
    "text": _text, "start": _start, "reply": _reply, "location": _location, "venue": _venue,
    "contact": _contact, "poll": _poll, "dice": _dice,
    **{kind: _file(kind) for kind in
       ("photo", "video", "animation", "voice", "audio", "video_note", "document", "sticker")},
}  # fmt: skip
KINDS = (*_CONTENTS, "album", "edit", "blocked", "unblocked", "group")

