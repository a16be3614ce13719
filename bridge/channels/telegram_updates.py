"""Telegram's updates as Bridge's events: https://core.telegram.org/bots/api#update.

What does not fit the shapes gets a second look in `telegram_kinds`: nothing a customer sent is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from bridge.channels import telegram_kinds as kinds
from bridge.channels.telegram_shapes import Attached, Chat, Contact, Entity, Message, MyMember, Update
from bridge.errors import BadRequest
from bridge.models import Aside, Edit, Event, Ignored, Inbound, Media, MediaKind, MessageKind, Standing
from bridge.text import clean_all

# A deep link's payload: https://core.telegram.org/bots/features#deep-linking
_START = re.compile(r"/start(?:@\w+)?(?:\s+([A-Za-z0-9_-]{1,64}))?\s*")


class Content(NamedTuple):
    """What a message says."""

    kind: MessageKind
    text: str = ""
    data: Mapping[str, Any] = MappingProxyType({})
    media: tuple[Media, ...] = ()


# Telegram sets `document` beside `animation` for old clients, so the order matters.
_FILES: tuple[tuple[str, MediaKind], ...] = (
    ("animation", "animation"), ("video", "video"), ("video_note", "video"), ("voice", "voice"),
    ("audio", "audio"), ("document", "document"), ("sticker", "sticker"),
)  # fmt: skip


def read(body: bytes, aside: str) -> list[Event]:
    """The events of one update's JSON; `aside` is what groups are told, once.

    `BadRequest` for what is no JSON object. A poison update never raises: it is parked.
    """
    try:
        raw = body.decode()
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8") from None
    try:
        update = Update.model_validate_json(raw)
    except ValidationError as error:
        return _second_look(raw, aside, error)
    return _events(update, raw, aside)


def read_all(updates: list[Any], aside: str) -> list[Event]:
    """The events of a polled batch. Each update is read on its own: a poison one stops no other."""
    return [event for update in updates for event in read(_encoded(update), aside)]


def last_id(updates: list[Any]) -> str:
    """The highest update id of a batch, or the empty string."""
    ids = [update.get("update_id") for update in updates if isinstance(update, dict)]
    return str(max((number for number in ids if isinstance(number, int)), default=""))


def _encoded(update: Any) -> bytes:
    """An update as Telegram's webhooks send it. What is no object is wrapped, to be parked."""
    document = update if isinstance(update, dict) else {"unreadable": update}
    try:
        return orjson.dumps(document)
    except TypeError:  # lone surrogates, integers beyond 64 bits
        return json.dumps(document).encode()


def _second_look(raw: str, aside: str, first: ValidationError) -> list[Event]:
    """Once more without what JSON may say and text may not; what still makes no sense is parked."""
    document = _document(raw)
    try:
        return _events(Update.model_validate(document), raw, aside)
    except ValidationError:
        return [kinds.unreadable(document, raw, _problem(first))]


def _document(raw: str) -> dict[str, Any]:
    """The update as it came, cleaned. Python's own parser takes lone surrogates, pydantic's does not."""
    try:
        document = clean_all(json.loads(raw))
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON") from None
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object")
    return document


def _problem(error: ValidationError) -> str:
    """Where and what, without the value: it may be a customer's words."""
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}"


def _events(update: Update, raw: str, aside: str) -> list[Event]:
    key = f"update:{update.update_id}"
    if update.message:
        return [_message(update.message, key, raw, aside)]
    if update.edited_message:
        return [_edit(update.edited_message, key, raw)]
    if update.my_chat_member:
        return [_membership(update.my_chat_member, key, aside)]
    return [kinds.other_update(_document(raw), key, raw)]


def _message(message: Message, key: str, raw: str, aside: str) -> Event:
    chat = message.chat
    content = _content(message)
    if chat.group and content:
        return _aside(chat, aside)
    if not chat.private:
        return Ignored(key=key)
    parked = ""
    if content is None:
        look = kinds.look_at(_document(raw)["message"])
        if look is None:
            return Ignored(key=key)
        kind: MessageKind = "text" if look.whole else "unsupported"
        content = Content(kind, look.text, {"kind": look.kind, **_forwarded(message)})
        parked = look.parked
    sender = message.sender or chat
    replied = message.reply_to_message
    return Inbound(
        key=key, urn=f"telegram:{chat.id}", external_id=f"{chat.id}:{message.message_id}",
        kind=content.kind, text=content.text, media=content.media, data=dict(content.data),
        name=sender.name, handle=f"@{sender.username}" if sender.username else "",
        provider_at=message.date * 1000 or None,
        reply_to=f"{replied.chat.id}:{replied.message_id}" if replied else "",
        quote=_quote(message) if replied or message.quote else "",
        album=_album(message), raw=raw, parked=parked,
    )  # fmt: skip


