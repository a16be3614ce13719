"""Twilio's webhooks as Bridge's events, and the check that Twilio sent them.

https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import mimetypes
import re
from collections.abc import Mapping
from functools import partial
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from bridge.channels.base import header
from bridge.channels.phone import address, consent
from bridge.channels.sms_codes import INVALID, OPTED_OUT, reason
from bridge.errors import BadRequest, BadWebhook, WrongType
from bridge.models import (
    AddressState,
    Event,
    Ignored,
    Inbound,
    Media,
    MediaKind,
    Receipt,
    ReceiptStatus,
    Standing,
    Webhook,
)

_STATUSES: Mapping[str, ReceiptStatus | None] = {
    "accepted": None, "scheduled": None, "queued": None, "sending": None, "receiving": None, "received": None,
    "sent": "sent", "delivered": "delivered", "read": "read",
    "failed": "failed", "undelivered": "failed", "canceled": "failed",
}  # fmt: skip
# Digits of a number that the account's owner has Twilio forget (Message Redaction). Read as
# a number it would be a stranger's: letters stand for digits on a telephone's keys.
_HIDDEN = re.compile(r"\+?\d*X+\d*")
_HASHES = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_MEDIA_LIMIT = 20
# What the key of a status begins with, where the status itself has none.
_STATUS = "status:"

Form = Mapping[str, list[str]]


def read_form(hook: Webhook) -> dict[str, list[str]]:
    """The form's fields, each with all its values. `WrongType`, `BadRequest`."""
    content_type = header(hook.headers, "content-type")
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise WrongType("Twilio sends application/x-www-form-urlencoded")
    charset = re.search(r"charset=\"?([\w-]+)", content_type, re.IGNORECASE)
    encoding = charset[1] if charset else "utf-8"
    try:
        return fields_of(hook.body.decode(encoding), encoding)
    except LookupError:
        raise WrongType("The form's charset is not known") from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not a form") from None


def fields_of(body: str, encoding: str = "utf-8") -> dict[str, list[str]]:
    """The same of a body alone. `BadRequest`."""
    form: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            body, keep_blank_values=True, strict_parsing=True, encoding=encoding, errors="strict",
            max_num_fields=500,
        )  # fmt: skip
    except ValueError:
        raise BadRequest("The body is not a form") from None
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def verify(hook: Webhook, form: Form, account_sid: str, auth_token: str) -> None:
    """`BadWebhook` unless this account signed the call for this URL and these fields.

    https://www.twilio.com/docs/usage/security#validating-requests. The number is not looked at:
    with a Messaging Service any number of its pool may be meant.
    """
    algorithm = _HASHES.get(_algorithm(header(hook.headers, "x-twilio-webhooks-signature-settings")))
    if algorithm is None:
        raise BadWebhook("The signature's algorithm is not known")
    given = header(hook.headers, "x-twilio-signature").encode("utf-8", "replace")
    fields = "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    expected = [_sign(auth_token, url + fields, algorithm) for url in _spellings(hook.url)]
    if not any([hmac.compare_digest(given, signature) for signature in expected]):  # noqa: C419 - all, always
        raise BadWebhook("The signature is missing or wrong")
    if not hmac.compare_digest(_first(form, "AccountSid").encode(), account_sid.encode()):
        raise BadWebhook("The webhook is of another account")


def _algorithm(settings: str) -> str:
    """`key=…,algorithm=HMAC_SHA256`; without it the older SHA-1."""
    pairs = (part.partition("=") for part in settings.split(","))
    named = (value.strip().upper() for name, _, value in pairs if name.strip() == "algorithm")
    return next(filter(None, named), "HMAC_SHA1")


def _sign(token: str, text: str, algorithm: str) -> bytes:
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), algorithm))


def _spellings(url: str) -> tuple[str, str]:
    """The URL with and without its port: Twilio has signed both."""
    parts = urlsplit(url)
    user, at, where = parts.netloc.rpartition("@")
    bare = where.removesuffix(f":{parts.port}") if parts.port else where
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return _with(parts, f"{user}{at}{bare}"), _with(parts, f"{user}{at}{bare}:{port}")


def _with(parts: SplitResult, netloc: str) -> str:
    return parts._replace(netloc=netloc).geturl()


def listed(fields: Mapping[str, str], at: int) -> list[Event]:
    """A message of the account's list, put into the words of its webhook, as the same events.

    `OptOutType` is not in the list: words of the operator's own (Advanced Opt-Out) change nothing here.
    """
    return inbound({name: [value] for name, value in fields.items()}, urlencode(fields), at)


