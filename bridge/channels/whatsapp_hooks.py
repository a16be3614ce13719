"""WhatsApp's webhooks as Bridge's events, and the check that Meta sent them.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import orjson
import structlog
from pydantic import ValidationError

from bridge.channels import phone
from bridge.channels.base import header
from bridge.channels.shapes import as_dict, as_list
from bridge.channels.whatsapp_codes import reason
from bridge.channels.whatsapp_content import Content, content_of, edited
from bridge.channels.whatsapp_shapes import Fault, Message, Person, Profile, Status
from bridge.errors import BadRequest, BadWebhook
from bridge.models import Edit, Event, Ignored, Inbound, Receipt, ReceiptStatus, Standing, Webhook
from bridge.text import clean_all

log = structlog.get_logger()

# `played`: the customer heard a voice message.
_STATUSES: dict[str, ReceiptStatus] = {
    "sent": "sent", "delivered": "delivered", "read": "read", "played": "read", "failed": "failed",
}  # fmt: skip


def verify(hook: Webhook, secrets: Sequence[bytes]) -> None:
    """`BadWebhook` unless an app with one of these secrets signed these very bytes."""
    given = header(hook.headers, "x-hub-signature-256").encode("utf-8", "replace")
    wanted = [b"sha256=" + hmac.new(key, hook.body, hashlib.sha256).hexdigest().encode() for key in secrets]
    if not any([hmac.compare_digest(given, signature) for signature in wanted]):  # noqa: C419 - all, always
        raise BadWebhook("The signature is missing or wrong")


def read(body: bytes, number_id: str) -> list[Event]:
    """The events of a webhook that are for a number of ours: one account's numbers share the webhook.

    `BadRequest` for what is not the JSON of a webhook. Each message and status is read on its own.
    """
    entries = _document(body).get("entry")
    if not isinstance(entries, list):
        raise BadRequest("This is not what WhatsApp sends")
    events: list[Event] = []
    for change in (each for entry in entries for each in as_list(as_dict(entry).get("changes"))):
        field, value = as_dict(change).get("field"), as_dict(as_dict(change).get("value"))
        if field != "messages":
            log.info("webhook passed over", channel="whatsapp", about=str(field)[:60])
        elif as_dict(value.get("metadata")).get("phone_number_id") != number_id:
            log.info("webhook of another number passed over", channel="whatsapp")
        else:
            events += _events(value)
    return events


def reread(raw: str) -> list[Event]:
    """The events in what was kept of a webhook: the value of one change, with one thing in it."""
    return _events(_document(raw.encode()))


def _document(body: bytes) -> dict[str, Any]:
    """The JSON as it came, cleaned where need be: Python's own parser takes lone surrogates."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            document = clean_all(json.loads(body))
        except (ValueError, RecursionError):
            raise BadRequest("The body is not JSON") from None
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object")
    return document


def _events(value: dict[str, Any]) -> list[Event]:
    people = [_person(each) for each in as_list(value.get("contacts"))]
    events: list[Event] = []
    for each in as_list(value.get("messages")):
        events += _message(each, people, _kept(value, "messages", each))
    for each in as_list(value.get("statuses")):
        events.append(_status(each, value))
    for each in as_list(value.get("errors")):
        events.append(_fault(each, _kept(value, "errors", each)))
    return events


def _kept(value: dict[str, Any], name: str, item: Any) -> str:
    """One thing of a change, as a change with nothing else in it."""
    about = {key: value[key] for key in ("metadata", "contacts") if key in value}
    return json.dumps(about | {name: [item]}, ensure_ascii=False, separators=(",", ":"))


def _message(given: Any, people: list[Person], raw: str) -> list[Event]:
    try:
        message = Message.model_validate(given)
    except ValidationError as error:
        return [_unreadable(as_dict(given), people, raw, _problem(error))]
    sender = _sender(message.sender, message.user_id, people)
    urn = _urn(sender)
    if not urn:
        return [Ignored(key=message.id, raw=raw, parked="A message without a sender")]
    at = message.timestamp * 1000 if message.timestamp else None
    if message.system:
        return [_notice(message, urn, at)]
    if message.edit:
        change = message.edit
        text = edited(change.message)
        if text is None:
            return [Ignored(key=message.id)]
        return [Edit(key=message.id, urn=urn, external_id=change.original_message_id, text=text, raw=raw)]
    content = content_of(message)
    if content is None:
        return [Ignored(key=message.id)]
    inbound = _inbound(message.id, urn, sender, content, raw, at)
    return [inbound, *(_consent(inbound) if message.text else ())]


