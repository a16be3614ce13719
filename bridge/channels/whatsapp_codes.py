"""What error codes of WhatsApp's Cloud API mean.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from __future__ import annotations

from http import HTTPStatus

from bridge.errors import AccountRefused, NotSent, Rejected, SendError, Throttled, Unknown

# Seconds that each asks us to be quiet; where WhatsApp names none it is the shortest pause there is.
PAUSE: dict[int, float | None] = {4: 60.0, 80007: 60.0, 130429: None, 131048: 60.0, 131056: None}
# WhatsApp does not work: nothing is wrong with the message, and it was not taken.
AGAIN = frozenset({1, 2, 131000, 131016, 131057})
# Ours to mend, no fault of the message: replies wait until somebody has.
ACCOUNT = frozenset({0, 3, 10, 33, 190, 368, 131005, 131031, 131042, 131045, 133010, *range(200, 300)})
# A wrong parameter; with the subcode, what the call is about: no such thing, or none of this token's.
PARAMETER, _NO_SUCH_OBJECT = 100, 33

_REASONS = {
    0: "WhatsApp does not know the access token: check WHATSAPP_ACCESS_TOKEN",
    3: "The access token may not send: give it whatsapp_business_messaging",
    4: "WhatsApp asks for a pause: the app makes too many calls",
    10: "The access token may not send: give it whatsapp_business_messaging",
    33: "WhatsApp knows no such number for this token: check WHATSAPP_PHONE_NUMBER_ID",
    190: "The access token has expired or was revoked: make a new WHATSAPP_ACCESS_TOKEN",
    368: "WhatsApp has blocked the account for a while, for breaking its rules",
    80007: "WhatsApp asks for a pause: the account makes too many calls",
    130429: "WhatsApp asks for a pause: too many messages at once",
    130497: "The account may not write to this country",
    131000: "WhatsApp has a fault of its own",
    131005: "The access token may not send: give it whatsapp_business_messaging",
    131016: "WhatsApp is not available",
    131021: "The number is the business's own",
    131026: "WhatsApp cannot deliver to this customer: not on WhatsApp, or with too old an app",
    131030: "A test number writes only to the numbers that are on its list at Meta",
    131031: "WhatsApp has locked the account",
    131042: "WhatsApp wants a payment method: see Billing in Meta's Business Manager",
    131045: "The number is not registered: register it in WhatsApp Manager",
    131047: "More than 24 hours since the customer last wrote: WhatsApp takes only templates now",
    131048: "WhatsApp asks for a pause: customers reported messages of this number",
    131051: "WhatsApp does not carry messages of this type",
    131053: "WhatsApp cannot use this file",
    131056: "WhatsApp asks for a pause: too many messages to this customer",
    131057: "WhatsApp is moving the account",
    133010: "The number is not registered: register it in WhatsApp Manager",
}


def reason(code: int | None, otherwise: str = "") -> str:
    """What a code says, in words an agent understands, with the code to look up."""
    if code is None:
        return otherwise or "WhatsApp gives no reason"
    return f"{_REASONS.get(code) or otherwise or 'WhatsApp refuses the message'} ({code})"


def refusal(
    code: int | None, subcode: int | None, status: int, message: str, rest: float | None = None
) -> SendError:
    """The `SendError` for an error of the API: code, HTTP status, words, and `Retry-After` in seconds.

    A 5xx was not taken, whatever its code (ADR 11); a 504 is a time-out behind the gateway.
    """
    if code == PARAMETER and subcode == _NO_SUCH_OBJECT:
        code = _NO_SUCH_OBJECT
    why = reason(code, message)
    if code in PAUSE or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(why, retry_after=rest or PAUSE.get(code or 0))
    if code in ACCOUNT or (status == HTTPStatus.UNAUTHORIZED and code not in AGAIN):
        return AccountRefused(why)
    if status == HTTPStatus.GATEWAY_TIMEOUT:
        return Unknown(f"{why}: the message may have arrived")
    if code in AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return NotSent(why, retry_after=rest)
    return Rejected(why)
