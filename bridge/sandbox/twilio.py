"""A stand-in for Twilio's REST API over real HTTP: the twilio client talks to it unchanged.

https://www.twilio.com/docs/messaging/api
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from bridge.sandbox.door import Door
from bridge.sandbox.feed import Feed, Json, Wire
from bridge.sandbox.postman import Postman
from bridge.sandbox.twilio_account import Account
from bridge.sandbox.twilio_api import Api
from bridge.sandbox.twilio_hooks import Hooks, inbound_form, status_form
from bridge.sandbox.twilio_messages import ApiError, Message, make_sid
from bridge.sandbox.vendor import Answer, Call, Mode, Upload, Vendor

_SHOWN = 500


class Twilio(Vendor):
    """One account and the customers' phones. `say` is what a customer does."""

    channel, repeats = "sms", False

    def __init__(
        self, feed: Feed, wire: Wire, post: Postman, *,
        port: int, keep: int, number: str, account_sid: str, auth_token: str, pace: float,
    ) -> None:  # fmt: skip
        super().__init__(feed, wire, post, port=port, keep=keep)
        self.account = Account(account_sid, auth_token, number, keep)
        self._pace = pace
        self._hooks = Hooks(wire, post, self.account.token)
        self._file_host = Door(self._serve_file)
        self._api = Api(self.account, lambda: self.door.url, lambda: self._file_host.url)
        self._tasks: set[asyncio.Task[None]] = set()

    async def say(
        self, text: str = "", *, sender: str = "+393331234567", media: Sequence[Upload] = (), **extra: str
    ) -> Message:
        """A customer sends an SMS or MMS; returns when the webhook was answered (or given up).

        `extra` are form fields to add or change (`OptOutType="STOP"`). While the vendor is down the
        message waits there, and this returns at once.
        """
        message = self.account.received(sender, text, [(make_sid("ME"), upload) for upload in media])
        self._show(message)
        answered = self.account.subscription(message)
        if answered is not None:
            self._show(answered)
        if self.delivers.is_set():
            await self._carry_inbound(message, extra)
        else:
            self._start(self._carry_inbound(message, extra))
        return message

    def reset(self) -> None:
        """Forget messages, opt-outs and dead phones; the webhooks stay."""
        self.account.clear()
        self.forget_sent()

    def state(self) -> Json:
        """`{number, webhook, dead: [number], phones: {number: {number, opted_out, messages: [...]}}}`."""
        account = self.account
        phones: dict[str, Json] = {}
        for message in reversed(list(account.newest_first())[:_SHOWN]):
            number = message.customer
            phone = {"number": number, "opted_out": number in account.opted_out, "messages": []}
            phones.setdefault(number, phone)["messages"].append(message.view())
        shown = {"number": account.number, "webhook": account.webhook, "dead": sorted(account.dead)}
        return {**shown, "phones": phones}

    def released(self) -> None:
        """Each message waits by itself and goes on by itself."""

    async def open(self) -> None:
        """Start listening, the file host too."""
        await self._file_host.open()
        await super().open()

    async def close(self) -> None:
        """Stop callbacks and listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._file_host.close()
        await super().close()

    async def read(self, request: web.BaseRequest) -> Call:
        """A form or a query with HTTP Basic authentication."""
        path = unquote(request.raw_path.partition("?")[0])
        pairs = list(request.query.items())
        if request.method == "POST":
            pairs += parse_qsl((await request.read()).decode(errors="replace"), keep_blank_values=True)
        params: Json = dict(pairs)
        links = [value for name, value in pairs if name == "MediaUrl"]
        if links:
            params["MediaUrl"] = links
        sends = request.method == "POST" and path.endswith("/Messages.json")
        known = self._authentic(request.headers.get("Authorization", ""))
        short = path.replace(f"/2010-04-01/Accounts/{self.account.sid}", "") or path
        return Call(
            name=f"{request.method} {short}", params=params, sends=sends, method=request.method,
            target=path if known else "",
        )  # fmt: skip

    async def answer(self, call: Call) -> Answer:
        """The resource, or Twilio's `{code, message, more_info, status}`."""
        try:
            if not call.target:
                raise ApiError(20003)
            if call.sends and call.target == f"/2010-04-01/Accounts/{self.account.sid}/Messages.json":
                return self._create(call)
            return self._api.answer(call)
        except ApiError as error:
            return _refusal(error)

    def broken(self, mode: Mode) -> Answer:
        """429 with code 20429 and Retry-After, or 503 with 20503."""
        answer = _refusal(ApiError(20429 if mode == "429" else 20503))
        answer.headers = {"Retry-After": str(self.knobs.retry_after)} if mode == "429" else {}
        return answer

    def _authentic(self, header: str) -> bool:
        expected = base64.b64encode(f"{self.account.sid}:{self.account.token}".encode())
        return secrets.compare_digest(header.encode(), b"Basic " + expected)

    def _create(self, call: Call) -> Answer:
        message = self.account.accepted(call.params)
        resource = message.resource(self.account.sid)
        links = call.params.get("MediaUrl") or []
        self.record({**resource, "media": links})
        self._show(message)
        callback = str(call.params.get("StatusCallback") or self.account.status_webhook)
        self._start(self._carry_outbound(message, links, callback))
        if message.service:  # Twilio picks the service's number only when it sends
            resource["from"] = None
        return Answer(status=201, body=resource, note=message.to)

    # What happens after a call
    async def _carry_outbound(self, message: Message, links: list[str], callback: str) -> None:
        for link in links:
            reply = await self.post.get(link, within=10)
            if not reply.ok:
                await self._becomes(message, "failed", callback, error=11200)
                return
            name = link.partition("?")[0].rpartition("/")[2]
            message.media.append((make_sid("ME"), Upload(name, reply.content_type, reply.body)))
        for status in ("sent", "delivered"):
            await asyncio.sleep(self._pace)
            await self.delivers.wait()
            error = self.account.dead.get(message.to) if status == "delivered" else None
            await self._becomes(message, "undelivered" if error else status, callback, error=error)

    async def _becomes(self, message: Message, status: str, callback: str, *, error: int | None) -> None:
        message.status, message.error = status, error
        message.sent = message.sent or datetime.now(UTC)
        self._show(message)
        if callback and not self.knobs.drop_webhooks:
            await self._hooks.deliver(callback, status_form(message, self.account.sid), status)

    async def _carry_inbound(self, message: Message, extra: dict[str, str]) -> None:
        await self.delivers.wait()
        if self.account.webhook and not self.knobs.drop_webhooks:
            media_base = f"{self.door.url}/2010-04-01/Accounts/{self.account.sid}"
            form = inbound_form(message, self.account.sid, media_base) | extra
            await self._hooks.deliver(self.account.webhook, form, "new message")

    def _show(self, message: Message) -> None:
        if self.feed.watched:
            stopped = message.customer in self.account.opted_out
            self.feed.tell("sms", number=message.customer, opted_out=stopped, message=message.view())

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_file(self, request: web.BaseRequest) -> web.StreamResponse:
        """The host that media redirects to. It is not Twilio: credentials must not come along."""
        upload = self.account.file(request.path.strip("/"))
        if upload is None:
            return web.Response(status=404)
        if "Authorization" in request.headers:  # as S3 does with a signed link
            return web.Response(status=400, text="Only one auth mechanism allowed")
        return web.Response(body=upload.data, content_type=upload.mime or "application/octet-stream")


def _refusal(error: ApiError) -> Answer:
    return Answer(status=error.status, body=error.body(), note=f"{error.code} {error.message}")