def _edit(message: Message, key: str, raw: str) -> Event:
    """The new version of a message; of a kind that is a placeholder there is nothing to show."""
    content = _content(message)
    if content is None or not message.chat.private:
        return Ignored(key=key)
    return Edit(
        key=key, urn=f"telegram:{message.chat.id}", external_id=f"{message.chat.id}:{message.message_id}",
        text=content.text, data=dict(content.data), album=_album(message), raw=raw,
    )  # fmt: skip


def _album(message: Message) -> str:
    return f"{message.chat.id}:{message.media_group_id}" if message.media_group_id else ""


def _membership(change: MyMember, key: str, aside: str) -> Event:
    """In a private chat: blocked or unblocked. In a group: say at once that nobody reads there."""
    status, chat = change.new_chat_member.status, change.chat
    if chat.private and status in ("kicked", "member"):
        blocked = status == "kicked"
        return Standing(
            key=key, urn=f"telegram:{chat.id}", state="blocked" if blocked else "open",
            reason="The customer blocked the bot" if blocked else "The customer unblocked the bot",
        )  # fmt: skip
    if chat.group and status in ("member", "administrator"):
        return _aside(chat, aside)
    return Ignored(key=key)


def _aside(chat: Chat, text: str) -> Aside:
    return Aside(key=f"group:{chat.id}", urn=f"telegram:{chat.id}", text=text)


def _quote(message: Message) -> str:
    """What the customer marked, else all of the message that is answered."""
    if message.quote:
        return message.quote.text
    replied = message.reply_to_message
    return (replied and (replied.text or replied.caption)) or ""


def _content(message: Message) -> Content | None:
    """What a customer's message says; nothing for placeholders and Telegram's own notices."""
    if message.text is not None:
        return _text(message)
    media = _media(message)
    if media:
        data = _formatting(message.caption_entities) | _forwarded(message)
        if message.sticker and message.sticker.emoji:
            data["emoji"] = message.sticker.emoji
        return Content(media[0].kind, message.caption or "", data, media)
    return _plain(message)


def _text(message: Message) -> Content:
    text = message.text or ""
    if text.startswith("/start") and (start := _START.fullmatch(text)):
        return Content("start", text, {"payload": start[1] or ""})
    if message.entities or message.forward_origin:
        return Content("text", text, _formatting(message.entities) | _forwarded(message))
    return Content("text", text)


def _formatting(entities: list[Entity] | None) -> dict[str, Any]:
    return {"entities": entities} if entities else {}


def _forwarded(message: Message) -> dict[str, Any]:
    return {"forwarded_from": message.forward_origin.name} if message.forward_origin else {}


def _media(message: Message) -> tuple[Media, ...]:
    """The files of a message; of a photo's sizes the largest, of a live photo the clip too."""
    if message.photo or message.live_photo:
        largest = max(message.photo or [], key=_area, default=None)
        stills = (_file("image", largest, "image/jpeg"),) if largest else ()
        return stills + ((_file("video", message.live_photo),) if message.live_photo else ())
    for name, kind in _FILES:
        attached: Attached | None = getattr(message, name)
        if attached:
            return (_file(kind, attached, _sticker_type(attached) if kind == "sticker" else ""),)
    return ()


def _area(size: Attached) -> int:
    return (size.width or 0) * (size.height or 0)


def _sticker_type(sticker: Attached) -> str:
    """Stickers carry no type: https://core.telegram.org/stickers."""
    if sticker.is_animated:
        return "application/x-tgsticker"
    return "video/webm" if sticker.is_video else "image/webp"


def _file(kind: MediaKind, attached: Attached, mime: str = "") -> Media:
    return Media(
        kind=kind, ref=attached.file_id, name=attached.file_name or "", mime=attached.mime_type or mime,
        size=attached.file_size, width=attached.width or attached.length,
        height=attached.height or attached.length, duration=attached.duration,
    )  # fmt: skip


def _plain(message: Message) -> Content | None:
    """Kinds that are data: each says itself in words too, for previews and search."""
    if message.venue:
        venue = message.venue
        place = {"title": venue.title, "address": venue.address}
        text = ", ".join(filter(None, (venue.title, venue.address)))
        return Content("location", text, venue.location.model_dump() | place | _forwarded(message))
    if message.location:
        return Content("location", "", message.location.model_dump() | _forwarded(message))
    if message.contact:
        return _contact(message.contact, message)
    if message.poll:
        options = [option.text for option in message.poll.options]
        text = "\n".join([message.poll.question, *(f"• {option}" for option in options)])
        return Content("poll", text, {"question": message.poll.question, "options": options})
    if message.dice:
        dice = message.dice
        return Content("dice", f"{dice.emoji} {dice.value}".strip(), dice.model_dump())
    return None


def _contact(card: Contact, message: Message) -> Content:
    """`own`: Telegram vouches that the number is the sender's, so it may link their addresses."""
    name = " ".join(filter(None, (card.first_name, card.last_name)))
    own = bool(message.sender and card.user_id == message.sender.id and not message.forward_origin)
    data = {"name": name, "phone": card.phone_number, "own": own}
    return Content("contact", ", ".join(filter(None, (name, card.phone_number))), data | _forwarded(message))
