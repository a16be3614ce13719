"""The shapes of Telegram's updates, slim: https://core.telegram.org/bots/api#available-types.

Only the fields that Bridge uses are named and unknown ones are ignored, so reading is fast and a
field that Telegram adds tomorrow breaks nothing. Notices and rare kinds are `telegram_kinds`'.
"""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import BaseModel, Field, WrapValidator
from typing_extensions import TypedDict  # pydantic reads typing's own only from Python 3.12 on

from bridge.channels.shapes import Date, Measure, Size, Whole, or_none


class Entity(TypedDict):
    """Formatting of a piece of text; offset and length in UTF-16 units."""

    type: str
    offset: Whole
    length: Whole
    url: NotRequired[str]
    language: NotRequired[str]


Entities = Annotated[list[Entity] | None, WrapValidator(or_none)]


class Chat(BaseModel):
    """Where a message was written; a private chat has its customer's name too."""

    id: Whole
    type: str = ""
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    title: str | None = None

    @property
    def private(self) -> bool:
        return self.type == "private"

    @property
    def group(self) -> bool:
        return self.type in ("group", "supergroup")

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.first_name, self.last_name)))


class Attached(BaseModel):
    """Any of PhotoSize, Video, Animation, Voice, Audio, VideoNote, Document, Sticker, LivePhoto."""

    file_id: str
    file_name: str | None = None
    mime_type: str | None = None
    file_size: Size = None
    width: Measure = None
    height: Measure = None
    length: Measure = None
    duration: Measure = None
    emoji: str | None = None
    is_animated: bool = False
    is_video: bool = False


class Location(BaseModel):
    """A point on the map, in degrees."""

    latitude: float
    longitude: float


class Venue(BaseModel):
    """A named place."""

    location: Location
    title: str = ""
    address: str = ""


class Contact(BaseModel):
    """A shared card. It is the sender's own when `user_id` is the sender's."""

    phone_number: str
    first_name: str = ""
    last_name: str | None = None
    user_id: int | None = None


class Option(BaseModel):
    """One answer of a poll."""

    text: str = ""


class Poll(BaseModel):
    """A question with answers to choose from."""

    question: str
    options: list[Option] = []


class Dice(BaseModel):
    """An animated emoji with a random value."""

    emoji: str = ""
    value: Whole


class Replied(BaseModel):
    """The message that this one answers."""

    message_id: Whole
    chat: Chat
    text: str | None = None
    caption: str | None = None


class Quoted(BaseModel):
    """The piece of a message that the customer marked before answering."""

    text: str


class Origin(BaseModel):
    """Who wrote a forwarded message first."""

    sender_user: Chat | None = None
    sender_user_name: str | None = None
    sender_chat: Chat | None = None
    chat: Chat | None = None

    @property
    def name(self) -> str:
        source = self.sender_user or self.sender_chat or self.chat
        return self.sender_user_name or (source and (source.title or source.name)) or ""


class Message(BaseModel):
    """https://core.telegram.org/bots/api#message, as far as customers' messages go."""

    message_id: Whole
    chat: Chat
    date: Date = 0
    edit_date: Date | None = None
    sender: Chat | None = Field(None, alias="from")
    text: str | None = None
    entities: Entities = None
    caption: str | None = None
    caption_entities: Entities = None
    media_group_id: str | None = None
    reply_to_message: Annotated[Replied | None, WrapValidator(or_none)] = None
    quote: Annotated[Quoted | None, WrapValidator(or_none)] = None
    forward_origin: Annotated[Origin | None, WrapValidator(or_none)] = None
    photo: list[Attached] | None = None
    live_photo: Attached | None = None
    animation: Attached | None = None
    video: Attached | None = None
    video_note: Attached | None = None
    voice: Attached | None = None
    audio: Attached | None = None
    document: Attached | None = None
    sticker: Attached | None = None
    location: Location | None = None
    venue: Venue | None = None
    contact: Contact | None = None
    poll: Poll | None = None
    dice: Dice | None = None


class Member(BaseModel):
    """The bot's new standing in a chat."""

    status: str


class MyMember(BaseModel):
    """The bot was blocked, unblocked, added or removed."""

    chat: Chat
    new_chat_member: Member


class Update(BaseModel):
    """One update. Kinds that carry no customer's message are not named."""

    update_id: Whole
    message: Message | None = None
    edited_message: Message | None = None
    my_chat_member: MyMember | None = None
