"""What Twilio's error codes mean: https://www.twilio.com/docs/api/errors."""

from __future__ import annotations

from http import HTTPStatus

from bridge.errors import AccountRefused, NotSent, Rejected, SendError, Throttled, Unreachable

PAUSE = frozenset({20429, 63018, 21611, 30001})
AGAIN = frozenset({20503, 30003, 30008, 63012})
OPTED_OUT = frozenset({21610})
INVALID = frozenset({21211, 21614, 30004, 30005, 30006, 63003, 63024})
# Ours to mend, no fault of the message: replies wait until somebody has.
ACCOUNT = frozenset({10001, 20003, 20005, 20404, 30002})

# Twilio's own queue drains at the number's pace; a full one has ten hours of messages before it.
_QUEUE_PAUSE = 60.0

_REASONS = {
    10001: "The Twilio account is not active",
    11200: "Twilio could not fetch the file from this gateway",
    12300: "Twilio does not carry files of this type",
    20003: "Twilio refuses the account: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
    20005: "The Twilio account is not active",
    20404: "Twilio does not know this account: check TWILIO_ACCOUNT_SID",
    20429: "Twilio asks for a pause",
    20500: "Twilio has a fault of its own",
    20503: "Twilio is not available",
    21211: "This is not a valid number",
    21212: "The sender is not valid: check TWILIO_FROM",
    21408: "The Twilio account may not send to this country: allow it under Messaging, Geo permissions",
    21603: "No sender: set TWILIO_FROM or TWILIO_MESSAGING_SERVICE_SID",
    21606: "TWILIO_FROM is not a number of this account that can send SMS",
    21608: "A trial account sends only to numbers that are verified at Twilio",
    21610: "The customer has opted out of SMS (STOP)",
    21611: "Too many messages wait at Twilio for this number",
    21612: "This number cannot be reached from the sender's number",
    21614: "This is not a mobile number",
    21617: "The text is longer than the 1600 characters that an SMS may have",
    21620: "Twilio cannot use the file's address",
    30001: "Too many messages wait at Twilio",
    30002: "The Twilio account is suspended",
    30003: "The phone is off or out of reach",
    30004: "The number or its operator blocks these messages",
    30005: "The number is not known to any operator",
    30006: "The number is a landline or its operator takes no SMS",
    30007: "The operator filtered the message as spam",
    30008: "The operator reports a fault without a reason",
    30034: "The sender is not registered for messages to US numbers (A2P 10DLC)",
    63018: "Twilio asks for a pause",
}


def reason(code: int | None, otherwise: str = "") -> str:
    """What a code says, in words an agent understands, with the code to look up."""
    if code is None:
        return otherwise or "Twilio gives no reason"
    return f"{_REASONS.get(code) or otherwise or 'Twilio refuses the message'} ({code})"


def is_of_the_account(code: int | None, status: int) -> bool:
    """Whether Twilio refuses the account: nothing will be had or sent until somebody has looked at it."""
    return code in ACCOUNT or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def refusal(code: int | None, status: int, message: str) -> SendError:
    """The `SendError` for an error of Twilio's API: its code, HTTP status and message."""
    why = reason(code, message)
    if code in OPTED_OUT:
        return Unreachable(why, state="opted_out")
    if code in INVALID:
        return Unreachable(why, state="invalid")
    if code in PAUSE or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(why, retry_after=_QUEUE_PAUSE if code in (21611, 30001) else None)
    if is_of_the_account(code, status):
        return AccountRefused(why)
    if code in AGAIN or status == HTTPStatus.NOT_FOUND:
        return NotSent(why)
    return Rejected(why)
