"""A stand-in for Twilio's REST API over real HTTP: the twilio client talks to it unchanged.

https://www.twilio.com/docs/messaging/api
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from bridge.sandbox.door import Door
from bridge.sandbox.feed import Feed, Json, Wire
from bridge.sandbox.postman import Postman
from bridge.sandbox.twilio_hooks import Hooks, inbound_form, status_form
from bridge.sandbox.twilio_messages import (
    START_WORDS, STOP_WORDS, ApiError, Message, Messages, checked, make_sid,
)  # fmt: skip
from bridge.sandbox.vendor import Answer, Call, Mode, Upload, Vendor

_MANY = frozenset({"MediaUrl"})
_STOPPED = "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe."
_STARTED = "You have successfully been re-subscribed to messages from this number. Reply STOP to unsubscribe."


class Twilio(Vendor):
    """One account with one number in one messaging service, and the customers' phones."""

    channel = "sms"

    def __init__(
        self, feed: Feed, wire: Wire, post: Postman, *,
        port: int, keep: int, number: str, account_sid: str, auth_token: str, pace: float,
    ) -> None:  # fmt: skip
        super().__init__(feed, wire, post, port=port, keep=keep)
        self.account = account_sid or make_sid("AC")
        self.token = auth_token or secrets.token_hex(16)
        self.number, self.number_sid, self.service = number, make_sid("PN"), make_sid("MG")
        self.webhook = ""
        self.status_webhook = ""
        self.messages = Messages(keep)
        self.opted_out: set[str] = set()
        self.dead: dict[str, int] = {}
        self._hooks = Hooks(wire, post, self.token)
        self._pace = pace
        self._cdn = Door(self._serve_file)
        self._tasks: set[asyncio.Task[Any]] = set()
        api = rf"/2010-04-01/Accounts/{self.account}"
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            (verb, re.compile(pattern), handler)
            for verb, pattern, handler in (
                ("POST", rf"{api}/Messages\.json", self._create),
                ("GET", rf"{api}/Messages\.json", self._list),
                ("GET", rf"{api}/Messages/(\w+)\.json", self._fetch),
                ("GET", rf"{api}/Messages/(\w+)/Media\.json", self._media_list),
                ("GET", rf"{api}/Messages/(\w+)/Media/(\w+)(?:\.\w+)?", self._media),
                ("DELETE", rf"{api}/Messages/(\w+)(?:/Media/(\w+))?\.json", self._delete),
                ("GET", rf"{api}\.json", self._account),
                ("GET", rf"{api}/IncomingPhoneNumbers\.json", self._numbers),
                ("GET", rf"{api}/IncomingPhoneNumbers/(\w+)\.json", self._one_number),
                ("POST", rf"{api}/IncomingPhoneNumbers/(\w+)\.json", self._set_number),
                ("GET", rf"/v1/Services/{self.service}", self._one_service),
                ("GET", rf"/v1/Services/{self.service}/PhoneNumbers", self._service_numbers),
            )
        ]

    async def say(
        self, text: str = "", *, sender: str = "+393331234567", media: Sequence[Upload] = (), **extra: str
    ) -> Message:
        """A customer sends an SMS or MMS; returns when the webhook was answered (or given up).

        `extra` are form fields to add or change (`OptOutType="STOP"`). While the vendor is down the
        message waits and this returns at once.
        """
        files = [(make_sid("ME"), upload) for upload in media]
        prefix = "MM" if files else "SM"
        message = Message(make_sid(prefix), sender, self.number, text, "inbound", "received", self.service, files)
        message.sent = message.created
        self.messages.add(message)
        self._show(message)
        self._subscription(message)
        job = self._carry_inbound(message, extra)
        if self.delivers.is_set():
            await job
        else:
            self._start(job)
        return message

    def reset(self) -> None:
        """Forget messages, opt-outs and dead phones; the webhooks stay."""
        self.messages.clear()
        self.opted_out.clear()
        self.dead.clear()
        self.forget_sent()

    def state(self) -> Json:
        """`{number, webhook, phones: {number: {number, opted_out, messages: [...]}}}`."""
        phones: dict[str, Json] = {}
        for message in list(self.messages.newest_first())[:500]:
            number = message.sender if message.direction == "inbound" else message.to
            phone = phones.setdefault(
                number, {"number": number, "opted_out": number in self.opted_out, "messages": []}
            )
            phone["messages"].insert(0, self.view(message))
        return {"number": self.number, "webhook": self.webhook, "phones": phones}

    def view(self, message: Message) -> Json:
        """A message as a phone shows it."""
        media = [{"sid": sid, "mime": upload.mime, "name": upload.name} for sid, upload in message.media]
        return {
            "sid": message.sid, "from": message.sender, "to": message.to, "body": message.body,
            "direction": message.direction, "status": message.status, "error": message.error, "media": media,
            "at": message.created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }  # fmt: skip

    def file(self, media_sid: str) -> Upload | None:
        """A file of any message."""
        found = (u for m in self.messages.newest_first() for sid, u in m.media if sid == media_sid)
        return next(found, None)

    @property
    def api_base(self) -> str:
        """`<base>/2010-04-01/Accounts/<sid>`."""
        return f"{self.door.url}/2010-04-01/Accounts/{self.account}"

    async def open(self) -> None:
        """Start listening, the file host too."""
        await self._cdn.open()
        await super().open()

    async def close(self) -> None:
        """Stop callbacks and listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._cdn.close()
        await super().close()

    async def read(self, request: web.BaseRequest) -> Call:
        """A form or a query with HTTP Basic authentication."""
        path = unquote(request.raw_path.partition("?")[0])
        pairs = list(request.query.items())
        if request.method == "POST":
            pairs += parse_qsl((await request.read()).decode(errors="replace"), keep_blank_values=True)
        params: Json = {}
        for name, value in pairs:
            if name in _MANY:
                params.setdefault(name, []).append(value)
            else:
                params[name] = value
        sends = request.method == "POST" and path.endswith("/Messages.json")
        short = path.replace(f"/2010-04-01/Accounts/{self.account}", "") or path
        return Call(
            name=f"{request.method} {short}", params=params, sends=sends, method=request.method,
            target=path if self._authentic(request.headers.get("Authorization", "")) else "",
        )  # fmt: skip

    async def answer(self, call: Call) -> Answer:
        """The resource, or Twilio's `{code, message, more_info, status}`."""
        if not call.target:
            return _refusal(ApiError(20003))
        try:
            for verb, pattern, handler in self._routes:
                match = pattern.fullmatch(call.target)
                if verb == call.method and match:
                    return handler(call, *match.groups())
        except ApiError as error:
            return _refusal(error)
        return _refusal(_missing(call.target))

    def broken(self, mode: Mode) -> Answer:
        """429 with code 20429, or 503 with 20503."""
        answer = _refusal(ApiError(20429 if mode == "429" else 20503))
        answer.headers = {"Retry-After": str(self.knobs.retry_after)} if mode == "429" else {}
        return answer

    def _authentic(self, header: str) -> bool:
        expected = base64.b64encode(f"{self.account}:{self.token}".encode())
        return secrets.compare_digest(header.encode(), b"Basic " + expected)

    # Resources
    def _create(self, call: Call) -> Answer:
        sender, service = checked(
            call.params, numbers={self.number}, service=self.service, opted_out=self.opted_out
        )
        links = call.params.get("MediaUrl") or []
        status = "accepted" if service else "queued"
        message = Message(
            make_sid("MM" if links else "SM"), sender, str(call.params["To"]),
            str(call.params.get("Body") or ""), "outbound-api", status, service,
        )  # fmt: skip
        self.messages.add(message)
        resource = message.resource(self.account)
        self.record({**resource, "media": links})
        self._show(message)
        self._start(self._carry_outbound(message, links, str(call.params.get("StatusCallback") or self.status_webhook)))
        if service:  # which number of the service it will be is not known yet
            resource["from"] = None
        return Answer(status=201, body=resource, note=message.to)

    def _list(self, call: Call) -> Answer:
        found = [m for m in self.messages.newest_first() if _matches(m, call.params)]
        return self._page(call, "messages", [m.resource(self.account) for m in found])

    def _fetch(self, call: Call, sid: str) -> Answer:
        message = self._known(call, sid)
        return Answer(body=message.resource(self.account), note=message.status)

    def _media_list(self, call: Call, sid: str) -> Answer:
        message = self._known(call, sid)
        items = [
            {"sid": media_sid, "account_sid": self.account, "parent_sid": sid, "content_type": upload.mime,
             "uri": f"/2010-04-01/Accounts/{self.account}/Messages/{sid}/Media/{media_sid}.json"}
            for media_sid, upload in message.media
        ]  # fmt: skip
        return self._page(call, "media_list", items)

    def _media(self, call: Call, sid: str, media_sid: str) -> Answer:
        if not any(media_sid == known for known, _ in self._known(call, sid).media):
            raise _missing(call.target)
        return Answer(status=307, headers={"Location": f"{self._cdn.url}/{media_sid}"}, note="to the file host")

    def _delete(self, call: Call, sid: str, media_sid: str | None) -> Answer:
        message = self._known(call, sid)
        if media_sid:
            message.media = [(known, upload) for known, upload in message.media if known != media_sid]
        else:
            message.body, message.media = "", []
        return Answer(status=204)

    def _account(self, call: Call) -> Answer:
        return Answer(body={
            "sid": self.account, "friendly_name": "Sandbox", "status": "active", "type": "Full",
            "owner_account_sid": self.account, "uri": f"/2010-04-01/Accounts/{self.account}.json",
        })  # fmt: skip

    def _numbers(self, call: Call) -> Answer:
        wanted = call.params.get("PhoneNumber")
        return self._page(call, "incoming_phone_numbers", [self._number()] if wanted in (None, self.number) else [])

    def _one_number(self, call: Call, sid: str) -> Answer:
        if sid != self.number_sid:
            raise _missing(call.target)
        return Answer(body=self._number())

    def _set_number(self, call: Call, sid: str) -> Answer:
        self.webhook = str(call.params.get("SmsUrl", self.webhook))
        return self._one_number(call, sid)

    def _number(self) -> Json:
        return {
            "sid": self.number_sid, "account_sid": self.account, "phone_number": self.number,
            "friendly_name": self.number, "sms_url": self.webhook, "sms_method": "POST",
            "sms_fallback_url": "", "sms_fallback_method": "POST", "sms_application_sid": "",
            "status_callback": "", "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
            "uri": f"/2010-04-01/Accounts/{self.account}/IncomingPhoneNumbers/{self.number_sid}.json",
        }  # fmt: skip

    def _one_service(self, call: Call) -> Answer:
        return Answer(body={
            "sid": self.service, "account_sid": self.account, "friendly_name": "Sandbox",
            "inbound_request_url": self.webhook or None, "inbound_method": "POST", "fallback_url": None,
            "status_callback": self.status_webhook or None, "use_inbound_webhook_on_number": False,
            "url": f"{self.door.url}/v1/Services/{self.service}",
        })  # fmt: skip

    def _service_numbers(self, call: Call) -> Answer:
        url = f"{self.door.url}/v1/Services/{self.service}/PhoneNumbers"
        items = [{"sid": self.number_sid, "account_sid": self.account, "service_sid": self.service,
                  "phone_number": self.number, "country_code": "IT", "capabilities": ["SMS", "MMS"]}]  # fmt: skip
        meta = {"page": 0, "page_size": 50, "first_page_url": url, "previous_page_url": None,
                "url": url, "next_page_url": None, "key": "phone_numbers"}  # fmt: skip
        return Answer(body={"phone_numbers": items, "meta": meta})

    def _page(self, call: Call, key: str, items: list[Json]) -> Answer:
        size = min(max(int(call.params.get("PageSize") or 50), 1), 1000)
        page = int(call.params.get("Page") or 0)
        first, last = page * size, min((page + 1) * size, len(items))
        uri = f"{call.target}?PageSize={size}"
        return Answer(body={
            key: items[first:last], "page": page, "page_size": size, "start": first, "end": max(first, last - 1),
            "uri": f"{uri}&Page={page}", "first_page_uri": f"{uri}&Page=0",
            "next_page_uri": f"{uri}&Page={page + 1}" if last < len(items) else None,
            "previous_page_uri": f"{uri}&Page={page - 1}" if page else None,
        }, note=f"{len(items)} found")  # fmt: skip

    def _known(self, call: Call, sid: str) -> Message:
        message = self.messages.get(sid)
        if message is None:
            raise _missing(call.target)
        return message

    # What happens after a call
    async def _carry_outbound(self, message: Message, links: list[str], callback: str) -> None:
        for link in links:
            reply = await self.post.get(link, timeout=10)
            if not reply.ok:
                return await self._becomes(message, "failed", callback, error=11200)
            name = link.partition("?")[0].rpartition("/")[2]
            message.media.append((make_sid("ME"), Upload(name, reply.content_type, reply.body)))
        for status in ("sent", "delivered"):
            await asyncio.sleep(self._pace)
            await self.delivers.wait()
            error = self.dead.get(message.to) if status == "delivered" else None
            await self._becomes(message, "undelivered" if error else status, callback, error=error)

    async def _becomes(self, message: Message, status: str, callback: str, error: int | None = None) -> None:
        message.status, message.error = status, error
        message.sent = message.sent or datetime.now(UTC)
        self._show(message)
        if callback and not self.knobs.drop_webhooks:
            await self._hooks.deliver(callback, status_form(message, self.account), status)

    async def _carry_inbound(self, message: Message, extra: dict[str, str]) -> None:
        await self.delivers.wait()
        if self.webhook and not self.knobs.drop_webhooks:
            form = inbound_form(message, self.account, self.api_base) | extra
            await self._hooks.deliver(self.webhook, form, "new message")

    def _subscription(self, message: Message) -> None:
        """STOP and START, which Twilio handles and answers itself."""
        word, number = message.body.strip().upper(), message.sender
        if word in STOP_WORDS and number not in self.opted_out:
            self.opted_out.add(number)
            self._answer_itself(number, _STOPPED)
        elif word in START_WORDS and number in self.opted_out:
            self.opted_out.discard(number)
            self._answer_itself(number, _STARTED)

    def _answer_itself(self, number: str, text: str) -> None:
        made = Message(make_sid("SM"), self.number, number, text, "outbound-reply", "delivered", self.service)
        made.sent = made.created
        self._show(self.messages.add(made))

    def _show(self, message: Message) -> None:
        if self.feed.watched:
            number = message.sender if message.direction == "inbound" else message.to
            self.feed.tell("sms", number=number, opted_out=number in self.opted_out, message=self.view(message))

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_file(self, request: web.BaseRequest) -> web.StreamResponse:
        """The host that media redirects to. It is not Twilio: credentials must not come along."""
        upload = self.file(request.path.strip("/"))
        if upload is None:
            return web.Response(status=404)
        if "Authorization" in request.headers:  # as S3 does with a signed link
            return web.Response(status=400, text="Only one auth mechanism allowed")
        return web.Response(body=upload.data, content_type=upload.mime or "application/octet-stream")


def _matches(message: Message, wanted: Json) -> bool:
    if wanted.get("To", message.to) != message.to or wanted.get("From", message.sender) != message.sender:
        return False
    at = message.sent or message.created
    exactly, before, after = (_moment(wanted.get(name)) for name in ("DateSent", "DateSent<", "DateSent>"))
    day = exactly is None or at.date() == exactly.date()
    return day and (before is None or at <= before) and (after is None or at >= after)


def _moment(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ApiError(20001, f"Invalid date: {value}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _missing(path: str) -> ApiError:
    return ApiError(20404, f"The requested resource {path} was not found")


def _refusal(error: ApiError) -> Answer:
    return Answer(status=error.status, body=error.body(), note=f"{error.code} {error.message}")
