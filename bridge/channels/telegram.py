"""Telegram: a bot, by long polling or by webhook.

https://core.telegram.org/bots/api
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode
from yarl import URL

from bridge.channels import telegram_updates
from bridge.channels.base import SetUpError, Site, header
from bridge.channels.http import is_local
from bridge.channels.telegram_models import import_aiogram
from bridge.errors import BadWebhook, Rejected, SendError, Throttled, WrongType
from bridge.models import Event, Finding, Limits, Outbound, Rates, Sent, Webhook
from bridge.settings import EnvSettings, HttpUrl, comma_separated, setting

if TYPE_CHECKING:
    from bridge.channels.telegram_wire import TelegramWire

TELEGRAM = "https://api.telegram.org"
# Only kinds that can be a customer's message. Left out, Telegram would keep an older choice.
KINDS = ["message", "edited_message", "my_chat_member"]
WAIT = 25  # seconds of a long poll; proxies cut connections that are silent for 30
# After a week of silence Telegram starts a new, random sequence of update ids. What it keeps, it
# keeps for a day, so after a day without updates there is nothing left that an old id could confirm.
_CURSOR_LIFE = 24 * 3600


def _token(value: str) -> str:
    if not re.fullmatch(r"\d{1,20}:[A-Za-z0-9_-]+", value):
        raise ValueError("is not a bot's token: digits, a colon, letters and digits, as @BotFather gives it")
    return value


def _secrets(values: list[str]) -> list[str]:
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value) for value in values):
        raise ValueError("takes 1 to 256 letters, digits, _ and - only")
    return values


class TelegramSettings(EnvSettings):
    """A bot. Without a token the channel is off."""

    token: Annotated[str, AfterValidator(_token)] | None = setting(
        None, env="TELEGRAM_BOT_TOKEN", example="123456789:AAExampleExampleExampleExampleExample12",
        description="The bot's token from @BotFather. Empty: no Telegram.", repr=False,
    )  # fmt: skip
    mode: Literal["polling", "webhook"] = setting(
        "polling", env="TELEGRAM_MODE", example="webhook",
        description="`polling` fetches messages and works behind any router; `webhook` has Telegram call "
        "`BRIDGE_PUBLIC_URL`, which must be https.",
    )  # fmt: skip
    webhook_secret: Annotated[
        list[str], NoDecode, BeforeValidator(comma_separated), AfterValidator(_secrets)
    ] = setting(
        [], env="TELEGRAM_WEBHOOK_SECRET", example="a-long-random-text_with-letters-and-digits",
        description="What Telegram must send with each webhook; several separated by commas: the first is "
        "told to Telegram, all are accepted. Empty: derived from `BRIDGE_SECRET`.", repr=False,
    )  # fmt: skip
    api_base: HttpUrl = setting(
        TELEGRAM, env="TELEGRAM_API_BASE", example="http://localhost:8081",
        description="Another Bot API server: one of your own, or a stand-in.",
    )  # fmt: skip
    rate: float = setting(
        30, env="TELEGRAM_RATE", example="30", gt=0, allow_inf_nan=False,
        description="Messages per second that the bot may send in all.",
    )  # fmt: skip
    chat_rate: float = setting(
        1, env="TELEGRAM_CHAT_RATE", example="1", gt=0, allow_inf_nan=False,
        description="Messages per second that the bot may send to one chat.",
    )  # fmt: skip

    @property
    def off(self) -> str:
        """Why there is no such channel, or the empty string."""
        return "" if self.token else "set TELEGRAM_BOT_TOKEN to the token that @BotFather gave your bot"


class TelegramChannel:
    """One bot. Its private chats are customers; groups are told once that nobody reads there."""

    type: ClassVar[str] = "telegram"
    label: ClassVar[str] = "Telegram"
    webhooks: ClassVar[tuple[str, ...]] = ("telegram",)
    pulled: ClassVar[bool] = False
    # https://core.telegram.org/bots/api#sendmessage and #sending-files; bots get no receipts.
    limits = Limits(text=20_480, part=4096, caption=1024, file_size=50_000_000, highest="sent")

    def __init__(self, settings: TelegramSettings, site: Site) -> None:
        self._settings, self._site = settings, site
        self._bot_token = settings.token or ""
        self.identity = self._bot_token.partition(":")[0]
        self.rates = Rates(
            overall=settings.rate, burst=max(1.0, settings.rate / 30),
            address=settings.chat_rate, address_burst=max(1.0, settings.chat_rate),
        )  # fmt: skip
        self._secrets = [secret.encode() for secret in settings.webhook_secret] or [
            _derived(secret, self.identity) for secret in site.secrets
        ]
        self._loaded: TelegramWire | None = None
        self._loading = asyncio.Lock()
        self._username = ""
        self._heard_at: float | None = None

    def parse(self, hook: Webhook) -> list[Event]:
        """One update. Telegram proves itself by the secret that `setWebhook` told it."""
        given = header(hook.headers, "x-telegram-bot-api-secret-token").encode("utf-8", "replace")
        if not any([hmac.compare_digest(given, secret) for secret in self._secrets]):  # noqa: C419 - all, always
            raise BadWebhook("The secret is missing or wrong")
        content_type = header(hook.headers, "content-type").partition(";")[0].strip().lower()
        if content_type not in ("", "application/json"):
            raise WrongType("Telegram sends application/json")
        return telegram_updates.read(hook.body, self._aside)

    def reread(self, key: str, raw: str) -> list[Event]:  # noqa: ARG002 - an update says what it is
        """An update as it was kept."""
        return telegram_updates.read(raw.encode(), self._aside)

    async def load(self) -> None:
        await self._wire()

    async def send(self, part: Outbound) -> Sent:
        """https://core.telegram.org/bots/api#sendmessage, or what suits the part's file."""
        return await (await self._wire()).send(part)

    async def typing(self, urn: str) -> None:
        """Shown for five seconds. Best effort: a failure is not worth a word."""
        try:
            await (await self._wire()).typing(_chat(urn))
        except Throttled:
            raise
        except (SendError, SetUpError):
            return

    async def fetch(self, ref: str) -> AsyncIterator[bytes]:
        """The file with this `file_id`, at most 20 MB: https://core.telegram.org/bots/api#getfile."""
        wire = await self._wire()
        async for chunk in wire.download(ref):
            yield chunk

    @property
    def polling(self) -> bool:
        return self._settings.mode == "polling"

    @property
    def api(self) -> str:
        return self._settings.api_base

    @property
    def near(self) -> bool:
        """Whether the Bot API server is on this machine or beside it."""
        return is_local(URL(self._settings.api_base).host or "")

    async def poll(self, after: str) -> tuple[Sequence[Event], str]:
        """`getUpdates`; the cursor is the last update's id.

        Telegram forgets what lies before the offset, so an old cursor is worth nothing and does
        harm when ids have started anew: it is used only while updates keep coming.
        """
        fresh = self._heard_at is not None and time.monotonic() - self._heard_at < _CURSOR_LIFE
        offset = int(after) + 1 if after and fresh else None
        updates = await (await self._wire()).updates(offset, WAIT, KINDS)
        if not updates:
            return [], after
        self._heard_at = time.monotonic()
        return telegram_updates.read_all(updates, self._aside), telegram_updates.last_id(updates) or after

    async def set_up(self) -> Sequence[Finding]:
        """Learn the bot's name, and tell Telegram how updates travel. What waits there stays."""
        wire = await self._wire()
        me = await wire.me()
        self._username = str(me.get("username") or "")
        try:
            if self.polling:
                before = await _webhook_info(wire)
                await wire.delete_webhook()
                return _found_before(before)
            self._demand_public_url()
            await wire.set_webhook(self._webhook_url, self._secrets[0].decode(), KINDS)
        except Rejected as error:
            raise SetUpError(f"Telegram refuses the webhook {self._webhook_url}: {error.reason}") from None
        return _found_waiting(await _webhook_info(wire))

    async def check(self) -> list[Finding]:
        """What Telegram thinks: https://core.telegram.org/bots/api#getwebhookinfo."""
        try:
            wire = await self._wire()
            me, info = await wire.me(), await wire.webhook_info()
        except SetUpError as error:
            return [Finding(level="error", what="Telegram refuses the bot", todo=str(error))]
        except SendError as error:
            todo = f"See whether {self._settings.api_base} can be reached from this machine"
            return [Finding(level="error", what=error.reason, todo=todo)]
        named = Finding(level="ok", what=f"Telegram: the bot is @{me.get('username')}")
        return [named, self._found_webhook(info), *_found_waiting(info)]

    async def close(self) -> None:
        if self._loaded:
            await self._loaded.close()

    async def _wire(self) -> TelegramWire:
        """The calls, loaded when first needed and beside the event loop: aiogram takes a second or more."""
        async with self._loading:
            if self._loaded is None:
                self._loaded = await asyncio.to_thread(self._load)
        return self._loaded

    def _load(self) -> TelegramWire:
        import_aiogram()
        from bridge.channels.telegram_wire import TelegramWire

        return TelegramWire(
            self._bot_token, self._settings.api_base,
            send_timeout=self._site.send_timeout, user_agent=self._site.user_agent,
        )  # fmt: skip

    @property
    def _aside(self) -> str:
        where = f": https://t.me/{self._username}" if self._username else ""
        return f"Hello! Nobody reads along in groups. Write to me in private and a person will answer{where}"

    @property
    def _webhook_url(self) -> str:
        return f"{self._site.public_url}/webhooks/telegram"

    def _demand_public_url(self) -> None:
        """https://core.telegram.org/bots/webhooks#the-short-version."""
        url = URL(self._webhook_url)
        if self._settings.api_base != TELEGRAM:
            return
        if url.scheme != "https" or url.port not in (443, 80, 88, 8443) or is_local(url.host or ""):
            raise SetUpError(
                f"Telegram cannot call {self._webhook_url}: set BRIDGE_PUBLIC_URL to a public https address "
                "with port 443, 80, 88 or 8443, or TELEGRAM_MODE=polling, which needs none"
            )

    def _found_webhook(self, info: dict[str, Any]) -> Finding:
        url = str(info.get("url") or "")
        if self.polling:
            if not url:
                return Finding(level="ok", what="Telegram: fetched by polling")
            todo = "Start Bridge: polling removes it. Or set TELEGRAM_MODE=webhook"
            return Finding(level="warning", what=f"Telegram: a webhook is set, {url}", todo=todo)
        if url == self._webhook_url:
            return Finding(level="ok", what=f"Telegram: calls {url}")
        what = f"Telegram: calls {url or 'nothing'} instead of {self._webhook_url}"
        todo = "Start Bridge: it sets the webhook. Check BRIDGE_PUBLIC_URL"
        return Finding(level="error", what=what, todo=todo)


