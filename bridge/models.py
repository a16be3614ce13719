"""The data that channels and the core hand each other. Frozen, no I/O.

Times are Unix milliseconds (UTC). A URN names an address: `telegram:12345`, `tel:+393331234567`,
`whatsapp:+393331234567`, `webchat:<visitor id>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.text import clean, clean_all

MediaKind = Literal["image", "video", "animation", "audio", "voice", "document", "sticker"]
MessageKind = Literal[
    "text", "image", "video", "animation", "audio", "voice", "document", "sticker",
    "location", "contact", "poll", "dice", "start", "unsupported",
]  # fmt: skip
AddressState = Literal["open", "blocked", "opted_out", "invalid"]
Outcome = Literal["accepted", "rejected", "throttled", "not_sent", "unknown"]
ReceiptStatus = Literal["sent", "delivered", "read", "failed"]


def _clean(model: Any, *names: str) -> None:
    """Make texts storable where they come in, once, in a model that is frozen afterwards."""
    for name in names:
        text = getattr(model, name)
        cleaned = clean(text)
        if cleaned is not text:  # hardly ever, and setting is what costs
            object.__setattr__(model, name, cleaned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One HTTP request of a vendor, as data.

    `path` is what follows `/webhooks/`; `url` the public URL as the vendor called it, query
    included; `headers` have lower-case names.
    """

    path: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A customer's file, before it is fetched. `ref` is all its channel needs to fetch it."""

    kind: MediaKind
    ref: str
    name: str = ""
    mime: str = ""
    size: int | None = None
    width: int | None = None
    height: int | None = None
    duration: int | None = None

    def __post_init__(self) -> None:
        _clean(self, "ref", "name", "mime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One message of a customer.

    `key` is unique in the channel: the same key again is a repeat and changes nothing.
    `external_id` is the vendor's id of the message (chat included where ids are per chat).
    `album` joins the files of one message that arrive apart. `data` holds what the kind needs:
    `entities` (Telegram's, UTF-16 offsets), `latitude` and `longitude`, `payload` of a start link.
    `uploads` are files the customer gave us already, owned by `urn`.
    `parked` says why the raw event wants a look by a person; the message is shown all the same.
    """

    key: str
    urn: str
    external_id: str = ""
    kind: MessageKind = "text"
    text: str = ""
    name: str = ""
    handle: str = ""
    provider_at: int | None = None
    media: tuple[Media, ...] = ()
    uploads: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    reply_to: str = ""
    quote: str = ""
    album: str = ""
    raw: str = ""
    parked: str = ""

    def __post_init__(self) -> None:
        _clean(self, "key", "urn", "external_id", "text", "name", "handle", "quote", "album", "raw")
        if self.data:
            object.__setattr__(self, "data", clean_all(self.data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A customer changed the message `external_id`, or that file of an `album`; both versions are kept."""

    key: str
    urn: str
    external_id: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    album: str = ""
    raw: str = ""

    def __post_init__(self) -> None:
        _clean(self, "key", "urn", "external_id", "text", "album", "raw")
        if self.data:
            object.__setattr__(self, "data", clean_all(self.data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An address was closed or opened by its owner: blocked, STOP, START.

    `opt_in` is the owner's word that messages are wanted again: nothing less undoes an opt-out.
    `at` is when it was said (Unix ms), of what is heard only later: a newer word is not undone by it.
    """

    key: str
    urn: str
    state: AddressState
    reason: str = ""
    opt_in: bool = False
    at: int | None = None
    raw: str = ""

    def __post_init__(self) -> None:
        _clean(self, "key", "urn", "reason", "raw")

    @property
    def is_word(self) -> bool:
        """Whether the owner said so in words, of which the last one counts."""
        return self.opt_in or self.state == "opted_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The vendor's later word on the message part `external_id`. Forward only, repeats are free."""

    external_id: str
    status: ReceiptStatus
    reason: str = ""

    def __post_init__(self) -> None:
        _clean(self, "external_id", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A polite word to a place that is no conversation (a group chat), said once per `key`."""

    key: str
    urn: str
    text: str

    def __post_init__(self) -> None:
        _clean(self, "key", "urn", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """An event that is no message. With `parked`, kept for a person to look at."""

    key: str
    raw: str = ""
    parked: str = ""

    def __post_init__(self) -> None:
        _clean(self, "key", "raw", "parked")


Event = Inbound | Edit | Standing | Receipt | Aside | Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A stored file, as a channel needs it to send: `path` to read, `url` a signed public link."""

    id: str
    name: str
    mime: str
    kind: MediaKind
    size: int
    path: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """One part of a reply: what one call to the vendor carries."""

    message_id: str
    part: int
    urn: str
    text: str = ""
    files: tuple[File, ...] = ()
    reply_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The vendor accepted a part under `external_id`.

    `moved_to` is set when the vendor has moved the address: the URN that it has from now on.
    """

    external_id: str
    moved_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a channel can carry. `text` is the longest reply, `part` the longest single piece
    (longer replies are split on a word), `caption` the longest text that travels with a file
    (0: text and files go apart); files per part and reply, bytes per file and per part.
    `highest` is the last state its receipts can reach: nobody waits for a tick that cannot come.
    """

    text: int
    part: int
    caption: int = 0
    files: int = 10
    files_per_part: int = 1
    file_size: int = 20_000_000
    part_size: int = 50_000_000
    highest: Literal["sent", "delivered", "read"] = "sent"
    segments: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How fast a channel may send: parts per second over all, and to one address, with bursts."""

    overall: float
    burst: float = 1
    address: float
    address_burst: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A line of `bridge check`: what was looked at, how it is, and what to do about it."""

    level: Literal["ok", "warning", "error"]
    what: str
    todo: str = ""
