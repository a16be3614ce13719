"""WhatsApp's messages and errors, as the Cloud API shapes them.

https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from bridge.sandbox.feed import Json

HELP = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"

# code → (HTTP status, title)
_ERRORS = {
    1: (400, "API Unknown"),
    2: (503, "Service temporarily unavailable"),
    4: (400, "Application request limit reached"),
    10: (403, "Application does not have permission for this action"),
    100: (400, "Invalid parameter"),
    190: (401, "Invalid OAuth access token - Cannot parse access token"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130429: (429, "Rate limit hit"),
    131000: (500, "Something went wrong"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131026: (400, "Message undeliverable"),
    131031: (403, "Business Account locked"),
    131042: (402, "Business eligibility payment issue"),
    131047: (400, "Re-engagement message"),
    131048: (429, "Spam rate limit hit"),
    131051: (400, "Unsupported message type"),
    131053: (400, "Media upload error"),
    131056: (429, "(Business Account, Consumer Account) pair rate limit hit"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
}
_TRANSIENT = frozenset({1, 2, 131000, 131016})
_DETAILS = {
    131026: "Message undeliverable.",
    131047: "Message failed to send because more than 24 hours have passed since the customer last replied "
    "to this number.",
    131051: "Message type is currently not supported.",
    131053: "Downloading media from weblink failed.",
}
KNOWN_CODES = frozenset(_ERRORS)


class GraphError(Exception):
    """An error of the Graph API. `details` go into `error_data`, `message` replaces the usual words."""

    def __init__(self, code: int, details: str = "", *, message: str = "", subcode: int = 0) -> None:
        self.code, self.subcode = code, subcode
        self.status, title = _ERRORS.get(code, (400, "Error"))
        self.details = details or _DETAILS.get(code, "")
        self.message = message or f"(#{code}) {title}"
        super().__init__(self.message)

    def body(self) -> Json:
        """`{"error": {...}}`, as Meta answers it."""
        kind = "GraphMethodException" if self.subcode == 33 else "OAuthException"
        error: Json = {"message": self.message, "type": kind, "code": self.code}
        if self.subcode:
            error["error_subcode"] = self.subcode
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.code in _TRANSIENT:
            error["is_transient"] = True
        return {"error": {**error, "fbtrace_id": f"A{secrets.token_urlsafe(16)}"}}


def trouble(code: int) -> Json:
    """An error as webhooks show it: in a status, or in a message of an unsupported kind."""
    title = _ERRORS.get(code, (400, "Error"))[1]
    return {
        "code": code, "title": title, "message": title,
        "error_data": {"details": _DETAILS.get(code, f"{title}.")}, "href": HELP,
    }  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Message:
    """A message at WhatsApp, either way.

    `customer` is a number with its plus, `content` what stands under the name of the kind in the API,
    `context` the id of the message that it quotes.
    """

    id: str
    customer: str
    direction: Literal["inbound", "outbound"]
    kind: str
    content: Any
    status: str
    context: str = ""
    opaque: str = ""
    category: str = "service"
    error: int | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def text(self) -> str:
        """Its words: the text, the caption, the button's title, the emoji."""
        content = self.content
        if not isinstance(content, dict):
            return ""
        if self.kind == "interactive":
            answer = content.get("button_reply") or {}
            return str(answer.get("title") or (content.get("body") or {}).get("text") or "")
        return next(
            (str(content[name]) for name in ("body", "caption", "emoji", "text") if content.get(name)), ""
        )

    def view(self, quoted: str) -> Json:
        """As a phone shows it; `quoted` are the words of the message that it answers."""
        return {
            "id": self.id, "direction": self.direction, "kind": self.kind, "text": self.text,
            "status": self.status, "error": self.error, "quoted": quoted, "card": self._card(),
            "file": self._file(), "buttons": self.buttons,
            "at": self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }  # fmt: skip

    def _file(self) -> Json | None:
        content = self.content
        if not isinstance(content, dict) or not content.get("id") or self.kind in ("interactive", "button"):
            return None
        return {
            "id": content["id"],
            "mime": content.get("mime_type", ""),
            "name": content.get("filename", ""),
        }

    def _card(self) -> Json | None:
        if self.kind == "location":
            place = f"{self.content['latitude']}, {self.content['longitude']}"
            name = self.content.get("name")
            return {"title": name or place, "small": self.content.get("address", place if name else "")}
        if self.kind == "contacts" and self.content:
            first = self.content[0]
            phones = [str(phone.get("phone", "")) for phone in first.get("phones", [])]
            return {"title": first["name"]["formatted_name"], "small": " · ".join(phones)}
        return None

    @property
    def buttons(self) -> list[Json]:
        """The buttons below it, each `{id, title}`."""
        if self.kind != "interactive" or self.direction == "inbound":
            return []
        return [button["reply"] for button in self.content["action"]["buttons"]]


def make_wamid() -> str:
    """A message id as WhatsApp makes them."""
    return "wamid." + base64.b64encode(b"\x1c\x18" + secrets.token_bytes(38)).decode()


def make_user_id(number: str) -> str:
    """A business-scoped user id: a country, a point, and digits that say nothing about the number."""
    country = "IT" if number.startswith("+39") else "US"
    return f"{country}.{secrets.randbelow(9 * 10**15) + 10**15}"
