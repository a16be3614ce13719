"""What vendors post, made by hand: raw updates of Telegram, and forms signed by Twilio's own code."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import aiohttp
from twilio.request_validator import RequestValidator

from bridge.sandbox.vendors import Vendors

Json = dict[str, Any]

TELEGRAM_SECRET = "only-telegram-knows-this"
WEBHOOK_MODE = {"TELEGRAM_MODE": "webhook", "TELEGRAM_WEBHOOK_SECRET": TELEGRAM_SECRET}


def update(number: int, text: str, *, chat: int = 1001, name: str = "Giulia", **message: Any) -> Json:
    """A private text message as Telegram sends it; its id in the chat is the update's number."""
    who = {"id": chat, "is_bot": False, "first_name": name}
    return {
        "update_id": number,
        "message": {
            "message_id": number, "date": int(time.time()), "from": who,
            "chat": {"id": chat, "type": "private", "first_name": name}, "text": text, **message,
        },
    }  # fmt: skip


async def post_update(http: aiohttp.ClientSession, body: Any, secret: str = TELEGRAM_SECRET) -> int:
    """Deliver an update; the status of the answer."""
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
    async with http.post("/webhooks/telegram", json=body, headers=headers) as answer:
        return answer.status


def sms(
    vendors: Vendors, sid: str, text: str, *, sender: str = "+393331234567", **more: str
) -> dict[str, str]:
    """The form of a customer's SMS."""
    account = vendors.sms.account
    return {
        "MessageSid": sid, "AccountSid": account.sid, "From": sender, "To": account.number, "Body": text,
        "NumMedia": "0", "FromCity": "", **more,
    }  # fmt: skip


async def post_form(
    http: aiohttp.ClientSession, vendors: Vendors, public_url: str, form: Mapping[str, str],
    path: str = "/webhooks/twilio",
) -> int:  # fmt: skip
    """Deliver a form, signed for the public URL; the status of the answer."""
    signature = RequestValidator(vendors.sms.account.token).compute_signature(public_url + path, form)
    async with http.post(path, data=form, headers={"X-Twilio-Signature": signature}) as answer:
        return answer.status
