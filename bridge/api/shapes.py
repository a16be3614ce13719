"""What the JSON API takes, and its lists. The nouns themselves are in `bridge/views.py`.

Every text is cleaned as it comes in (`bridge/text.py`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.api.passwords import LONGEST, SHORTEST
from bridge.text import clean
from bridge.views import (
    Activity,
    AgentView,
    ChannelView,
    ConversationView,
    DeliveryView,
    IncidentView,
    MessageView,
    ParkedView,
    QueueView,
    VersionView,
    View,
)

T = TypeVar("T")

LONGEST_NOTE = 100_000
_LAST_SEQ = 2_147_483_647


def _clean(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _email(value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", value.strip()):
        raise ValueError("is not an email address")
    return value.strip()


Text = Annotated[str, BeforeValidator(_clean)]
Id = Annotated[Text, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Name = Annotated[Text, Field(max_length=200), AfterValidator(_not_blank)]
Email = Annotated[Text, Field(max_length=254), AfterValidator(_email)]
NewPassword = Annotated[Text, Field(min_length=SHORTEST, max_length=LONGEST)]
Seq = Annotated[int, Field(ge=0, le=_LAST_SEQ)]


class Body(BaseModel):
    """Base of all bodies and queries: names that are not known are not looked at."""

    model_config = ConfigDict(frozen=True)


class SignIn(Body):
    """An agent's email and password."""

    email: Annotated[Text, Field(max_length=254)]
    password: Annotated[Text, Field(max_length=LONGEST)]


class NewAgent(Body):
    """Somebody who will answer."""

    email: Email
    name: Name
    password: NewPassword


class SetUp(NewAgent):
    """Who becomes the first administrator, with the token of the one-time link."""

    token: Annotated[Text, Field(max_length=200)]


class ProfileChange(Body):
    """What an agent changes of their own; what is missing stays."""

    name: Name | None = None
    language: Literal["", "en", "it"] | None = None
    theme: Literal["", "light", "dark"] | None = None


class ConversationFilter(Body):
    """Which conversations are listed; a field that is missing or empty means any."""

    status: Literal["", "open", "snoozed", "resolved"] = ""
    channel: Annotated[Text, Field(max_length=40, description="a channel's type")] = ""
    assignee: Annotated[
        Text,
        Field(pattern=r"^(me|none|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$",
              description="`me`, `none`, or an agent's id"),
    ] = ""  # fmt: skip
    q: Annotated[
        Text,
        Field(max_length=200, description="words in names, addresses and messages; all must be found"),
    ] = ""
    cursor: Text = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class ConversationChange(Body):
    """What is done with a conversation; what is missing stays, `assignee_id: null` means nobody."""

    status: Literal["open", "resolved"] | None = None
    assignee_id: Id | None = None


class Seen(Body):
    """The last message that was on screen."""

    seq: Seq


class MessagePage(Body):
    """Which messages: those after a `seq`, those before one, else the newest."""

    after: Seq | None = None
    before: Seq | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50

    @model_validator(mode="after")
    def _one_end(self) -> MessagePage:
        if self.after is not None and self.before is not None:
            raise ValueError("give after or before, not both")
        return self


class NewMessage(Body):
    """A reply to the customer, or a note that only agents see.

    `client_id` is the sender's own name for it: the same again is the same message. `attachments`
    are ids of uploaded files, `reply_to` is the `seq` of the message it answers, `via` the id of
    another address of the customer.
    """

    text: Text = ""
    kind: Literal["reply", "note"] = "reply"
    client_id: Annotated[Text, Field(min_length=1, max_length=200)]
    attachments: Annotated[list[Id], Field(max_length=30)] = []
    reply_to: Seq | None = None
    via: Id | None = None


class DraftChange(Body):
    """What an agent has typed so far; the empty text forgets the draft."""

    kind: Literal["reply", "note"] = "reply"
    text: Annotated[Text, Field(max_length=LONGEST_NOTE)]


