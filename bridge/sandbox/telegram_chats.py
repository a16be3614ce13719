"""The chats and files of the stand-in for Telegram."""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.sandbox.feed import Json
from bridge.sandbox.vendor import Upload

_KEPT_MESSAGES = 200
_KEPT_FILES = 500


class ApiError(Exception):
    """An error as the Bot API answers it (https://core.telegram.org/bots/api#making-requests)."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


@dataclass(slots=True)
class Chat:
    """A chat with the bot: its messages by id, in order."""

    id: int
    who: Json
    type: str = "private"
    title: str = ""
    blocked: bool = False
    messages: dict[int, Json] = field(default_factory=dict)
    last_id: int = 0

    def head(self) -> Json:
        """The `chat` of a message."""
        if self.type != "private":
            return {"id": self.id, "type": self.type, "title": self.title}
        names = {k: v for k, v in self.who.items() if k in ("first_name", "last_name", "username")}
        return {"id": self.id, "type": "private", **names}

    def message(self, author: Json, content: Json) -> Json:
        """A new message with the next id, kept."""
        self.last_id += 1
        made = {"message_id": self.last_id, "from": author, "chat": self.head(), "date": int(time.time())}
        made.update(content)
        self.keep(made)
        return made

    def keep(self, message: Json) -> None:
        """Keep a message under its own id; the oldest go when there are too many."""
        number = int(message["message_id"])
        self.messages[number] = message
        self.last_id = max(self.last_id, number)
        if len(self.messages) > _KEPT_MESSAGES:
            del self.messages[next(iter(self.messages))]

    def view(self) -> Json:
        """What a phone shows."""
        name = self.title or f"{self.who['first_name']} {self.who.get('last_name', '')}".strip()
        return {
            "id": self.id, "name": name, "type": self.type, "username": self.who.get("username", ""),
            "blocked": self.blocked, "messages": list(self.messages.values()),
        }  # fmt: skip


class Chats:
    """All chats. `known_only`: the bot cannot write to who never wrote to it, as in real life."""

    def __init__(self, *, known_only: bool) -> None:
        self._known_only = known_only
        self._chats: dict[int, Chat] = {}

    def __iter__(self) -> Iterator[Chat]:
        return iter(self._chats.values())

    def put(self, chat: Chat) -> None:
        """A chat as it was before."""
        self._chats[chat.id] = chat

    def enter(self, chat_id: int, name: str, username: str = "") -> Chat:
        """The private chat of a person, made at their first word."""
        chat = self._chats.get(chat_id)
        if chat is None:
            chat = self._chats[chat_id] = Chat(chat_id, person(chat_id, name, username))
        elif name:
            chat.who = person(chat_id, name, username or str(chat.who.get("username", "")))
        return chat

    def group(self, chat_id: int, title: str) -> Chat:
        """A group that the bot is in."""
        return self._chats.setdefault(chat_id, Chat(chat_id, {}, type="group", title=title))

    def to_send(self, chat_id: object) -> Chat:
        """Where the bot wants to write; `ApiError` as Telegram refuses it."""
        try:
            number = int(str(chat_id))
        except ValueError:
            raise ApiError(400, "Bad Request: chat not found") from None
        chat = self._chats.get(number)
        if chat is None:
            if self._known_only:
                raise ApiError(400, "Bad Request: chat not found")
            chat = self.enter(number, f"Customer {number}")
        if chat.blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        return chat

    def clear(self) -> None:
        """Forget everybody."""
        self._chats.clear()


@dataclass(frozen=True, slots=True)
class Stored:
    """A file at Telegram."""

    id: str
    path: str
    upload: Upload

    def about(self) -> Json:
        """The fields that every kind of file has."""
        return {"file_id": self.id, "file_unique_id": self.id[-16:], "file_size": len(self.upload.data)}


class Files:
    """Files by id and by path; the oldest go when there are too many."""

    def __init__(self) -> None:
        self._by_id: dict[str, Stored] = {}

    def add(self, upload: Upload, folder: str) -> Stored:
        """Keep a file and give it an id; the same bytes get the same one."""
        digest = hashlib.sha256(upload.data + upload.mime.encode() + upload.name.encode()).hexdigest()[:40]
        ending = upload.name.rpartition(".")[2] if "." in upload.name else "bin"
        path = f"{folder}/file_{digest[:12]}.{ending if ending.isalnum() else 'bin'}"
        stored = self._by_id.setdefault(f"AgAC{digest}", Stored(f"AgAC{digest}", path, upload))
        if len(self._by_id) > _KEPT_FILES:
            del self._by_id[next(iter(self._by_id))]
        return stored

    def __iter__(self) -> Iterator[Stored]:
        return iter(self._by_id.values())

    def put(self, stored: Stored) -> None:
        """A file as it was before."""
        self._by_id[stored.id] = stored

    def get(self, file_id: str) -> Stored | None:
        """A file by its id."""
        return self._by_id.get(file_id)

    def at(self, path: str) -> Stored | None:
        """A file by the path that getFile gave."""
        return next((stored for stored in self._by_id.values() if stored.path == path), None)

    def clear(self) -> None:
        """Forget all."""
        self._by_id.clear()


def person(user_id: int, name: str, username: str = "") -> Json:
    """A `User` of the Bot API."""
    first, _, last = name.partition(" ")
    who: Json = {"id": user_id, "is_bot": False, "first_name": first or "Customer"}
    if last:
        who["last_name"] = last
    if username:
        who["username"] = username
    return {**who, "language_code": "it"}


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG or JPEG; 1280 × 960 for anything else."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return int(width), int(height)
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return int(width), int(height)
        at += 2 + length
    return 1280, 960
