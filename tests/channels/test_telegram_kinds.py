"""One update of each kind that the installed aiogram knows, pushed through."""

from __future__ import annotations

import types
import typing
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin

import orjson
import pytest
from aiogram.types import Message, Update
from pydantic import BaseModel

from bridge.channels import telegram_updates
from bridge.models import Aside, Edit, Event, Ignored, Inbound, Standing

CHAT = {"id": 42, "type": "private", "first_name": "Giulia"}
SENDER = {"id": 42, "is_bot": False, "first_name": "Giulia"}
BASE = {"message_id": 7, "date": 1795356127, "chat": CHAT, "from": SENDER}

# What a customer can send to a bot, by the Bot API's names, and the kind it has in a thread.
CUSTOMERS = {
    "text": "text", "animation": "animation", "audio": "audio", "document": "document", "live_photo": "video",
    "photo": "image", "sticker": "sticker", "video": "video", "video_note": "video", "voice": "voice",
    "contact": "contact", "dice": "dice", "poll": "poll", "venue": "location", "location": "location",
    "paid_media": "unsupported", "story": "unsupported", "checklist": "unsupported", "game": "unsupported",
    "invoice": "unsupported", "giveaway": "unsupported", "giveaway_winners": "unsupported",
    "web_app_data": "unsupported", "users_shared": "unsupported", "user_shared": "unsupported",
    "chat_shared": "unsupported", "passport_data": "unsupported", "rich_message": "text",
}  # fmt: skip

# Fields that accompany a message: Message's fields up to `effect_id`, and some that came later.
_names = list(Message.model_fields)
ABOUT = {
    *_names[: _names.index("effect_id") + 1], "caption", "caption_entities", "show_caption_above_media",
    "has_media_spoiler", "reply_markup", "receiver_user", "ephemeral_message_id", "forward_date",
    "forward_from", "forward_from_chat", "forward_from_message_id", "forward_sender_name",
    "forward_signature",
} - {"text"}  # fmt: skip
CONTENT = [name for name in _names if name not in ABOUT]


def sample(annotation: Any) -> Any:
    """The smallest JSON value of a type: only what is required, of a union the first."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return sample(arguments[0])
    if origin in (types.UnionType, typing.Union):
        return sample(arguments[0])
    if origin is list:
        return [sample(arguments[0])]
    if origin is Literal:
        return arguments[0].value if isinstance(arguments[0], Enum) else arguments[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is Message:
            return {**BASE, "text": "Buongiorno"}
        fields = annotation.model_fields.items()
        return {f.alias or name: sample(f.annotation) for name, f in fields if f.is_required()} | _type(
            annotation
        )
    if not isinstance(annotation, type):  # rich text, recursive: a string in its simplest form
        return "x"
    plain = {bool: True, int: 1, float: 1.5, str: "x", datetime: 1795356127, timedelta: 60}
    return plain[annotation]


def _type(model: type[BaseModel]) -> dict[str, Any]:
    """The tag of a union's member (`type`, `status`, `source`), which has a default."""
    tags = {
        name: model.model_fields[name] for name in ("type", "status", "source") if name in model.model_fields
    }
    return {name: sample(f.annotation) for name, f in tags.items() if get_origin(f.annotation) is Literal}


def through(update: dict[str, Any]) -> Event:
    (event,) = telegram_updates.read(orjson.dumps(update), "Only in private")
    return event


@pytest.mark.parametrize("name", CONTENT)
def test_each_kind_of_message_makes_one_entry_or_none(name: str) -> None:
    """A customer's kind exactly one, Telegram's own notice none, and nothing is parked."""
    value = sample(Message.model_fields[name].annotation)
    event = through({"update_id": 1, "message": {**BASE, name: value}})
    if name in CUSTOMERS:
        assert isinstance(event, Inbound)
        assert event.kind == CUSTOMERS[name]
        assert event.urn == "telegram:42"
        assert event.kind != "unsupported" or event.data["kind"] == name
    else:
        assert isinstance(event, Ignored)
    assert event.parked == ""


@pytest.mark.parametrize("name", sorted(ABOUT - {"message_id", "date", "chat", "from_user"}))
def test_what_accompanies_a_message_changes_nothing_of_it(name: str) -> None:
    """Every field beside the text is one that Bridge reads or may leave aside."""
    field = Message.model_fields[name]
    event = through({"update_id": 1, "message": {
        **BASE, "text": "Buongiorno", field.alias or name: sample(field.annotation)}})  # fmt: skip
    assert isinstance(event, Inbound)
    assert (event.kind, event.text, event.parked) == ("text", "Buongiorno", "")


@pytest.mark.parametrize("name", sorted(ABOUT - {"message_id", "date", "chat", "from_user"}))
def test_what_accompanies_a_message_is_no_kind(name: str) -> None:
    """A placeholder must not take `reply_markup` for what the customer sent."""
    field = Message.model_fields[name]
    story = {"story": {"chat": CHAT, "id": 1}}
    event = through({"update_id": 1, "message": {
        **BASE, field.alias or name: sample(field.annotation), **story}})  # fmt: skip
    assert isinstance(event, Inbound)
    assert event.data["kind"] == "story"


@pytest.mark.parametrize("name", [name for name in Update.model_fields if name != "update_id"])
def test_each_kind_of_update_is_understood(name: str) -> None:
    """Only messages, edits and the bot's own standing mean something; nothing fails or is parked."""
    value = sample(Update.model_fields[name].annotation)
    if name == "my_chat_member":
        value |= {"chat": CHAT, "new_chat_member": {"status": "kicked", "user": SENDER, "until_date": 0}}
    event = through({"update_id": 1, name: value})
    expected = {"message": Inbound, "edited_message": Edit, "my_chat_member": Standing}.get(name, Ignored)
    assert type(event) is expected
    assert getattr(event, "parked", "") == ""


@pytest.mark.parametrize("name", CONTENT)
def test_no_kind_of_message_makes_an_entry_for_a_group(name: str) -> None:
    """A group is no customer: it is told so, or nothing at all."""
    value = sample(Message.model_fields[name].annotation)
    group = {"id": -100, "type": "supergroup", "title": "Amici"}
    event = through({"update_id": 1, "message": {**BASE, "chat": group, name: value}})
    assert isinstance(event, Aside | Ignored)