class Verdict(Body):
    """What became of a reply whose fate nobody knew."""

    as_: Annotated[Literal["arrived", "again"], Field(alias="as")]


class ContactChange(Body):
    """A contact's new name."""

    name: Name


class DeliveryFilter(Body):
    """Which replies are listed; `hours` is for those that failed."""

    state: Literal["", "waiting", "unknown", "failed"] = ""
    channel: Annotated[Text, Field(max_length=40, description="a channel's type")] = ""
    hours: Annotated[int, Field(ge=1, le=24 * 366)] = 24
    cursor: Text = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class ParkedFilter(Body):
    """Which events that wait are listed; `raw` shows them as they came: customers' words."""

    channel: Annotated[Text, Field(max_length=40, description="a channel's type")] = ""
    raw: bool = False
    cursor: Text = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class Replay(Body):
    """Which events are read again: these, or those of a channel, or all that wait, a page at a time."""

    ids: Annotated[list[Id] | None, Field(min_length=1, max_length=100)] = None
    channel: Annotated[Text, Field(max_length=40, description="a channel's type")] = ""
    cursor: Text = ""

    @model_validator(mode="after")
    def _one_choice(self) -> Replay:
        if self.ids is not None and (self.channel or self.cursor):
            raise ValueError("give ids or a channel, not both")
        return self


class Unwanted(Body):
    """The events that nobody wants to wait for any longer."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=100)]


class IncidentFilter(Body):
    """A page of the incidents."""

    cursor: Text = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class Switch(Body):
    """What an administrator has a channel treated as, whatever is found; `automatic`: as it is found."""

    treat_as: Literal["automatic", "down", "up"]


class FileName(Body):
    """What an uploaded file is called."""

    name: Annotated[Text, Field(max_length=255)] = ""


class Items(View, Generic[T]):
    """A list that is given whole."""

    items: list[T]


class SignedIn(View):
    """Who is signed in now."""

    agent: AgentView


class SetUpNeeded(View):
    """Whether there is no agent yet."""

    needed: bool


class Colleague(View):
    """An agent as others see them; `online` while they have the inbox open."""

    id: str
    name: str
    email: str
    role: Literal["admin", "agent"]
    online: bool


class Channels(Items[ChannelView]):
    """The channels, and the name of the business that customers see on them."""

    business: str


class Counts(View):
    """How many conversations wait for me, for anybody, in all; and how many are resolved."""

    mine: int
    unassigned: int
    all: int
    resolved: int


class ConversationPage(View):
    """A page of the list; `next_cursor` asks for the next one."""

    items: list[ConversationView]
    next_cursor: str | None
    counts: Counts


class ConversationDetail(ConversationView):
    """A conversation, with what I have typed in it and not sent."""

    drafts: dict[Literal["reply", "note"], str]


class DeliveryPage(View):
    """A page of replies; `next_cursor` asks for the next one. `channels` says how much waits on each."""

    channels: list[QueueView]
    items: list[DeliveryView]
    next_cursor: str | None


class ParkedPage(View):
    """A page of the events that wait; `next_cursor` asks for the next one."""

    items: list[ParkedView]
    next_cursor: str | None


class ReplayedView(View):
    """What became of an event that was read again, and why it still waits if it does."""

    id: str
    outcome: Literal["done", "parked", "gone"]
    why: str


class Replays(View):
    """What became of each; `next_cursor` goes on with the others that wait."""

    items: list[ReplayedView]
    next_cursor: str | None


class IncidentPage(View):
    """Times in which a channel was down, newest first."""

    items: list[IncidentView]
    next_cursor: str | None


class Forgotten(View):
    """The events that waited, and do no more."""

    ids: list[str]


Colleagues = Items[Colleague]
Messages = Items[MessageView]
Activities = Items[Activity]
Versions = Items[VersionView]
