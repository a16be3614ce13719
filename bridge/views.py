"""The nouns of the API, as JSON: what the store reads, the routes serve and OpenAPI describes.

Times are RFC 3339 UTC with milliseconds, ids UUIDv7 strings.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema


def rfc3339(ms: int) -> str:
    """Unix milliseconds as `2026-11-22T14:02:07.125Z`."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


Time = Annotated[
    int,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]


class View(BaseModel):
    """Base of all that the API shows."""

    model_config = ConfigDict(frozen=True)


class Person(View):
    """An agent or a contact, where only the name matters."""

    id: str
    name: str


class LimitsView(View):
    """What a channel carries; `highest` is the last state its receipts reach."""

    text: int
    caption: int
    files: int
    file_size: int
    highest: Literal["sent", "delivered", "read"]
    segments: bool


class UnderWay(View):
    """An incident that is not over."""

    id: str
    started_at: Time


class ChannelView(View):
    """A channel: `state` says whether it works now, `detail` why it does not.

    `health` is whether messages travel on it, whoever is at fault: in `setup` they do not.
    `recovering`: it was down a moment ago. `incident`: the one of what we send there, until it is up again.
    """

    id: int
    type: str
    label: str
    identity: str
    state: Literal["up", "degraded", "down", "recovering", "setup"]
    health: Literal["up", "degraded", "down"]
    detail: str = ""
    incident: UnderWay | None = None
    limits: LimitsView


class AddressView(View):
    """Where a contact is reached. `usable` is empty, or why a reply cannot go there."""

    id: str
    urn: str
    channel: str
    channel_id: int
    handle: str
    state: Literal["open", "blocked", "opted_out", "invalid"]
    verified: bool
    consent_source: str
    consent_at: Time | None
    last_inbound_at: Time | None
    usable: str = Field(default="", description="empty, or the reason it cannot be used")


class ContactView(View):
    """A person, with every address."""

    id: str
    name: str
    created_at: Time
    addresses: list[AddressView]


class AttachmentView(View):
    """A file of a message. `url` is empty until it is `stored`."""

    id: str
    kind: Literal["image", "video", "animation", "audio", "voice", "document", "sticker"]
    name: str
    mime: str
    size: int | None
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    state: Literal["pending", "stored", "failed", "too_big"]
    url: str = ""


class Quote(View):
    """The message that this one answers, as far as it is known."""

    seq: int | None
    text: str
    author: str = ""


Status = Literal[
    "received", "queued", "sending", "sent", "delivered", "read",
    "rejected", "failed", "expired", "unknown", "noted",
]  # fmt: skip


class MessageView(View):
    """One entry of a conversation, in `seq` order.

    `status` is `received` for inbound and `noted` for notes. A waiting, failed or unknown one says
    why in `reason`. `data` carries what a kind needs (entities, a position). `late` marks one that
    came over two minutes after `provider_at`. `edited_at` is set when older versions exist.
    `may_be_there`: a reply that failed, for all that is known, and may have arrived, in part at least.
    """

    id: str
    conversation_id: str
    seq: int
    direction: Literal["inbound", "outbound", "note"]
    kind: str
    channel: str | None
    channel_id: int | None
    text: str
    data: dict[str, Any] = {}
    attachments: list[AttachmentView] = []
    status: Status
    reason: str = ""
    author: Person | None = None
    client_id: str | None = None
    reply_to: Quote | None = None
    created_at: Time
    provider_at: Time | None = None
    edited_at: Time | None = None
    late: bool = False
    may_be_there: bool = False


class VersionView(View):
    """A text that a message had, from `at` on."""

    text: str
    at: Time


class Preview(View):
    """The last message of a conversation, for a list row."""

    seq: int
    direction: Literal["inbound", "outbound", "note"]
    kind: str
    text: str
    status: Status
    author: str = ""
    attachments: int = 0