def _inbound(
    key: str, urn: str, sender: Person, content: Content, raw: str, at: int | None = None, parked: str = ""
) -> Inbound:
    profile = sender.profile or Profile()
    shown = phone.address(f"+{sender.wa_id}")[1] if sender.wa_id else ""
    return Inbound(
        key=key, urn=urn, external_id=key, kind=content.kind, text=content.text, media=content.media,
        data=dict(content.data), reply_to=content.reply_to, name=profile.name or "",
        handle=shown or (f"@{profile.username}" if profile.username else ""),
        provider_at=at, raw=raw, parked=parked or content.parked,
    )  # fmt: skip


def _consent(said: Inbound) -> list[Event]:
    """What a customer typed may close or open the address; what they chose from a list does not."""
    word = phone.consent(said.text)
    if word is None:
        return []
    stop = word == "stop"
    return [
        Standing(
            key=f"{said.key}:{word}", urn=said.urn, at=said.provider_at, opt_in=not stop,
            state="opted_out" if stop else "open", reason=f"The customer wrote {word.upper()}",
        )
    ]  # fmt: skip


def _notice(message: Message, urn: str, at: int | None) -> Event:
    """A notice of WhatsApp's own is no message. A number that was given up is nobody's, or a stranger's."""
    if message.system and message.system.type == "user_changed_number":
        why = "The customer has changed the number"
        return Standing(key=message.id, urn=urn, state="invalid", reason=why, at=at)
    return Ignored(key=message.id)


def _unreadable(given: dict[str, Any], people: list[Person], raw: str, problem: str) -> Event:
    """A poison message: parked, and shown in its customer's thread when it says whose that is."""
    parked = f"A message that cannot be read: {problem}"
    key, number, user = (_word(given.get(name)) for name in ("id", "from", "from_user_id"))
    sender = _sender(number, user, people)
    urn = _urn(sender)
    if not key or not urn:
        return Ignored(key=key or _digest("message", raw), raw=raw, parked=parked)
    kind = _word(given.get("type")) or "unreadable"
    return _inbound(key, urn, sender, Content("unsupported", data={"kind": kind}), raw, parked=parked)


def _status(given: Any, value: dict[str, Any]) -> Event:
    """What became of a message that we sent."""
    try:
        status = Status.model_validate(given)
    except ValidationError as error:
        return _odd_status(given, value, f"A status that cannot be read: {_problem(error)}")
    reached = _STATUSES.get(status.status)
    if reached is None:
        return _odd_status(given, value, "A status that is not known")
    if reached != "failed":
        return Receipt(external_id=status.id, status=reached)
    fault = (status.errors or [Fault()])[0]
    return Receipt(external_id=status.id, status="failed", reason=reason(fault.code, fault.words))


def _odd_status(given: Any, value: dict[str, Any], parked: str) -> Ignored:
    raw = _kept(value, "statuses", given)
    return Ignored(key=_digest("status", raw), raw=raw, parked=parked)


def _fault(given: Any, raw: str) -> Event:
    """A fault that belongs to no message: for a person to see."""
    try:
        fault = Fault.model_validate(given)
    except ValidationError:
        fault = Fault()
    return Ignored(key=_digest("fault", raw), raw=raw, parked=reason(fault.code, fault.words))


def _sender(number: str | None, user: str | None, people: list[Person]) -> Person:
    """Who wrote, with what the webhook says of them elsewhere. A number is digits, without +."""
    number = (number or "").removeprefix("+")
    for person in people:
        if (number and person.wa_id == number) or (user and person.user_id == user):
            found = person
            break
    else:
        found = people[0] if len(people) == 1 and not number and not user else Person()
    number = number or (found.wa_id or "").removeprefix("+")
    usable = number.isascii() and number.isdecimal()
    return Person(wa_id=number if usable else None, user_id=user or found.user_id, profile=found.profile)


def _urn(sender: Person) -> str:
    """By number; by the id that the customer has for this business where the number is hidden."""
    if sender.wa_id:
        return f"whatsapp:+{sender.wa_id}"
    return f"whatsapp:{sender.user_id}" if sender.user_id else ""


def _person(given: Any) -> Person:
    try:
        return Person.model_validate(given)
    except ValidationError:
        return Person()


def _problem(error: ValidationError) -> str:
    """Where and what, without the value: it may be a customer's words."""
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}"


def _digest(kind: str, raw: str) -> str:
    return f"{kind}:{hashlib.sha256(raw.encode()).hexdigest()}"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
