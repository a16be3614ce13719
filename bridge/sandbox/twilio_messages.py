"""Twilio's message resources: made, checked and refused as its REST API does.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from bridge.sandbox.feed import Json
from bridge.sandbox.vendor import Upload

BODY_LIMIT = 1600
STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
_E164 = re.compile(r"\+[1-9]\d{6,14}")
# The numbers that Twilio's test credentials refuse: https://www.twilio.com/docs/iam/test-credentials
_MAGIC = {
    "+15005550001": 21211, "+15005550002": 21612, "+15005550003": 21408,
    "+15005550004": 21610, "+15005550009": 21614,
}  # fmt: skip
_WORDS = {
    20003: "Authenticate", 20429: "Too Many Requests", 20503: "Service unavailable",
    21211: "Invalid 'To' Phone Number: {to}", 21408: "Permission to send an SMS has not been enabled "
    "for the region indicated by the 'To' number: {to}", 21602: "Message body is required.",
    21603: "A 'From' phone number is required.", 21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number provided ({sender}) is not a valid message-capable Twilio phone "
    "number for this destination", 21610: "Attempt to send to unsubscribed recipient",
    21612: "Message cannot be sent with the current combination of 'To' ({to}) and/or 'From' parameters",
    21614: "'To' number is not a valid mobile number", 21617: "The concatenated message body exceeds the "
    "1600 character limit", 21623: "Number of media files exceeds allowed limit",
    21701: "The Messaging Service does not exist.",
}  # fmt: skip
_STATUS = {20003: 401, 20404: 404, 20429: 429, 20503: 503}
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_TWICE = frozenset("^{}\\[~]|€\f")


class ApiError(Exception):
    """An error of Twilio: https://www.twilio.com/docs/api/errors."""

    def __init__(self, code: int, message: str = "", **values: str) -> None:
        self.code, self.status = code, _STATUS.get(code, 400)
        self.message = message or _WORDS[code].format(**{"to": "", "sender": "", **values})
        super().__init__(self.message)

    def body(self) -> Json:
        """As Twilio answers it."""
        link = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": link, "status": self.status}


@dataclass(slots=True)
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

    def resource(self, account: str) -> Json:
        """The JSON of the REST API."""
        uri = f"/2010-04-01/Accounts/{account}/Messages/{self.sid}"
        return {
            "account_sid": account, "api_version": "2010-04-01", "body": self.body,
            "date_created": _rfc2822(self.created), "date_sent": _rfc2822(self.sent) if self.sent else None,
            "date_updated": _rfc2822(self.sent or self.created), "direction": self.direction,
            "error_code": self.error, "error_message": f"Error {self.error}" if self.error else None,
            "from": self.sender or None, "messaging_service_sid": self.service,
            "num_media": str(len(self.media)), "num_segments": str(segments(self.body)), "price": None,
            "price_unit": None, "sid": self.sid, "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"}, "to": self.to, "uri": f"{uri}.json",
        }  # fmt: skip


class Messages:
    """All messages, newest last; the oldest go when there are too many."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._by_sid: OrderedDict[str, Message] = OrderedDict()

    def add(self, message: Message) -> Message:
        """Keep one."""
        self._by_sid[message.sid] = message
        if len(self._by_sid) > self._keep:
            self._by_sid.popitem(last=False)
        return message

    def get(self, sid: str) -> Message | None:
        """One by its SID."""
        return self._by_sid.get(sid)

    def newest_first(self) -> Iterable[Message]:
        """In the order of Twilio's list."""
        return reversed(self._by_sid.values())

    def clear(self) -> None:
        """Forget all."""
        self._by_sid.clear()


def checked(params: Json, *, numbers: set[str], service: str, opted_out: set[str]) -> tuple[str, str | None]:
    """Sender and service of a send; `ApiError` where Twilio refuses it."""
    to, sender = str(params.get("To") or ""), str(params.get("From") or "")
    wanted = str(params.get("MessagingServiceSid") or "")
    body = str(params.get("Body") or "")
    media = params.get("MediaUrl") or []
    if not to:
        raise ApiError(21604)
    if not sender and not wanted:
        raise ApiError(21603)
    if wanted and wanted != service:
        raise ApiError(21701)
    if sender and sender not in numbers:
        raise ApiError(21606, sender=sender)
    if not _E164.fullmatch(to):
        raise ApiError(21211, to=to)
    if to in _MAGIC:
        raise ApiError(_MAGIC[to], to=to)
    if not body and not media:
        raise ApiError(21602)
    if len(body) > BODY_LIMIT:
        raise ApiError(21617)
    if len(media) > 10:
        raise ApiError(21623)
    if to in opted_out:
        raise ApiError(21610)
    return sender or min(numbers), wanted or None


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
