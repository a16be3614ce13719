"""What an agent wants to say, before it is a message: how it is to go, and why it may not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import orjson

from bridge.errors import BridgeError, Conflict, Invalid, NotFound
from bridge.models import AddressState, Limits
from bridge.store.attempts import Start
from bridge.text import utf16_length


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """What a reply must know of a channel that works: its limits, and whether it is pulled."""

    label: str
    limits: Limits
    pulled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a reply goes that names no address, as an earlier one of its conversation found it."""

    address_id: str
    channel_id: int
    urn: str
    # What a look would find besides, where all is well.
    same_id: ClassVar[None] = None
    ended_at: ClassVar[None] = None
    contact_id: ClassVar[str] = ""
    owner_id: ClassVar[str] = ""
    state: ClassVar[AddressState] = "open"
    consent_at: ClassVar[int] = 0


def _no_place(_channel_id: int, _urn: str) -> Start | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A reply or note to be accepted. `via` names another of the contact's addresses.

    `reserve` asks the channel's sender for the first attempt of a reply to an address, to be written
    with its acceptance if nothing is before it. It may be asked again. `route` saves a look if it still
    is right. `lifetime` is how many ms it may wait to leave.
    """

    id: str
    conversation_id: str
    agent_id: str
    kind: Literal["reply", "note"]
    text: str
    client_id: str
    attachments: tuple[str, ...] = ()
    reply_to: int | None = None
    via: str | None = None
    lifetime: int
    carriers: Mapping[int, Carrier]
    reserve: Callable[[int, str], Start | None] = _no_place
    route: Route | None = None

    @property
    def fingerprint(self) -> str:
        """What makes two requests the same."""
        body = [self.kind, self.text, self.attachments, self.reply_to, self.via]
        return hashlib.sha256(orjson.dumps(body)).hexdigest()[:16]


def is_plain(draft: Draft) -> bool:
    """Whether it meets nothing but its conversation."""
    return draft.via is None and draft.reply_to is None and not draft.attachments


def refusal(draft: Draft, route: Any, uploads: Mapping[str, Any]) -> BridgeError | None:
    """Why a draft cannot be accepted, or `None`."""
    if route is None:
        return NotFound("There is no such conversation")
    for upload in draft.attachments:
        if upload not in uploads:
            return _invalid("attachments", "names a file that is not there, or was sent already")
    if draft.kind == "note":
        return None
    if route.ended_at is not None and route.newest_id is not None:
        return has_newer(route.newest_id)
    if route.address_id is None or route.owner_id != route.contact_id:
        return _invalid("via", "is not an address of this customer")
    carrier = draft.carriers.get(route.channel_id)
    if carrier is None:
        return Conflict("This channel is not set up", reason="channel_off")
    return _closed(route) or _over_limit(draft, carrier, uploads)


def has_newer(newest: str) -> Conflict:
    """The refusal to go on in a thread before the customer's newer one."""
    return Conflict("This conversation is over, there is a newer one", reason="ended", newest=newest)


def _closed(route: Any) -> BridgeError | None:
    sentences = {
        "blocked": "The customer blocked this channel",
        "opted_out": "The customer asked not to be written to here",
        "invalid": "This address does not work",
    }
    if route.state != "open":
        return Conflict(sentences[route.state], reason=route.state)
    if route.consent_at is None:
        return Conflict("The customer has not agreed to be written to here", reason="no_consent")
    return None


def _over_limit(draft: Draft, carrier: Carrier, uploads: Mapping[str, Any]) -> BridgeError | None:
    limits = carrier.limits
    if utf16_length(draft.text) > limits.text:
        problem = f"has more than {limits.text} characters, the limit of {carrier.label}"
        return _invalid("text", problem, limit=limits.text)
    if len(draft.attachments) > limits.files:
        return _invalid("attachments", f"are more than {limits.files}", limit=limits.files)
    for upload in draft.attachments:
        if (uploads[upload].size or 0) > limits.file_size:
            problem = f"{carrier.label} takes files up to {limits.file_size} bytes"
            return _invalid("attachments", problem, limit=limits.file_size)
    return None


def _invalid(field: str, problem: str, **extra: Any) -> Invalid:
    return Invalid(f"{field} {problem}", fields=[{"field": field, "problem": problem}], **extra)
