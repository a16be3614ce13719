"""WhatsApp's calls to the gateway: signed, several events in one, repeated until they are taken.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import orjson

from bridge.sandbox.feed import Json, Wire, blanked
from bridge.sandbox.postman import Postman
from bridge.sandbox.whatsapp_account import Account

_BATCH = 50
_BACK_OFF = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
_GATHER = 0.3


@dataclass(slots=True)
class Faults:
    """What befalls sends and webhooks while the vendor answers.

    `code` is what a send is refused with; `stall` takes it and never says more, until the fault ends;
    `times`: so many sends are hit, then no more (`None`: all). `disorder` gathers
    the events of a third of a second and posts the last one first, `repeat` delivers each webhook twice.
    """

    code: int = 0
    stall: bool = False
    disorder: bool = False
    repeat: bool = False
    times: int | None = None

    def strike(self) -> tuple[int, bool]:
        """What befalls this send: the code that refuses it, and whether it stalls."""
        found = (self.code, self.stall)
        if any(found) and self.times is not None:
            self.times -= 1
            if self.times <= 0:
                self.code, self.stall, self.times = 0, False, None
        return found


@dataclass(frozen=True, slots=True)
class Event:
    """A customer's message, or a status of one of ours, with the customer it is about."""

    field: Literal["messages", "statuses"]
    contact: Json
    item: Json


def signature(secret: str, body: bytes) -> str:
    """X-Hub-Signature-256: HMAC-SHA256 over the body as it is sent."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


class Hooks:
    """Posts to the gateway. What it does not take waits, and comes later than what came after it."""

    def __init__(
        self, account: Account, wire: Wire, post: Postman, delivers: asyncio.Event, faults: Faults
    ) -> None:
        self.faults = faults
        self._account, self._wire, self._post, self._delivers = account, wire, post, delivers
        self._waiting: list[Event] = []
        self._pump: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, event: Event) -> None:
        """Something to tell; nobody hears it where no webhook is set."""
        if not self._account.webhook:
            return
        self._waiting.append(event)
        if self._pump is None or self._pump.done():
            self._pump = self._start(self._run())

    async def settled(self, within: float) -> None:
        """Wait until the gateway has taken everything; `TimeoutError` when it does not."""
        async with asyncio.timeout(within):
            while self._tasks:
                await asyncio.wait(self._tasks)

    async def subscribe(self, url: str) -> None:
        """Ask whether the gateway knows the verify token, and post to it from now on; else `ValueError`."""
        challenge = str(secrets.randbelow(9 * 10**9) + 10**9)
        asked = {
            "hub.mode": "subscribe", "hub.challenge": challenge,
            "hub.verify_token": self._account.verify_token,
        }  # fmt: skip
        reply = await self._post.get(f"{url}{'&' if '?' in url else '?'}{urlencode(asked)}", within=10)
        told = reply.status == 200 and reply.body.decode(errors="replace") == challenge
        self._wire.add(
            "whatsapp", "in", "GET webhook", reply.outcome, seconds=reply.seconds, note="verification",
            request={**asked, "hub.verify_token": "•••"}, response=reply.body.decode(errors="replace")[:500],
        )  # fmt: skip
        if not told:
            raise ValueError(f"The callback URL or verify token couldn't be validated: {reply.outcome}")
        self._account.webhook = url

    def clear(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        self._pump = None
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """End all deliveries."""
        self.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting:
            await self._delivers.wait()
            if self.faults.disorder:
                await asyncio.sleep(_GATHER)
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            if self.faults.disorder:
                batch.reverse()
            body, note = orjson.dumps(self._payload(batch)), _note(batch)
            if not await self._deliver(body, note):
                self._start(self._again(body, note))
            elif self.faults.repeat:
                await self._deliver(body, note)

    async def _again(self, body: bytes, note: str) -> None:
        tries = 0
        while True:
            await asyncio.sleep(_BACK_OFF[min(tries, len(_BACK_OFF) - 1)])
            await self._delivers.wait()
            if await self._deliver(body, note):
                return
            tries += 1

    async def _deliver(self, body: bytes, note: str) -> bool:
        account = self._account
        headers = {
            "Content-Type": "application/json", "User-Agent": "facebookexternalua", "Accept": "*/*",
            "X-Hub-Signature-256": signature(account.app_secret, body),
        }  # fmt: skip
        reply = await self._post.post(account.webhook, body, headers, within=20)
        if self._wire.on:
            self._wire.add(
                "whatsapp", "in", "POST webhook", reply.outcome, seconds=reply.seconds, note=note,
                request=blanked(orjson.loads(body)), response=reply.body.decode(errors="replace")[:500],
            )  # fmt: skip
        return reply.status == 200

    def _payload(self, batch: Sequence[Event]) -> Json:
        account = self._account
        head = {
            "messaging_product": "whatsapp",
            "metadata": {
                "display_phone_number": account.number[1:], "phone_number_id": account.phone_number_id,
            },
        }  # fmt: skip
        changes = []
        for field in ("messages", "statuses"):
            events = [event for event in batch if event.field == field]
            if events:
                contacts = list({event.contact["user_id"]: event.contact for event in events}.values())
                value = {**head, "contacts": contacts, field: [event.item for event in events]}
                changes.append({"value": value, "field": "messages"})
        entry = {"id": account.business_id, "changes": changes}
        return {"object": "whatsapp_business_account", "entry": [entry]}

    def _start(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _note(batch: Sequence[Event]) -> str:
    kinds = [str(event.item.get("type") or event.item.get("status")) for event in batch]
    return ", ".join(kinds[:3]) + (f" and {len(kinds) - 3} more" if len(kinds) > 3 else "")
