"""How WhatsApp brings the business's messages to the customers' phones, and what it tells of that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from bridge.sandbox.feed import Json
from bridge.sandbox.postman import Postman
from bridge.sandbox.vendor import Upload
from bridge.sandbox.whatsapp_account import Account, Phone
from bridge.sandbox.whatsapp_hooks import Event, Hooks
from bridge.sandbox.whatsapp_messages import Message, trouble
from bridge.sandbox.whatsapp_sending import FILE_KINDS


class Network:
    """Carries messages, each by itself. `show` is called with each one that changed.

    While `works` is clear nothing moves; while `flows` is, what was struck by a stall does not.
    """

    def __init__(
        self, account: Account, hooks: Hooks, post: Postman, pace: float, show: Callable[[Message], None]
    ) -> None:
        self.works, self.flows = asyncio.Event(), asyncio.Event()
        self.works.set()
        self.flows.set()
        self._account, self._hooks, self._post, self._pace, self._show = account, hooks, post, pace, show
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, message: Message, phone: Phone, *, stalls: bool) -> None:
        """Bring a message to its phone; whether the 24 hours are over is decided now."""
        late = message.kind != "template" and not phone.open
        task = asyncio.create_task(self._carry(message, phone, late=late, stalls=stalls))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def becomes(self, message: Message, status: str, code: int | None = None) -> None:
        """A new status, told to the gateway."""
        message.status, message.error = status, code
        phone = self._account.phones[message.customer]
        self._hooks.add(Event("statuses", phone.contact(), _status(message, phone)))
        self._show(message)

    def clear(self) -> None:
        """Lose what is on its way."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Lose it, and wait until it is gone."""
        self.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, message: Message, phone: Phone, *, late: bool, stalls: bool) -> None:
        if stalls:
            await self.flows.wait()
        await asyncio.sleep(self._pace)
        await self.works.wait()
        code = 131047 if late else self._account.dead.get(phone.number) or await self._fetch(message)
        if code:
            self.becomes(message, "failed", code)
            return
        self.becomes(message, "sent")
        await asyncio.sleep(self._pace)
        await phone.on.wait()
        await self.works.wait()
        self.becomes(message, "delivered")

    async def _fetch(self, message: Message) -> int | None:
        """Get a file that is sent by its link; the code where that is not possible."""
        if message.kind not in FILE_KINDS or message.content.get("id"):
            return None
        link = str(message.content["link"])
        reply = await self._post.get(link, within=10)
        if not reply.ok:
            return 131053
        name = message.content.get("filename") or link.partition("?")[0].rpartition("/")[2]
        media_id = self._account.upload(Upload(name, reply.content_type, reply.body))
        message.content |= {"id": media_id, "mime_type": reply.content_type, "filename": name}
        return None


def _status(message: Message, phone: Phone) -> Json:
    """A status as webhooks have it.

    https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
    """
    item: Json = {
        "id": message.id, "status": message.status, "timestamp": str(int(datetime.now(UTC).timestamp())),
        "recipient_user_id": phone.user_id,
    }  # fmt: skip
    if not phone.hidden:
        item["recipient_id"] = phone.wa_id
    if message.opaque:
        item["biz_opaque_callback_data"] = message.opaque
    if message.error:
        item["errors"] = [trouble(message.error)]
    elif message.status in ("sent", "delivered"):
        free = message.category == "service"
        item["pricing"] = {
            "billable": not free, "pricing_model": "PMP", "category": message.category,
            "type": "free_customer_service" if free else "regular",
        }  # fmt: skip
    return item
