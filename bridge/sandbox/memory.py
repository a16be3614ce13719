"""What the stand-ins remember over a restart of the demo, in a folder of its own.

The gateway keeps its conversations; without this the phones beside it would be empty, and a bot
with a new id would be another channel.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from pathlib import Path
from typing import TypedDict

import orjson
import structlog

from bridge.sandbox import whatsapp_memory
from bridge.sandbox.feed import Json
from bridge.sandbox.telegram_chats import Chat, Stored
from bridge.sandbox.twilio_messages import Message
from bridge.sandbox.vendor import Upload
from bridge.sandbox.vendors import Vendors

log = structlog.get_logger()

_EVERY = 5.0
# What came after the last save is forgotten by a kill: new ids must not repeat those.
_LEAP = 1_000


class Credentials(TypedDict, total=False):
    """The stand-ins' accounts, as `Vendors` takes them."""

    telegram_token: str
    account_sid: str
    auth_token: str
    whatsapp_token: str
    phone_number_id: str
    app_secret: str


class Memory:
    """Loads and saves stand-ins. Files are kept apart, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = folder / "state.json"
        self._saved = b""

    def credentials(self) -> Credentials:
        """The accounts of the last time; empty at first."""
        known: Credentials = self._read().get("credentials", {})
        return known

    def load(self, vendors: Vendors) -> None:
        """Bring everything back."""
        found = self._read()
        if "telegram" in found:
            self._load_telegram(vendors, found["telegram"])
            self._load_sms(vendors, found["sms"])
        if "whatsapp" in found:
            whatsapp_memory.load(vendors.whatsapp, found["whatsapp"], self._upload)

    def save(self, vendors: Vendors) -> None:
        """Write down what is new."""
        telegram, account, number = vendors.telegram, vendors.sms.account, vendors.whatsapp.account
        body = orjson.dumps({
            "credentials": {"telegram_token": telegram.token, "account_sid": account.sid,
                            "auth_token": account.token, "whatsapp_token": number.token,
                            "phone_number_id": number.phone_number_id, "app_secret": number.app_secret},
            "telegram": {
                "updates": telegram.updates.dump(),
                "chats": [_chat(chat) for chat in telegram.chats],
                "files": [self._file(stored) for stored in telegram.files],
            },
            "sms": {"messages": [self._message(m) for m in reversed(list(account.newest_first()))],
                    "opted_out": sorted(account.opted_out)},
            "whatsapp": whatsapp_memory.dump(vendors.whatsapp, self._kept),
        })  # fmt: skip
        if body == self._saved:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._state.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_bytes(body)
        draft.replace(self._state)
        self._saved = body

    async def keep(self, vendors: Vendors) -> None:
        """Save now and then, until cancelled."""
        while True:
            with contextlib.suppress(OSError):  # a full disk is no reason to end the demo
                self.save(vendors)
            await asyncio.sleep(_EVERY)

    def _read(self) -> Json:
        try:
            found: Json = orjson.loads(self._state.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, orjson.JSONDecodeError):
            log.warning("the sandbox starts anew: its state cannot be read", path=str(self._state))
            return {}
        return found

    def _load_telegram(self, vendors: Vendors, found: Json) -> None:
        telegram = vendors.telegram
        telegram.updates.load(found["updates"], leap=_LEAP)
        for item in found["chats"]:
            chat = Chat(item["id"], item["who"], item["type"], item["title"], item["blocked"])
            chat.messages = {message["message_id"]: message for message in item["messages"]}
            chat.last_id = item["last_id"] + _LEAP
            telegram.chats.put(chat)
        for item in found["files"]:
            upload = self._upload(item)
            if upload is not None:
                telegram.files.put(Stored(item["id"], item["path"], upload))

    def _load_sms(self, vendors: Vendors, found: Json) -> None:
        account = vendors.sms.account
        account.opted_out.update(found["opted_out"])
        for item in found["messages"]:
            media = [(part["id"], self._upload(part)) for part in item.pop("media")]
            created, sent = item.pop("created"), item.pop("sent")
            message = Message(**item, media=[(sid, upload) for sid, upload in media if upload])
            message.created = datetime.fromisoformat(created)
            message.sent = datetime.fromisoformat(sent) if sent else None
            account.add(message)

    def _message(self, message: Message) -> Json:
        names = ("sid", "sender", "to", "body", "direction", "status", "service", "error", "created", "sent")
        media = [self._file(Stored(sid, "", upload)) for sid, upload in message.media]
        return {**{name: getattr(message, name) for name in names}, "media": media}

    def _kept(self, media_id: str, upload: Upload) -> Json:
        return self._file(Stored(media_id, "", upload))

    def _file(self, stored: Stored) -> Json:
        path = self._folder / "files" / stored.id
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(stored.upload.data)
        return {"id": stored.id, "path": stored.path, "name": stored.upload.name, "mime": stored.upload.mime}

    def _upload(self, item: Json) -> Upload | None:
        try:
            data = (self._folder / "files" / item["id"]).read_bytes()
        except OSError:
            return None
        return Upload(item["name"], item["mime"], data)


def _chat(chat: Chat) -> Json:
    return {
        "id": chat.id, "who": chat.who, "type": chat.type, "title": chat.title, "blocked": chat.blocked,
        "last_id": chat.last_id, "messages": list(chat.messages.values()),
    }  # fmt: skip