def _derived(secret: str, bot: str) -> bytes:
    """A webhook secret that only this installation can know, in Telegram's alphabet."""
    digest = hmac.new(secret.encode(), f"telegram webhook {bot}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=")


def _chat(urn: str) -> int:
    return int(urn.removeprefix("telegram:"))


async def _webhook_info(wire: TelegramWire) -> dict[str, Any]:
    """What Telegram says of the webhook, or nothing: it is good to know, and not needed to work."""
    try:
        return await wire.webhook_info()
    except (SendError, SetUpError):
        return {}


def _found_before(info: dict[str, Any]) -> list[Finding]:
    if not (url := info.get("url")):
        return []
    # No more of it: many have the bot's token in the path, and this goes to the log.
    what = f"Telegram: the webhook at {URL(url).host} was removed"
    todo = "If that is another program, give it a bot of its own. Or set TELEGRAM_MODE=webhook"
    return [Finding(level="warning", what=what, todo=todo)]


def _found_waiting(info: dict[str, Any]) -> list[Finding]:
    found = []
    if waiting := info.get("pending_update_count"):
        todo = "They arrive while Bridge runs; if they only grow, Telegram cannot reach it"
        found.append(Finding(level="warning", what=f"Telegram: {waiting} updates wait", todo=todo))
    if message := info.get("last_error_message"):
        todo = "See whether BRIDGE_PUBLIC_URL answers from outside, with a valid certificate"
        found.append(Finding(level="warning", what=f"Telegram could not deliver: {message}", todo=todo))
    return found