def inbound(form: Form, raw: str, at: int | None = None) -> list[Event]:
    """A customer's message, and what its one word may say about their consent.

    `at` is Twilio's time in Unix ms, which its webhook does not tell.
    """
    sid = _first(form, "MessageSid") or _first(form, "SmsSid")
    sender = _first(form, "From")
    key = sid or f"body:{hashlib.sha256(raw.encode()).hexdigest()}"
    if not sid or not sender:
        return [Ignored(key=key, raw=raw, parked="A message without MessageSid or From")]
    if ":" in sender:  # whatsapp:+39…, messenger:…: another channel's number calls this webhook
        return [Ignored(key=key, raw=raw, parked=f"Not an SMS: {sender.partition(':')[0]}")]
    if _HIDDEN.fullmatch(sender):
        return [Ignored(key=key, raw=raw, parked="Twilio hides the sender's number (Message Redaction)")]
    number, shown = address(sender)
    media = _media(form)
    text = _first(form, "Body")
    message = Inbound(
        key=key, urn=f"tel:{number}", external_id=sid, text=text, handle=shown, raw=raw, provider_at=at,
        kind=media[0].kind if media else "text", media=media,
        parked="" if media or not _announced(form) else "Files were announced and none came",
    )  # fmt: skip
    return [message, *_consent(form, text, key, message.urn, at)]


def status(form: Form, raw: str) -> list[Event]:
    """What became of a message that we sent. States before it left say nothing new."""
    sid = _first(form, "MessageSid") or _first(form, "SmsSid")
    state = _first(form, "MessageStatus") or _first(form, "SmsStatus")
    if not sid or state not in _STATUSES:
        digest = hashlib.sha256(raw.encode()).hexdigest()
        return [Ignored(key=f"{_STATUS}{digest}", raw=raw, parked="A status that is not known")]
    reached = _STATUSES[state]
    if reached is None:
        return []
    if reached != "failed":
        return [Receipt(external_id=sid, status=reached)]
    code = int(given) if (given := _first(form, "ErrorCode")).isdecimal() else None
    otherwise = "The message was cancelled at Twilio" if state == "canceled" else ""
    receipt = Receipt(external_id=sid, status="failed", reason=reason(code, otherwise))
    return [receipt, *_closed(code, sid, _first(form, "To"))]


def is_status(key: str) -> bool:
    """Whether what is kept under a key came as a status."""
    return key.startswith(_STATUS)


def _consent(form: Form, text: str, key: str, urn: str, at: int | None) -> list[Event]:
    """`OptOutType` is Twilio's own verdict (Advanced Opt-Out); without it the word alone decides."""
    said = partial(Standing, urn=urn, at=at)
    verdict = _first(form, "OptOutType").upper()
    word = consent(text)
    if verdict == "STOP" or (not verdict and word == "stop"):
        return [said(key=f"{key}:stop", state="opted_out", reason="The customer wrote STOP")]
    if verdict == "START" or (not verdict and word == "start"):
        return [said(key=f"{key}:start", state="open", reason="The customer wrote START", opt_in=True)]
    return []


def _closed(code: int | None, sid: str, to: str) -> list[Event]:
    """Some failures close the number: nothing sent to it will arrive."""
    if not to or ":" in to or (code not in OPTED_OUT and code not in INVALID):
        return []
    state: AddressState = "opted_out" if code in OPTED_OUT else "invalid"
    urn = f"tel:{address(to)[0]}"
    return [Standing(key=f"{sid}:{code}", urn=urn, state=state, reason=reason(code))]


def _media(form: Form) -> tuple[Media, ...]:
    """The files of an MMS: `MediaUrl0`, `MediaContentType0`, and so on."""
    found: list[Media] = []
    for index in range(_MEDIA_LIMIT):
        url = _first(form, f"MediaUrl{index}")
        if not url:
            break
        mime = _first(form, f"MediaContentType{index}").partition(";")[0].strip().lower()
        kind = media_kind(mime)
        extension = mimetypes.guess_extension(mime) or ""
        found.append(Media(kind=kind, ref=url, name=f"{kind}-{index + 1}{extension}", mime=mime))
    return tuple(found)


def media_kind(mime: str) -> MediaKind:
    """How a file of this type is shown."""
    match mime.partition("/")[0]:
        case "image":
            return "image"
        case "video":
            return "video"
        case "audio":
            return "audio"
        case _:
            return "document"


def _announced(form: Form) -> bool:
    count = _first(form, "NumMedia")
    return count.isdecimal() and int(count) > 0


def _first(form: Form, name: str) -> str:
    return form.get(name, [""])[0]
