"""A stand-in for WhatsApp's Cloud API over real HTTP.

https://developers.facebook.com/docs/whatsapp/cloud-api
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import web

from bridge.sandbox import whatsapp_kinds, whatsapp_sending
from bridge.sandbox.feed import Feed, Json, Wire
from bridge.sandbox.postman import Postman
from bridge.sandbox.vendor import Answer, Call, Mode, Upload, Vendor
from bridge.sandbox.whatsapp_account import WINDOW, Account, Consent, Phone
from bridge.sandbox.whatsapp_api import Api
from bridge.sandbox.whatsapp_hooks import Event, Faults, Hooks
from bridge.sandbox.whatsapp_messages import KNOWN_CODES, GraphError, Message, make_wamid
from bridge.sandbox.whatsapp_network import Network

_SHOWN = 500
_VERSION = re.compile(r"/v\d+\.\d+/")
_FILES = "/whatsapp_business/attachments/"


class WhatsApp(Vendor):
    """One business number and the customers' phones. `say` is what a customer does.

    `consent.violations` are the sends that nobody agreed to.
    """

    channel, repeats = "whatsapp", True

    def __init__(
        self, feed: Feed, wire: Wire, post: Postman, *,
        port: int, keep: int, business: str, number: str, token: str, phone_number_id: str, app_secret: str,
        pace: float,
    ) -> None:  # fmt: skip
        super().__init__(feed, wire, post, port=port, keep=keep)
        self.account = Account(number, token, phone_number_id, app_secret, keep)
        self.consent = Consent()
        self.faults = Faults()
        self._business = business
        self._hooks = Hooks(self.account, wire, post, self.delivers, self.faults)
        self._api = Api(self.account, business, lambda: self.door.url)
        self._network = Network(self.account, self._hooks, post, pace, self._show)

    # What customers do
    async def say(
        self, text: str = "", *, kind: str = "text", sender: str = "+393331234567", **more: Any
    ) -> Json:
        """A customer does something; the message as the webhook shows it, which is posted right after.

        `more` is what `whatsapp_kinds.Said` takes; what cannot be done is a `ValueError`.
        """
        said = whatsapp_kinds.Said(text=text, kind=kind, sender=sender, **more)
        message = whatsapp_kinds.message(said, self.account)
        if message.kind == "text":
            self.consent.heard(message.customer, message.text)
        shown = whatsapp_kinds.shown(message, self.account, self.door.url)
        self._hooks.add(Event("messages", self.account.phones[message.customer].contact(), shown))
        self._show(message)
        return shown

    def look(self, number: str) -> int:
        """A customer opens the chat: what was delivered is read now; how many messages those are."""
        seen = [m for m in self._of(number) if m.direction == "outbound" and m.status == "delivered"]
        for message in seen:
            self._network.becomes(message, "read")
        return len(seen)

    def switch(self, number: str, *, on: bool) -> None:
        """Switch a customer's phone off or on: what is sent meanwhile stays `sent` until it is on again."""
        phone = self.account.enter(number)
        (phone.on.set if on else phone.on.clear)()
        self._tell_phones()

    def kill(self, number: str, error: int | None) -> None:
        """Let what is sent to a number end `failed` with a code; without one it can be reached again."""
        if error is None:
            self.account.dead.pop(number, None)
        else:
            self.account.dead[number] = error
        self._tell_phones()

    def lapse(self, number: str) -> None:
        """Let the 24 hours since a customer's last message be over."""
        phone = self.account.phones.get(number)
        if phone is None or phone.wrote is None:
            raise ValueError(f"{number} never wrote")
        phone.wrote = datetime.now(UTC) - WINDOW
        self.feed.tell("whatsapp", phone=self._head(phone), message=None)

    # What the owner does
    async def subscribe(self, url: str) -> None:
        """Set the webhook as in Meta's dashboard: it is asked for the challenge first; else `ValueError`."""
        await self._hooks.subscribe(url)

    async def settled(self, within: float = 10) -> None:
        """Wait until the gateway has taken every webhook; `TimeoutError` when it does not."""
        await self._hooks.settled(within)

    def fail(
        self, *, code: int = 0, stall: bool = False, disorder: bool = False, repeat: bool = False,
        times: int | None = None,
    ) -> None:  # fmt: skip
        """Set the faults, as `Faults` has them; what is not given is well again, and what stalled goes on."""
        if code and code not in KNOWN_CODES:
            raise ValueError(f"no error of WhatsApp: {code}")
        faults = self.faults
        faults.code, faults.stall, faults.times = code, stall, times
        faults.disorder, faults.repeat = disorder, repeat
        (self._network.flows.clear if stall else self._network.flows.set)()

    # What every stand-in has
    def reset(self) -> None:
        """Forget customers, messages and files; the number and its webhook stay."""
        self._network.clear()
        self._hooks.clear()
        self.account.clear()
        self.consent.clear()
        self.forget_sent()

    def state(self) -> Json:
        """`{name, number, webhook, faults, dead, off, phones: {number: {..., messages: [...]}}}`."""
        phones = {
            number: {**self._head(phone), "messages": []} for number, phone in self.account.phones.items()
        }
        for message in list(self.account)[-_SHOWN:]:
            phones[message.customer]["messages"].append(self._view(message))
        shown = {"name": self._business, "number": self.account.number, "webhook": self.account.webhook}
        return {**shown, "faults": asdict(self.faults), **self._unreachable(), "phones": phones}

    def released(self) -> None:
        """While the vendor is down nothing reaches a phone; held webhooks hold nothing else."""
        works = self._network.works
        (works.clear if self.knobs.mode == "down" else works.set)()

    async def close(self) -> None:
        """Stop deliveries and listening."""
        await self._network.close()
        await self._hooks.close()
        await super().close()

    async def read(self, request: web.BaseRequest) -> Call:
        """`/v26.0/<object>/<edge>` with a query, JSON or multipart; or the address of a file."""
        path = unquote(request.raw_path.partition("?")[0])
        version = _VERSION.match(path)
        target = path[version.end() :].strip("/") if version else path
        params: Json = dict(request.query)
        files: dict[str, Upload] = {}
        if request.method == "POST":
            params |= await _body(request, files)
        sends = target == f"{self.account.phone_number_id}/messages" and params.get("status") != "read"
        known = secrets.compare_digest(
            request.headers.get("Authorization", "").encode(), f"Bearer {self.account.token}".encode()
        )
        short = target.replace(self.account.phone_number_id, "").replace(_FILES, "/attachment")
        return Call(
            name=f"{request.method} {short or '/'}", params=params, files=files, method=request.method,
            target=target if known else "", sends=sends,
        )  # fmt: skip

    async def answer(self, call: Call) -> Answer:
        """The object, or Meta's `{"error": {...}}`."""
        try:
            if not call.target:
                raise GraphError(190, message="Invalid OAuth access token - Cannot parse access token")
            if call.target == _FILES:
                return self._api.download(str(call.params.get("mid")))
            if call.sends:
                return self._send(call)
            if call.method == "POST" and call.target == f"{self.account.phone_number_id}/messages":
                return self._mark_read(call)
            return self._api.answer(call)
        except GraphError as error:
            return _refusal(error)

    def broken(self, mode: Mode) -> Answer:
        """429 with code 130429, or 503 with code 2."""
        return _refusal(GraphError(130429 if mode == "429" else 2))

    def _send(self, call: Call) -> Answer:
        code, stalls = self.faults.strike()
        if code:
            raise GraphError(code)
        kind, content = whatsapp_sending.content(call.params, self.account)
        phone = self.account.to_send(call.params)
        message = self.account.add(Message(
            id=make_wamid(), customer=phone.number, direction="outbound", kind=kind, content=content,
            status="accepted", context=str((call.params.get("context") or {}).get("message_id") or ""),
            opaque=str(call.params.get("biz_opaque_callback_data") or ""),
            category="utility" if kind == "template" else "service",
        ))  # fmt: skip
        self.consent.judge(phone, message)
        self.record({"id": message.id, "to": phone.number, "type": kind, "params": call.params})
        self._show(message)
        self._network.take(message, phone, stalls=stalls)
        asked = call.params.get("to")
        contact = {"input": asked, "wa_id": phone.wa_id} if asked else {
            "input": phone.user_id, "user_id": phone.user_id
        }  # fmt: skip
        told = {"id": message.id, **({"message_status": "accepted"} if kind == "template" else {})}
        body = {"messaging_product": "whatsapp", "contacts": [contact], "messages": [told]}
        return Answer(body=body, note=phone.number)

    def _mark_read(self, call: Call) -> Answer:
        message = self.account.get(str(call.params.get("message_id")))
        if message is None or message.direction != "inbound":
            raise GraphError(131009, "The message to mark as read does not exist")
        for one in self._of(message.customer):
            if one.direction == "inbound" and one.status != "read" and one.at <= message.at:
                one.status = "read"
                self._show(one)
        if call.params.get("typing_indicator"):
            self.feed.tell("typing", vendor=self.channel, number=message.customer)
        return Answer(body={"success": True}, note=message.customer)

    # What the page shows
    def _of(self, number: str) -> list[Message]:
        return [message for message in self.account if message.customer == number]

    def _view(self, message: Message) -> Json:
        target = message.content.get("message_id") if message.kind == "reaction" else message.context
        quoted = self.account.get(str(target or ""))
        return message.view((quoted.text or quoted.kind) if quoted else "")

    def _head(self, phone: Phone) -> Json:
        stopped = phone.number in self.consent.stopped
        return {"number": phone.number, "name": phone.name, "open": phone.open, "stopped": stopped}

    def _show(self, message: Message) -> None:
        if self.feed.watched:
            head = self._head(self.account.phones[message.customer])
            self.feed.tell("whatsapp", phone=head, message=self._view(message))

    def _unreachable(self) -> Json:
        off = sorted(phone.number for phone in self.account.phones.values() if not phone.on.is_set())
        return {"dead": sorted(self.account.dead), "off": off}

    def _tell_phones(self) -> None:
        self.feed.tell("whatsapp_phones", **self._unreachable())


async def _body(request: web.BaseRequest, files: dict[str, Upload]) -> Json:
    """The parameters in the body; files go into `files`. What cannot be read is no parameter."""
    if request.content_type == "multipart/form-data":
        fields: Json = {}
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                data = await asyncio.to_thread(value.file.read)
                files[name] = Upload(value.filename, value.content_type, data)
            else:
                fields[name] = value
        return fields
    try:
        found = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return dict(found) if isinstance(found, dict) else {}


def _refusal(error: GraphError) -> Answer:
    return Answer(status=error.status, body=error.body(), note=error.message)
