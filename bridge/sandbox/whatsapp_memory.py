"""What the stand-in for WhatsApp keeps over a restart of the demo, as JSON; its files lie elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from bridge.sandbox.feed import Json
from bridge.sandbox.vendor import Upload
from bridge.sandbox.whatsapp import WhatsApp
from bridge.sandbox.whatsapp_account import Phone
from bridge.sandbox.whatsapp_messages import Message


def dump(whatsapp: WhatsApp, file: Callable[[str, Upload], Json]) -> Json:
    """Customers, messages and files; `file` writes one down and says how it is found again."""
    account = whatsapp.account
    return {
        "phones": [_phone(phone) for phone in account.phones.values()],
        "messages": [asdict(message) for message in account],
        "files": [file(media_id, upload) for media_id, upload in account.files.items()],
        "stopped": sorted(whatsapp.consent.stopped),
    }


def load(whatsapp: WhatsApp, found: Json, upload: Callable[[Json], Upload | None]) -> None:
    """Bring it all back; `upload` reads a file."""
    account = whatsapp.account
    whatsapp.consent.stopped.update(found["stopped"])
    for item in found["phones"]:
        wrote = datetime.fromisoformat(item.pop("wrote")) if item["wrote"] else item.pop("wrote")
        account.phones[item["number"]] = Phone(**item, wrote=wrote)
    for item in found["messages"]:
        account.add(Message(**{**item, "at": datetime.fromisoformat(item["at"])}))
    for item in found["files"]:
        read = upload(item)
        if read is not None:
            account.files[item["id"]] = read


def _phone(phone: Phone) -> Json:
    names = ("number", "name", "user_id", "wrote", "hidden")
    return {name: getattr(phone, name) for name in names}
