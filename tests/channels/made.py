"""Channels as the tests use them, and the samples they read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bridge.channels.base import Site
from bridge.channels.sms import SmsChannel, SmsSettings
from bridge.channels.telegram import TelegramChannel, TelegramSettings
from bridge.channels.whatsapp import WhatsAppChannel, WhatsAppSettings
from bridge.models import File, MediaKind, Outbound, Webhook
from bridge.settings import read
from tests.channels.scripted import Answer

SAMPLES = Path(__file__).parent / "samples"
TOKEN = "7410001:AAFqmQ5oJv0c1l2k3j4h5g6f7d8s9a0zXcV"  # made up
ACCOUNT = "AC7b1d2c3e4f5a6b7c8d9e0f1a2b3c4d5e"
AUTH = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
NUMBER_ID = "106540352242922"
APP_SECRET = "5f0e1d2c3b4a59687786958473625140"
ACCESS = "EAAGm0PX4ZCpsBAMadeUp"
SECRET = "a-secret-of-the-tests-that-is-long-enough"
PUBLIC = "https://chat.example.com"


def site(public_url: str = PUBLIC, *, send_timeout: float = 5, secrets: tuple[str, ...] = (SECRET,)) -> Site:
    """An installation."""
    return Site(public_url=public_url, secrets=secrets, user_agent="bridge/test", send_timeout=send_timeout)


def telegram(where: Site | None = None, **settings: Any) -> TelegramChannel:
    """A bot."""
    given = {"TELEGRAM_BOT_TOKEN": TOKEN} | settings
    return TelegramChannel(read(TelegramSettings, **given), where or site())


def sms(where: Site | None = None, **settings: Any) -> SmsChannel:
    """A number; `TWILIO_FROM=None` with a service for a pool."""
    given = {
        "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": AUTH, "TWILIO_FROM": "+390546010200",
    } | settings  # fmt: skip
    return SmsChannel(read(SmsSettings, **{k: v for k, v in given.items() if v is not None}), where or site())


def whatsapp(where: Site | None = None, **settings: Any) -> WhatsAppChannel:
    """A number at Meta."""
    given = {
        "WHATSAPP_PHONE_NUMBER_ID": NUMBER_ID, "WHATSAPP_ACCESS_TOKEN": ACCESS,
        "WHATSAPP_APP_SECRET": APP_SECRET, "WHATSAPP_VERIFY_TOKEN": "words-of-ours",
    } | settings  # fmt: skip
    return WhatsAppChannel(read(WhatsAppSettings, **given), where or site())


def update(name: str) -> dict[str, Any]:
    """A sample update."""
    found: dict[str, Any] = json.loads((SAMPLES / "telegram" / f"{name}.json").read_text())
    return found


def ok(result: Any) -> Answer:
    """The Bot API's yes."""
    return Answer(body={"ok": True, "result": result})


def refused(code: int, description: str, **parameters: Any) -> Answer:
    """The Bot API's no."""
    body = {"ok": False, "error_code": code, "description": description}
    return Answer(status=code, body=body | ({"parameters": parameters} if parameters else {}))


def telegram_hook(body: bytes, secret: str, content_type: str = "application/json") -> Webhook:
    """Telegram's call."""
    headers = {"x-telegram-bot-api-secret-token": secret, "content-type": content_type}
    return Webhook(path="telegram", url=f"{PUBLIC}/webhooks/telegram", headers=headers, body=body)


def reply(urn: str, text: str = "", *files: File, reply_to: str = "") -> Outbound:
    """A part of an agent's reply."""
    return Outbound(message_id="0192a3b4", part=0, urn=urn, text=text, files=files, reply_to=reply_to)


def stored(
    folder: Path, name: str, mime: str, kind: MediaKind, data: bytes = b"bytes", size: int = 0
) -> File:
    """A file as the core keeps it; `size` pretends another one."""
    path = folder / "stored"
    path.write_bytes(data)
    url = f"{PUBLIC}/files/0192?e=1&s=abc"
    return File(id="f", name=name, mime=mime, kind=kind, size=size or len(data), path=str(path), url=url)
