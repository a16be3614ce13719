"""The account at the stand-in for WhatsApp: its number, its customers, their messages and files."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bridge.sandbox.feed import Json
from bridge.sandbox.twilio_account import START, STOP
from bridge.sandbox.vendor import Upload
from bridge.sandbox.whatsapp_messages import GraphError, Message, make_user_id

WINDOW = timedelta(hours=24)
_KEPT_FILES = 500
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")


@dataclass(slots=True)
class Phone:
    """A customer. `wrote` is when they last did; `hidden`: WhatsApp keeps the number to itself."""

    number: str
    name: str
    user_id: str
    wrote: datetime | None = None
    hidden: bool = False
    on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.on.set()

    @property
    def wa_id(self) -> str:
        """The number without its plus."""
        return self.number[1:]

    @property
    def open(self) -> bool:
        """Whether anything but a template may be sent: 24 hours after the customer's last message."""
        return self.wrote is not None and datetime.now(UTC) - self.wrote < WINDOW

    def contact(self) -> Json:
        """The `contacts` entry of a webhook."""
        entry: Json = {"profile": {"name": self.name}, "user_id": self.user_id}
        return entry if self.hidden else {**entry, "wa_id": self.wa_id}


class Consent:
    """Who may be written to; each send that nobody agreed to is in `violations`."""

    def __init__(self) -> None:
        self.stopped: set[str] = set()
        self.violations: list[Json] = []

    def heard(self, number: str, text: str) -> None:
        """STOP and START, as words of their own."""
        word = text.strip().upper()
        if word in STOP:
            self.stopped.add(number)
        elif word in START:
            self.stopped.discard(number)

    def judge(self, phone: Phone, message: Message) -> None:
        """A send to who said stop, or, without a template, to who never wrote, is a violation."""
        why = "stopped" if phone.number in self.stopped else ""
        if not why and phone.wrote is None and message.kind != "template":
            why = "never wrote"
        if why:
            self.violations.append({"to": phone.number, "id": message.id, "kind": message.kind, "why": why})

    def clear(self) -> None:
        """Forget everything."""
        self.stopped.clear()
        self.violations.clear()


class Account:
    """One business number. `dead`: numbers that cannot be reached, with the code that a send ends with.

    `webhook` is where messages and statuses are posted. `templates`: the approved ones, name → `{language,
    category, text}`, with `{{1}}` and so on for parameters.
    """

    def __init__(self, number: str, token: str, phone_number_id: str, app_secret: str, keep: int) -> None:
        self.number = number
        self.token = token or f"EAAG{secrets.token_hex(40)}"
        self.phone_number_id = phone_number_id or _digits()
        self.app_secret = app_secret or secrets.token_hex(16)
        self.verify_token = secrets.token_urlsafe(16)
        self.business_id = _digits()
        self.webhook = ""
        self.dead: dict[str, int] = {}
        self.templates: dict[str, Json] = {
            "hello_world": {"language": "en_US", "category": "UTILITY", "text": "Hello World"},
            "riprendiamo": {
                "language": "it", "category": "UTILITY",
                "text": "Buongiorno {{1}}, possiamo riprendere la nostra conversazione?",
            },
        }  # fmt: skip
        self.phones: dict[str, Phone] = {}
        self.files: OrderedDict[str, Upload] = OrderedDict()
        self._keep = keep
        self._messages: OrderedDict[str, Message] = OrderedDict()

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages.values())

    def add(self, message: Message) -> Message:
        """Keep a message; the oldest go when there are too many."""
        self._messages[message.id] = message
        if len(self._messages) > self._keep:
            self._messages.popitem(last=False)
        return message

    def get(self, message_id: str) -> Message | None:
        """A message by its id."""
        return self._messages.get(message_id)

    def upload(self, upload: Upload) -> str:
        """Keep a file; its id."""
        media_id = _digits()
        self.files[media_id] = upload
        if len(self.files) > _KEPT_FILES:
            self.files.popitem(last=False)
        return media_id

    def enter(self, number: str, name: str = "") -> Phone:
        """A customer by number, made at first sight. Nonsense is a `ValueError`."""
        if not _NUMBER.fullmatch(number):
            raise ValueError(f"{number!r} is no number with a plus and its country")
        phone = self.phones.get(number)
        if phone is None:
            phone = self.phones[number] = Phone(
                number, name or f"Customer {number[-4:]}", make_user_id(number)
            )
        elif name:
            phone.name = name
        return phone

    def to_send(self, params: Json) -> Phone:
        """Whom a send means: `to` is a number in any writing, `recipient` a business-scoped user id."""
        user_id = str(params.get("recipient") or "")
        if params.get("to"):  # where both are given, the number counts
            try:
                return self.enter("+" + re.sub(r"\D", "", str(params["to"])))
            except ValueError:
                raise GraphError(131009, "Recipient phone number is not valid") from None
        if not user_id:
            raise GraphError(131008, "The parameter to is required.")
        phone = next((phone for phone in self.phones.values() if phone.user_id == user_id), None)
        if phone is None:
            raise GraphError(131009, "Recipient user id is not valid")
        return phone

    def clear(self) -> None:
        """Forget customers, messages, files and dead numbers."""
        for kept in (self.phones, self.files, self._messages, self.dead):
            kept.clear()


def _digits() -> str:
    return str(secrets.randbelow(9 * 10**14) + 10**14)
