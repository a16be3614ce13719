"""The shapes of WhatsApp's webhooks, slim.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
Only the fields that Bridge uses are named and unknown ones are ignored.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, WrapValidator

from bridge.channels.shapes import Date, or_none

Degrees = Annotated[float, Field(allow_inf_nan=False)]
Words = Annotated[str | None, WrapValidator(or_none)]


class Profile(BaseModel):
    """What a customer shows of themselves; whoever has a username may hide the number."""

    name: Words = None
    username: Words = None


class Person(BaseModel):
    """Who wrote: by number, by the id that they have for this business alone, or by both."""

    profile: Annotated[Profile | None, WrapValidator(or_none)] = None
    wa_id: Words = None
    user_id: Words = None


class Context(BaseModel):
    """The message that this one answers."""

    id: str = ""


class Text(BaseModel):
    """Words, without formatting of their own."""

    body: str


class File(BaseModel):
    """Any of image, video, audio, document, sticker. `voice`: recorded in the chat."""

    id: str
    mime_type: Words = None
    caption: Words = None
    filename: Words = None
    voice: Annotated[bool | None, WrapValidator(or_none)] = None


class Location(BaseModel):
    """A point on the map, in degrees, and what is there."""

    latitude: Degrees
    longitude: Degrees
    name: Words = None
    address: Words = None


class CardName(BaseModel):
    """How the person of a card is called."""

    formatted_name: Words = None


class CardPhone(BaseModel):
    """One number of a card."""

    phone: Words = None


class Card(BaseModel):
    """A shared contact."""

    name: Annotated[CardName | None, WrapValidator(or_none)] = None
    phones: Annotated[list[CardPhone] | None, WrapValidator(or_none)] = None


class Reaction(BaseModel):
    """An emoji on a message; without one it was taken away."""

    message_id: str = ""
    emoji: Words = None


class Choice(BaseModel):
    """An answer that was offered."""

    title: str
    description: Words = None


class Form(BaseModel):
    """The answers of a form (a flow), as JSON in a text."""

    body: Words = None
    response_json: Words = None


class Interactive(BaseModel):
    """What a customer chose or filled in."""

    type: str = ""
    button_reply: Choice | None = None
    list_reply: Choice | None = None
    nfm_reply: Form | None = None


class Button(BaseModel):
    """The button of a template that was pressed."""

    text: str


class Item(BaseModel):
    """One line of an order."""

    product_retailer_id: str = ""
    quantity: int = 1
    item_price: Annotated[Degrees | None, WrapValidator(or_none)] = None
    currency: Words = None


class Order(BaseModel):
    """What a customer put into the cart of the catalogue."""

    product_items: list[Item] = []
    text: Words = None


class System(BaseModel):
    """A notice of WhatsApp itself."""

    type: str = ""


class Data(BaseModel):
    """More about a fault."""

    details: Words = None


class Fault(BaseModel):
    """What went wrong: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes."""

    code: int | None = None
    title: Words = None
    message: Words = None
    error_data: Annotated[Data | None, WrapValidator(or_none)] = None

    @property
    def words(self) -> str:
        """WhatsApp's own, the most telling first."""
        details = self.error_data.details if self.error_data else None
        return details or self.message or self.title or ""


class Changed(BaseModel):
    """The new version of a message."""

    type: str = ""
    text: Text | None = None
    image: File | None = None
    video: File | None = None
    document: File | None = None


class Edited(BaseModel):
    """Which message was changed, and into what."""

    original_message_id: str
    message: Changed


class Message(BaseModel):
    """One message of a customer. `sender` is the number, which may be hidden."""

    id: Annotated[str, Field(min_length=1)]
    sender: Words = Field(None, alias="from")
    user_id: Words = Field(None, alias="from_user_id")
    timestamp: Annotated[Date | None, WrapValidator(or_none)] = None
    type: str = ""
    context: Annotated[Context | None, WrapValidator(or_none)] = None
    text: Text | None = None
    image: File | None = None
    video: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    location: Location | None = None
    contacts: list[Card] | None = None
    reaction: Reaction | None = None
    interactive: Interactive | None = None
    button: Button | None = None
    order: Order | None = None
    system: System | None = None
    edit: Edited | None = None


class Status(BaseModel):
    """What became of a message of ours."""

    id: Annotated[str, Field(min_length=1)]
    status: str
    errors: Annotated[list[Fault] | None, WrapValidator(or_none)] = None
