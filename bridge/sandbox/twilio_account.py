"""The account at the stand-in for Twilio: its number, its messages, and who may not be written to."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable

from bridge.sandbox.feed import Json
from bridge.sandbox.twilio_messages import ApiError, Message, make_sid, refusal
from bridge.sandbox.vendor import Upload

STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START = frozenset({"START", "YES", "UNSTOP"})
_STOPPED = (
    "You have successfully been unsubscribed. You will not receive any more messages from this number. "
    "Reply START to resubscribe."
)
_STARTED = "You have successfully been re-subscribed to messages from this number. Reply STOP to unsubscribe."


class Account:
    """One account with one number in one messaging service.

    `webhook` is where customers' messages go, `status_webhook` where the states go when a send names
    no `StatusCallback`. `dead`: phones that cannot be reached, with the error that it ends with.
    """

    def __init__(self, sid: str, token: str, number: str, keep: int) -> None:
        self.sid = sid or make_sid("AC")
        self.token = token or secrets.token_hex(16)
        self.number, self.number_sid, self.service = number, make_sid("PN"), make_sid("MG")
        self.webhook = ""
        self.status_webhook = ""
        self.opted_out: set[str] = set()
        self.dead: dict[str, int] = {}
        self._keep = keep
        self._messages: OrderedDict[str, Message] = OrderedDict()

    def add(self, message: Message) -> Message:
        """Keep a message; the oldest go when there are too many."""
        self._messages[message.sid] = message
        if len(self._messages) > self._keep:
            self._messages.popitem(last=False)
        return message

    def get(self, sid: str) -> Message | None:
        """A message by its SID."""
        return self._messages.get(sid)

    def newest_first(self) -> Iterable[Message]:
        """All messages, in the order of Twilio's list."""
        return reversed(self._messages.values())

    def file(self, media_sid: str) -> Upload | None:
        """A file of any message."""
        found = (upload for m in self.newest_first() for sid, upload in m.media if sid == media_sid)
        return next(found, None)

    def received(self, sender: str, text: str, media: list[tuple[str, Upload]]) -> Message:
        """A customer's message."""
        message = Message(
            sid=make_sid("MM" if media else "SM"), sender=sender, to=self.number, body=text,
            direction="inbound", status="received", service=self.service, media=media,
        )  # fmt: skip
        message.sent = message.created
        return self.add(message)

    def accepted(self, params: Json) -> Message:
        """A message of the gateway; `ApiError` where Twilio refuses it."""
        code = refusal(params, number=self.number, service=self.service, opted_out=self.opted_out)
        to, sender = str(params.get("To") or ""), str(params.get("From") or "")
        if code:
            raise ApiError(code, to=to, sender=sender)
        service = params.get("MessagingServiceSid")
        return self.add(Message(
            sid=make_sid("MM" if params.get("MediaUrl") else "SM"), sender=sender or self.number, to=to,
            body=str(params.get("Body") or ""), direction="outbound-api",
            status="accepted" if service else "queued", service=service,
        ))  # fmt: skip

    def subscription(self, message: Message) -> Message | None:
        """Handle STOP and START as Twilio does by itself; its answer to the customer, if any."""
        word, number = message.body.strip().upper(), message.sender
        if word in STOP and number not in self.opted_out:
            self.opted_out.add(number)
            return self._own_answer(number, _STOPPED)
        if word in START and number in self.opted_out:
            self.opted_out.discard(number)
            return self._own_answer(number, _STARTED)
        return None

    def clear(self) -> None:
        """Forget messages, opt-outs and dead phones."""
        self._messages.clear()
        self.opted_out.clear()
        self.dead.clear()

    def _own_answer(self, number: str, text: str) -> Message:
        message = Message(
            sid=make_sid("SM"), sender=self.number, to=number, body=text,
            direction="outbound-reply", status="delivered", service=self.service,
        )  # fmt: skip
        message.sent = message.created
        return self.add(message)
