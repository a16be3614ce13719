"""Calls to Telegram's Bot API, through aiogram: https://core.telegram.org/bots/api#making-requests.

Like `telegram_session.py` it imports aiogram, which takes a second or more and 30 MB: so both are loaded when
a bot is set.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiogram import Bot
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import (
    DeleteWebhook,
    GetFile,
    GetMe,
    GetUpdates,
    GetWebhookInfo,
    SendAnimation,
    SendAudio,
    SendChatAction,
    SendDocument,
    SendMessage,
    SendPhoto,
    SendVideo,
    SendVoice,
    SetWebhook,
    TelegramMethod,
)
from aiogram.types import FSInputFile, ReplyParameters
from aiohttp import ClientError

from bridge.channels.base import InUse, SetUpError
from bridge.channels.http import lost, patience, retry_after
from bridge.channels.telegram_session import Session
from bridge.errors import (
    AccountRefused,
    MediaError,
    NotSent,
    Rejected,
    SendError,
    Throttled,
    Unknown,
    Unreachable,
)
from bridge.models import File, Outbound, Sent
from bridge.timing import time_limit

DOWNLOAD_LIMIT = 20_000_000  # https://core.telegram.org/bots/api#getfile
PHOTO_LIMIT = 10_000_000  # https://core.telegram.org/bots/api#sending-files
NO_BOT = (
    "Telegram knows no bot with this token. Copy it again from @BotFather (/mybots, API Token) "
    "into TELEGRAM_BOT_TOKEN"
)
_GONE = re.compile(r"(chat|user) not found|deactivated|(peer|chat)_id_invalid", re.IGNORECASE)
_AS_DOCUMENT = re.compile(r"photo_|image_process_failed|voice_messages_forbidden", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\"\\/]")
_CHUNK = 64 * 1024


class TelegramWire:
    """One bot's calls. Every failure is a `SendError`, a `SetUpError` or a `MediaError`."""

    def __init__(self, token: str, base: str, *, send_timeout: float, user_agent: str) -> None:
        self._api = TelegramAPIServer.from_base(base)
        self._timeout = send_timeout
        self._session = Session(self._api, patience(send_timeout), user_agent)
        self._bot = Bot(token, session=self._session)

    async def close(self) -> None:
        await self._session.close()

    async def send(self, part: Outbound) -> Sent:
        """Send a part; once more to the new id where a group has become a supergroup.

        https://core.telegram.org/bots/api#responseparameters
        """
        chat = int(part.urn.removeprefix("telegram:"))
        try:
            return _sent(chat, await self._send_part(part, chat))
        except TelegramMigrateToChat as moved:
            chat = moved.migrate_to_chat_id
        try:
            return _sent(chat, await self._send_part(part, chat), moved_to=f"telegram:{chat}")
        except TelegramMigrateToChat:
            raise Rejected("Telegram keeps moving this group") from None

    async def typing(self, chat: int) -> None:
        await self._call(SendChatAction(chat_id=chat, action="typing"))

    async def me(self) -> dict[str, Any]:
        return _dict(await self.ask(GetMe()))

    async def webhook_info(self) -> dict[str, Any]:
        return _dict(await self.ask(GetWebhookInfo()))

    async def set_webhook(self, url: str, secret: str, kinds: list[str]) -> None:
        """Never drops what waits: these are customers' messages."""
        await self.ask(SetWebhook(url=url, secret_token=secret, allowed_updates=kinds))

    async def delete_webhook(self) -> None:
        """So that polling works. What waits stays."""
        await self.ask(DeleteWebhook())

    async def updates(self, offset: int | None, wait: int, kinds: list[str]) -> list[Any]:
        """The updates from `offset` on, as JSON; waits up to `wait` seconds for the first."""
        method = GetUpdates(offset=offset, timeout=wait, allowed_updates=kinds)
        try:
            found = await self.ask(method, wait + self._timeout)
        except Rejected as error:
            raise SetUpError(f"Telegram refuses to hand out updates: {error.reason}") from None
        return found if isinstance(found, list) else []

    async def ask(self, method: TelegramMethod[Any], seconds: float | None = None) -> Any:
        """A call that changes nothing when it is made twice: no answer means `NotSent`."""
        try:
            return await self._call(method, seconds)
        except Unknown:
            raise NotSent("Telegram gave no answer") from None

    async def download(self, file_id: str) -> AsyncIterator[bytes]:
        """A customer's file, from Telegram's file server alone; its link holds the token."""
        path = await self._file_path(file_id)
        session = await self._session.create_session()
        url = self._api.file_url(self._bot.token, quote(path))
        try:
            timeout = patience(self._timeout, read=30)
            async with session.get(url, allow_redirects=False, timeout=timeout) as response:
                if response.status != HTTPStatus.OK:
                    final = response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
                    raise MediaError(
                        f"Telegram answers {response.status} for this file", final=final,
                        retry_after=retry_after(response),
                    )  # fmt: skip
                async for chunk in _bounded(response.content.iter_chunked(_CHUNK)):
                    yield chunk
        except (ClientError, OSError):  # a TimeoutError is an OSError
            raise MediaError("Telegram's file server cannot be reached", final=False) from None

    async def _file_path(self, file_id: str) -> str:
        try:
            file = _dict(await self.ask(GetFile(file_id=file_id)))
        except Rejected as error:
            raise MediaError(error.reason, final="temporarily" not in error.reason) from None
        except Throttled:
            raise
        except SendError as error:
            raise MediaError(error.reason, final=False) from None
        except SetUpError as error:
            raise MediaError(str(error), final=False) from None
        path = str(file.get("file_path") or "")
        if (file.get("file_size") or 0) > DOWNLOAD_LIMIT:
            raise MediaError("The file is larger than the 20 MB that Telegram hands out", final=True)
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise MediaError("Telegram gave no usable path for this file", final=True)
        return path

    async def _send_part(self, part: Outbound, chat: int) -> Any:
        """One call; a second one as plain document where Telegram dislikes how a file would be shown."""
        method = _method(part, chat)
        try:
            return await self._call(method)
        except SetUpError as error:  # ours to mend; the customer's reply waits for it
            raise AccountRefused(str(error)) from None
        except Rejected as error:
            shown = part.files and not isinstance(method, SendDocument)
            if not shown or isinstance(error, Unreachable) or not _AS_DOCUMENT.search(error.reason):
                raise
        return await self._call(_method(part, chat, plain=True))

    async def _call(self, method: TelegramMethod[Any], seconds: float | None = None) -> Any:
        try:
            async with time_limit(seconds or self._timeout):
                return await self._bot(method)
        except (TelegramConflictError, TelegramUnauthorizedError, TelegramNotFound) as error:
            raise _misconfigured(error) from None
        except TelegramMigrateToChat:
            raise
        except TelegramAPIError as error:
            raise _refusal(error) from None
        except (ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise lost("Telegram", error) from None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sent(chat: int, result: Any, *, moved_to: str = "") -> Sent:
    number = _dict(result).get("message_id")
    if number is None:
        raise Unknown("Telegram took the message and did not say which it is")
    return Sent(external_id=f"{chat}:{number}", moved_to=moved_to)


def _method(part: Outbound, chat: int, *, plain: bool = False) -> TelegramMethod[Any]:
    """The call that carries a part: text alone, or one file with its caption."""
    reply = _reply(part.reply_to, chat)
    if not part.files:
        return SendMessage(chat_id=chat, text=part.text, reply_parameters=reply)
    file = part.files[0]
    if not Path(file.path).is_file():
        raise Rejected("The file is no longer in the data folder")
    name = _CONTROL.sub("_", file.name) or "file"
    method, field = (SendDocument, "document") if plain else _shown_as(file)
    arguments: dict[str, Any] = {
        "chat_id": chat, field: FSInputFile(file.path, filename=name),
        "caption": part.text or None, "reply_parameters": reply,
    }  # fmt: skip
    return method(**arguments)


def _reply(external_id: str, chat: int) -> ReplyParameters | None:
    where, _, number = external_id.partition(":")
    if where != str(chat) or not number.isdigit():
        return None
    return ReplyParameters(message_id=int(number), allow_sending_without_reply=True)


def _shown_as(file: File) -> tuple[type[TelegramMethod[Any]], str]:
    """How a file is shown: in full only in the formats and sizes that Telegram takes for it."""
    if file.mime == "image/gif":
        return SendAnimation, "animation"
    if file.mime in ("image/jpeg", "image/png", "image/webp") and file.size <= PHOTO_LIMIT:
        return SendPhoto, "photo"
    if file.mime == "video/mp4":
        return (SendAnimation, "animation") if file.kind == "animation" else (SendVideo, "video")
    if file.kind == "voice" and file.mime in ("audio/ogg", "audio/mpeg", "audio/mp4"):
        return SendVoice, "voice"
    if file.mime in ("audio/mpeg", "audio/mp4", "audio/x-m4a"):
        return SendAudio, "audio"
    return SendDocument, "document"


def _misconfigured(error: TelegramAPIError) -> SetUpError:
    if not isinstance(error, TelegramConflictError):
        return SetUpError(NO_BOT)
    if "webhook" in error.message.lower():
        return SetUpError(
            "Another program has set a webhook for this bot, which takes all its updates. Stop it, or give "
            "Bridge a bot of its own; then start Bridge again"
        )
    return InUse("Another program fetches this bot's updates. Stop it, or give Bridge a bot of its own")


def _refusal(error: TelegramAPIError) -> SendError:
    """What Telegram's refusal means: https://core.telegram.org/bots/api#making-requests."""
    reason = error.message
    if isinstance(error, TelegramRetryAfter):
        return Throttled("Telegram asks for a pause", retry_after=error.retry_after)
    if isinstance(error, TelegramForbiddenError):
        gone = "deactivated" in reason.lower()
        return Unreachable(reason, state="invalid" if gone else "blocked")
    if isinstance(error, TelegramEntityTooLarge):
        return Rejected("Telegram takes no file of this size")
    if isinstance(error, TelegramBadRequest):
        return Unreachable(reason, state="invalid") if _GONE.search(reason) else Rejected(reason)
    if "too many requests" in reason.lower():
        return Throttled("Telegram asks for a pause")
    return NotSent(f"Telegram does not take messages now: {reason}")


async def _bounded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > DOWNLOAD_LIMIT:
            raise MediaError("The file is larger than the 20 MB that Telegram hands out", final=True)
        yield chunk


# Built where this is imported, beside the event loop, and not with the first reply.
for _model in (SendMessage, ReplyParameters):
    _model.model_rebuild()
