"""What a customer's WhatsApp message says, kind by kind.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from bridge.channels.whatsapp_shapes import Card, Changed, File, Interactive, Message, Order
from bridge.models import Media, MediaKind, MessageKind

_NONE: Mapping[str, Any] = MappingProxyType({})
# What a customer can send and Bridge cannot show: known, so nobody has to look at the raw event.
_PLACEHOLDERS = frozenset({"unsupported", "request_welcome", "revoke", "ephemeral", "call_permission_reply"})
_FILES: tuple[tuple[str, MediaKind], ...] = (
    ("image", "image"), ("video", "video"), ("audio", "audio"), ("document", "document"),
    ("sticker", "sticker"),
)  # fmt: skip


class Content(NamedTuple):
    """What a message says; `reply_to` is the id of the message that it answers, `parked` as in `Inbound`."""

    kind: MessageKind
    text: str = ""
    data: Mapping[str, Any] = _NONE
    media: tuple[Media, ...] = ()
    reply_to: str = ""
    parked: str = ""


def content_of(message: Message) -> Content | None:
    """What it says; nothing where a reaction was taken away. A kind that is not known is a placeholder."""
    if message.reaction:
        emoji = message.reaction.emoji
        data = {"kind": "reaction"}
        return Content("text", emoji, data, reply_to=message.reaction.message_id) if emoji else None
    content = _words(message) or _file(message) or _plain(message) or _placeholder(message)
    return content._replace(reply_to=message.context.id) if message.context else content


def edited(version: Changed) -> str | None:
    """The new text, or caption; nothing where a kind is changed that has neither."""
    if version.text:
        return version.text.body
    file = version.image or version.video or version.document
    return (file.caption or "") if file else None


def _words(message: Message) -> Content | None:
    if message.text:
        return Content("text", message.text.body)
    if message.button:
        return Content("text", message.button.text)
    return _chosen(message.interactive) if message.interactive else None


def _chosen(answer: Interactive) -> Content | None:
    choice = answer.button_reply or answer.list_reply
    if choice:
        return Content("text", "\n".join(filter(None, (choice.title, choice.description))))
    if answer.nfm_reply:
        lines = [answer.nfm_reply.body, *_filled_in(answer.nfm_reply.response_json or "")]
        return Content("text", "\n".join(line for line in lines if line))
    kind = answer.type or "interactive"
    parked = "" if kind in _PLACEHOLDERS else f"An answer of a kind that is not known: {kind}"
    return Content("unsupported", data={"kind": kind}, parked=parked)


def _filled_in(response: str) -> list[str]:
    """The answers of a form, a line each; the token that says which form it was is of no use to a person."""
    try:
        answers = json.loads(response)
    except (ValueError, RecursionError):
        return []
    if not isinstance(answers, dict):
        return []
    shown = {name: value for name, value in answers.items() if name != "flow_token"}
    return [
        f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in shown.items()
    ]


def _file(message: Message) -> Content | None:
    for name, kind in _FILES:
        file: File | None = getattr(message, name)
        if file:
            shown: MediaKind = "voice" if file.voice else kind
            mime = (file.mime_type or "").partition(";")[0].strip().lower()
            media = Media(kind=shown, ref=file.id, name=file.filename or "", mime=mime)
            return Content(shown, file.caption or "", media=(media,))
    return None


def _plain(message: Message) -> Content | None:
    """Kinds that are data: each says itself in words too, for previews and search."""
    if message.location:
        place = message.location
        named = {"title": place.name or "", "address": place.address or ""}
        text = ", ".join(filter(None, named.values()))
        point = {"latitude": place.latitude, "longitude": place.longitude}
        return Content("location", text, point | (named if text else {}))
    if message.contacts:
        return _cards(message.contacts)
    return _order(message.order) if message.order else None


def _cards(cards: list[Card]) -> Content:
    """One card, or several as lines. A number in a card is never known to be the sender's."""
    people = [_person_of(card) for card in cards]
    text = "\n".join(", ".join(filter(None, person)) for person in people)
    if len(people) > 1:
        return Content("contact", text, {"own": False})
    return Content("contact", text, {"name": people[0][0], "phone": people[0][1], "own": False})


def _person_of(card: Card) -> tuple[str, str]:
    numbers = [entry.phone for entry in card.phones or [] if entry.phone]
    return (card.name and card.name.formatted_name) or "", numbers[0] if numbers else ""


def _order(order: Order) -> Content:
    lines = ["Order"]
    for item in order.product_items:
        price = f", {item.item_price:g} {item.currency or ''}".rstrip() if item.item_price is not None else ""
        lines.append(f"• {item.quantity} × {item.product_retailer_id}{price}")
    return Content("text", "\n".join([*lines, *([order.text] if order.text else [])]), {"kind": "order"})


def _placeholder(message: Message) -> Content:
    kind = message.type or "empty"
    parked = "" if kind in _PLACEHOLDERS else f"A message of a kind that is not known: {kind}"
    return Content("unsupported", data={"kind": kind}, parked=parked)
