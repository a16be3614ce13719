"""What a WhatsApp customer can do, each kind as the Cloud API's webhook shows it.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from bridge.sandbox import samples
from bridge.sandbox.feed import Json
from bridge.sandbox.vendor import Upload
from bridge.sandbox.whatsapp_account import Account
from bridge.sandbox.whatsapp_messages import Message, make_wamid, trouble

_NAMES = {"+393331234567": "Marco Bianchi", "+393471112233": "Chiara Longo", "+393384445566": "Pietro Galli"}
# kind → (its name in the API, the sample)
_FILES = {
    "image": ("image", "photo"), "video": ("video", "video"), "audio": ("audio", "audio"),
    "voice": ("audio", "voice"), "document": ("document", "document"), "sticker": ("sticker", "sticker"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a customer does.

    `kind` takes: text; image, video, audio, voice, document, sticker (`file`, else a sample); location
    (`latitude`, `longitude`); contacts (`phone`); reaction (`emoji`, empty to take it back); button (a tap
    on a button with the id `button`, else on the first one); unsupported. `message_id` is the message
    that is quoted, reacted to or tapped on; without it a reaction or a tap takes the business's last.
    `hidden`: from now on WhatsApp keeps the customer's number to itself. `raw` is a message's own fields,
    with its `type`, sent as they are.
    """

    text: str = ""
    kind: str = "text"
    sender: str = "+393331234567"
    name: str = ""
    file: Upload | None = None
    latitude: float = 44.2866
    longitude: float = 11.8830
    phone: str = "+393331112233"
    emoji: str = "👍"
    button: str = ""
    message_id: str = ""
    hidden: bool | None = None
    raw: Mapping[str, Any] | None = None


FIELDS = frozenset(item.name for item in fields(Said))


def message(said: Said, account: Account) -> Message:
    """The message of it. What cannot be done is a `ValueError`."""
    phone = account.enter(
        said.sender, said.name or ("" if said.sender in account.phones else _NAMES.get(said.sender, ""))
    )
    if said.raw is not None:
        kind, found = str(said.raw.get("type", "unknown")), dict(said.raw)
    elif said.kind in _FILES:
        kind, found = _FILES[said.kind][0], _file(said, account)
    elif said.kind in _CONTENTS:
        kind, found = _CONTENTS[said.kind](said, account)
    else:
        raise ValueError(f"unknown kind of message: {said.kind}")
    if said.message_id and account.get(said.message_id) is None:
        raise ValueError(f"no message {said.message_id}")
    phone.hidden = phone.hidden if said.hidden is None else said.hidden
    context = "" if kind == "reaction" else said.message_id
    if said.kind == "button":
        context = context or _last_sent(said, account, "interactive").id
    made = Message(
        id=make_wamid(), customer=phone.number, direction="inbound", kind=kind, content=found,
        status="received", context=context,
    )  # fmt: skip
    phone.wrote = made.at
    return account.add(made)


def shown(made: Message, account: Account, url: str) -> Json:
    """A customer's message in a webhook. `url` is where this API's files lie."""
    phone = account.phones[made.customer]
    head: Json = {"from_user_id": phone.user_id, "id": made.id, "timestamp": str(int(made.at.timestamp()))}
    if not phone.hidden:
        head["from"] = phone.wa_id
    if made.context:
        head["context"] = {"from": account.number[1:], "id": made.context}
        quoted = account.get(made.context)
        if quoted is not None and quoted.direction == "inbound" and not phone.hidden:
            head["context"]["from"] = phone.wa_id
    if made.kind == "unsupported":
        return {**head, "type": "unsupported", "errors": [trouble(131051)]}
    if isinstance(made.content, dict) and "type" in made.content and made.kind == made.content["type"]:
        return {**head, **made.content}
    found = made.content
    if made.kind in ("image", "video", "audio", "document", "sticker"):
        found = {**found, "url": f"{url}/whatsapp_business/attachments/?mid={found['id']}"}
    return {**head, "type": made.kind, made.kind: found}


def _file(said: Said, account: Account) -> Json:
    kind, sample = _FILES[said.kind]
    upload = said.file or samples.of(sample)
    made: Json = {
        "mime_type": upload.mime, "sha256": hashlib.sha256(upload.data).hexdigest(),
        "id": account.upload(upload),
    }  # fmt: skip
    if kind == "audio":
        made["voice"] = said.kind == "voice"
        if said.kind == "voice":
            made["mime_type"] = f"{upload.mime}; codecs=opus"
    if kind == "sticker":
        made["animated"] = False
    if kind == "document":
        made["filename"] = upload.name
    return {**made, "caption": said.text} if said.text and kind not in ("audio", "sticker") else made


def _text(said: Said, _: Account) -> tuple[str, Json]:
    return "text", {"body": said.text}


def _location(said: Said, _: Account) -> tuple[str, Json]:
    place: Json = {"latitude": said.latitude, "longitude": said.longitude}
    return "location", {**place, "name": said.text, "address": "Piazza del Popolo 1"} if said.text else place


def _contacts(said: Said, _: Account) -> tuple[str, list[Json]]:
    name = said.text or "Marta"
    phone = {"phone": said.phone, "wa_id": said.phone.lstrip("+"), "type": "CELL"}
    return "contacts", [{"name": {"first_name": name, "formatted_name": name}, "phones": [phone]}]


def _reaction(said: Said, account: Account) -> tuple[str, Json]:
    target = said.message_id or _last_sent(said, account).id
    return "reaction", {"message_id": target, **({"emoji": said.emoji} if said.emoji else {})}


def _button(said: Said, account: Account) -> tuple[str, Json]:
    asked = account.get(said.message_id) if said.message_id else _last_sent(said, account, "interactive")
    buttons = asked.buttons if asked else []
    tapped = next((button for button in buttons if said.button in ("", button["id"])), None)
    if tapped is None:
        raise ValueError("there is no such button")
    return "interactive", {
        "type": "button_reply",
        "button_reply": {"id": tapped["id"], "title": tapped["title"]},
    }


def _unsupported(_: Said, __: Account) -> tuple[str, None]:
    return "unsupported", None


def _last_sent(said: Said, account: Account, kind: str = "") -> Message:
    theirs = [
        m for m in account if m.customer == said.sender and m.direction == "outbound" and m.kind != "reaction"
    ]
    found = [m for m in theirs if kind in ("", m.kind)]
    if not found:
        raise ValueError("the business has sent nothing of the kind")
    return found[-1]


_CONTENTS: dict[str, Callable[[Said, Account], tuple[str, Any]]] = {
    "text": _text, "location": _location, "contacts": _contacts, "reaction": _reaction,
    "button": _button, "unsupported": _unsupported,
}  # fmt: skip
KINDS = (*_CONTENTS, *_FILES)
