"""Twilio's message resource and errors, as its REST API shapes them.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from bridge.sandbox.feed import Json
from bridge.sandbox.vendor import Upload

BODY_LIMIT = 1600
_E164 = re.compile(r"\+[1-9]\d{6,14}")
# The numbers that Twilio's test credentials refuse: https://www.twilio.com/docs/iam/test-credentials
_MAGIC = {
    "+15005550001": 21211, "+15005550002": 21612, "+15005550003": 21408,
    "+15005550004": 21610, "+15005550009": 21614,
}  # fmt: skip
_WORDS = {
    20003: "Authenticate",
    20429: "Too Many Requests",
    20503: "Service unavailable",
    21211: "Invalid 'To' Phone Number: {to}",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number provided ({sender}) is not a valid message-capable Twilio phone number "
    "for this destination",
    21610: "Attempt to send to unsubscribed recipient",
    21612: "Message cannot be sent with the current combination of 'To' ({to}) and/or 'From' parameters",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21623: "Number of media files exceeds allowed limit",
    21701: "The Messaging Service does not exist.",
}
_STATUS = {20003: 401, 20404: 404, 20429: 429, 20503: 503}
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_TWICE = frozenset("^{}\\[~]|€\f")


class ApiError(Exception):
    """An error of Twilio: https://www.twilio.com/docs/api/errors."""

    def __init__(self, code: int, message: str = "", *, to: str = "", sender: str = "") -> None:
        self.code, self.status = code, _STATUS.get(code, 400)
        self.message = message or _WORDS[code].format(to=to, sender=sender)
        super().__init__(self.message)

    def body(self) -> Json:
        """As Twilio answers it."""
        link = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": link, "status": self.status}


@dataclass(slots=True, kw_only=True)
class Message:
    """A message at Twilio, either way. `media` are `(sid, file)`."""

    sid: str
    sender: str
    to: str
    body: str
    direction: str
    status: str
    service: str | None = None
    media: list[tuple[str, Upload]] = field(default_factory=list)
    error: int | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    sent: datetime | None = None

    @property
    def customer(self) -> str:
        """The number at the other end."""
        return self.sender if self.direction == "inbound" else self.to

    def resource(self, account: str) -> Json:
        """The JSON of the REST API."""
        uri = f"/2010-04-01/Accounts/{account}/Messages/{self.sid}"
        return {
            "account_sid": account, "api_version": "2010-04-01", "body": self.body,
            "date_created": _rfc2822(self.created), "date_sent": _rfc2822(self.sent) if self.sent else None,
            "date_updated": _rfc2822(self.sent or self.created), "direction": self.direction,
            "error_code": self.error, "error_message": f"Error {self.error}" if self.error else None,
            "from": self.sender, "messaging_service_sid": self.service,
            "num_media": str(len(self.media)), "num_segments": str(segments(self.body)), "price": None,
            "price_unit": None, "sid": self.sid, "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"}, "to": self.to, "uri": f"{uri}.json",
        }  # fmt: skip

    def view(self) -> Json:
        """As a phone shows it."""
        media = [{"sid": sid, "mime": upload.mime, "name": upload.name} for sid, upload in self.media]
        return {
            "sid": self.sid, "from": self.sender, "to": self.to, "body": self.body,
            "direction": self.direction, "status": self.status, "error": self.error, "media": media,
            "at": self.created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }  # fmt: skip


def refusal(params: Json, *, number: str, service: str, opted_out: set[str]) -> int:
    """The code with which Twilio refuses a send, or 0."""
    to, sender = str(params.get("To") or ""), str(params.get("From") or "")
    wanted, media = str(params.get("MessagingServiceSid") or ""), params.get("MediaUrl") or []
    body = str(params.get("Body") or "")
    checks = (
        (21604, not to),
        (21603, not sender and not wanted),
        (21701, bool(wanted) and wanted != service),
        (21606, bool(sender) and sender != number),
        (21211, not _E164.fullmatch(to)),
        (_MAGIC.get(to, 0), to in _MAGIC),
        (21602, not body and not media),
        (21617, len(body) > BODY_LIMIT),
        (21623, len(media) > 10),
        (21610, to in opted_out),
    )
    return next((code for code, wrong in checks if wrong), 0)


def segments(text: str) -> int:
    """How many SMS a text takes: 160 or 153 of GSM-7, 70 or 67 of UCS-2."""
    if all(ch in _GSM7 or ch in _GSM7_TWICE for ch in text):
        size, one, many = len(text) + sum(ch in _GSM7_TWICE for ch in text), 160, 153
    else:
        size, one, many = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if size <= one else -(-size // many)


def make_sid(prefix: str) -> str:
    """A SID: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def _rfc2822(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0))