class RouteView(View):
    """The address that the next reply takes. `blocked` is empty, or why it cannot."""

    address_id: str
    channel: str
    channel_id: int
    handle: str
    blocked: str = ""


class ConversationView(View):
    """The thread of one contact, whatever channels it crosses."""

    id: str
    contact: Person
    status: Literal["open", "snoozed", "resolved"]
    assignee: Person | None
    channel: str | None = Field(description="channel of the last message")
    route: RouteView | None
    unread: int
    unsettled: int = Field(description="replies that nobody knows the fate of")
    last_seq: int
    last_message: Preview | None
    last_message_at: Time
    waiting_since: Time | None = Field(description="first unanswered message of the customer")
    created_at: Time


class Activity(View):
    """Something that happened in a conversation besides messages; shown after `after_seq`."""

    id: str
    conversation_id: str
    after_seq: int
    kind: Literal["assigned", "unassigned", "resolved", "reopened", "settled", "address"]
    by: Person | None
    data: dict[str, Any]
    at: Time


class AgentView(View):
    """A person who answers."""

    id: str
    email: str
    name: str
    role: Literal["admin", "agent"]
    language: Literal["", "en", "it"]
    theme: Literal["", "light", "dark"]


class FileView(View):
    """An uploaded file, to name in a reply's `attachments`."""

    id: str
    name: str
    mime: str
    kind: Literal["image", "video", "animation", "audio", "voice", "document", "sticker"]
    size: int
    url: str


class VisitorMessage(View):
    """A message as a site visitor sees it: no internals, no other channel's words."""

    id: str
    seq: int
    mine: bool
    kind: str
    text: str
    attachments: list[AttachmentView] = []
    status: Status
    author: str = ""
    client_id: str | None = None
    created_at: Time


class Spot(View):
    """Where a message stands."""

    conversation_id: str
    seq: int


class ParkedView(View):
    """An event that could not be read, and waits for a version that can.

    `message` is its placeholder, where the customer's thread shows one. `raw` is the event as it came,
    where that was asked for: a customer's words.
    """

    id: str
    channel: str
    channel_id: int
    since: Time
    why: str
    message: Spot | None
    raw: str | None = None


WhyItWaits = Literal[
    "on_its_way", "due", "behind", "back_off", "paused", "setup", "off",
    "unknown", "rejected", "failed", "expired",
]  # fmt: skip


class DeliveryView(View):
    """A reply that waits or needs a person, without its words and whom it is for.

    `why`: it is `on_its_way`, or `due` and about to be; it is `behind` another of its conversation; its
    vendor asks for a pause (`paused`); the last try came to nothing (`back_off`, `reason` says how); its
    channel waits for its operator (`setup`, `reason` says what for) or is `off`. Else it is its status.
    """

    id: str
    conversation_id: str
    seq: int
    channel: str
    channel_id: int
    status: Status
    why: WhyItWaits
    reason: str
    since: Time
    next_try_at: Time | None
    deadline_at: Time | None
    tries: int


class QueueView(View):
    """What waits on a channel: conversations with replies to send, and replies of unknown fate.

    Both are counted up to ten thousand.
    """

    channel_id: int
    channel: str
    label: str
    state: Literal["up", "degraded", "down", "recovering", "setup", "off"]
    detail: str
    paused_until: Time | None
    conversations: int
    unknown: int


class IncidentLine(View):
    """What happened in an incident: a state that was found, and why; or an administrator's switch."""

    at: Time
    kind: Literal["degraded", "down", "recovering", "up", "switch_down", "switch_up", "switch_automatic"]
    why: str = ""
    by: Person | None = None


class IncidentView(View):
    """A time in which a channel was down, for what we send (`out`) or for what customers write (`in`)."""

    id: str
    channel: str
    channel_id: int
    label: str
    direction: Literal["in", "out"]
    state: Literal["down", "degraded", "recovering", "up", "ended"]
    started_at: Time
    ended_at: Time | None
    lines: list[IncidentLine]
