"""Twilio's calls to the gateway: signed forms, one retry, 15 seconds in all.

https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from bridge.sandbox.feed import Wire
from bridge.sandbox.postman import Postman, Reply
from bridge.sandbox.twilio_messages import Message, make_sid, segments

_BUDGET = 15.0


def signature(token: str, url: str, params: Mapping[str, str]) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the URL and every sorted name and value, blanks too."""
    text = url + "".join(name + params[name] for name in sorted(params))
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


class Hooks:
    """Posts to the gateway. What it does not take after one retry is lost, as at Twilio."""

    def __init__(self, wire: Wire, post: Postman, token: str) -> None:
        self._wire, self._post, self.token = wire, post, token

    async def deliver(self, url: str, params: Mapping[str, str], note: str) -> list[str]:
        """POST the form; the outcomes of the tries, one or two."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature(self.token, url, params),
            "I-Twilio-Idempotency-Token": make_sid("")[:32],
            "User-Agent": "TwilioProxy/1.1", "Accept": "*/*",
        }  # fmt: skip
        body = urlencode(params).encode()
        ends = time.monotonic() + _BUDGET
        outcomes: list[str] = []
        while len(outcomes) < 2 and (left := ends - time.monotonic()) > 0:
            reply = await self._post.post(url, body, headers, within=left)
            self._log(url, params, reply, note)
            outcomes.append(reply.outcome)
            if reply.ok or 300 <= reply.status < 500:
                break
        return outcomes

    def _log(self, url: str, params: Mapping[str, str], reply: Reply, note: str) -> None:
        path = "/" + url.partition("://")[2].partition("/")[2]
        self._wire.add(
            "sms", "in", f"POST {path}", reply.outcome, seconds=reply.seconds, note=note,
            request=dict(params), response=reply.body.decode(errors="replace")[:500],
        )  # fmt: skip


def inbound_form(message: Message, account: str, media_base: str) -> dict[str, str]:
    """The form of a customer's message: https://www.twilio.com/docs/messaging/guides/webhook-request."""
    form = {
        "ToCountry": "IT", "ToState": "", "SmsMessageSid": message.sid, "NumMedia": str(len(message.media)),
        "ToCity": "", "FromZip": "", "SmsSid": message.sid, "FromState": "", "SmsStatus": "received",
        "FromCity": "", "Body": message.body, "FromCountry": "IT", "To": message.to, "ToZip": "",
        "NumSegments": str(segments(message.body)), "MessageSid": message.sid, "AccountSid": account,
        "From": message.sender, "ApiVersion": "2010-04-01",
    }  # fmt: skip
    if message.service:
        form["MessagingServiceSid"] = message.service
    for number, (sid, upload) in enumerate(message.media):
        form[f"MediaUrl{number}"] = f"{media_base}/Messages/{message.sid}/Media/{sid}"
        form[f"MediaContentType{number}"] = upload.mime
    return form


def status_form(message: Message, account: str) -> dict[str, str]:
    """The form of a status callback.

    https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
    """
    form = {
        "SmsSid": message.sid, "SmsStatus": message.status, "MessageStatus": message.status,
        "To": message.to, "MessageSid": message.sid, "AccountSid": account, "From": message.sender,
        "ApiVersion": "2010-04-01",
    }  # fmt: skip
    if message.service:
        form["MessagingServiceSid"] = message.service
    if message.error:
        form["ErrorCode"] = str(message.error)
    return form
