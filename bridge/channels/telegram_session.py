"""One call to Telegram's Bot API over HTTP: the form that goes out, and what the answer is.

https://core.telegram.org/bots/api#making-requests
"""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import orjson
from aiogram import Bot
from aiogram.client.default import Default
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import ClientDecodeError
from aiogram.methods import DeleteWebhook, TelegramMethod
from aiogram.types import FSInputFile
from aiohttp import ClientResponse, ClientSession, ClientTimeout, FormData, TCPConnector

from bridge.channels.http import LastCheck, refused_by_gateway
from bridge.errors import Unknown

_UNSET = (type(None), Default)
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# Of the answer only why it is a refusal is of interest to aiogram, not what it would have returned.
_NOTHING = DeleteWebhook()

T = TypeVar("T")


class Session(AiohttpSession):
    """aiogram's session, with answers as plain JSON and errors as they are.

    Full models of every answer cost more than the call itself and fail on a field that is new; and
    wrapped network errors would hide whether a request ever left.
    """

    def __init__(self, api: TelegramAPIServer, timeout: ClientTimeout, user_agent: str) -> None:
        super().__init__(api=api)
        self._patience, self._user_agent = timeout, user_agent

    async def create_session(self) -> ClientSession:
        if self._session is None or self._session.closed:
            self._session = ClientSession(
                # `pace.MAX_BUSY` is the limit.
                connector=TCPConnector(**{**self._connector_init, "limit": 0}),
                timeout=self._patience, headers={"User-Agent": self._user_agent}, request_class=LastCheck,
            )  # fmt: skip
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[T],
        timeout: int | None = None,  # noqa: ARG002 - aiogram's; `TelegramWire` bounds the call
    ) -> T:
        response, content = await self._post(bot, method)
        answer = _json(content)
        if not isinstance(answer, dict) or "ok" not in answer:
            raise refused_by_gateway("Telegram", response.status)
        status = _status(response.status, answer)
        if answer["ok"] is True and status < HTTPStatus.MULTIPLE_CHOICES:
            return cast("T", answer.get("result"))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise refused_by_gateway("Telegram", status)
        answer.setdefault("description", response.reason or f"error {status}")
        try:
            self.check_response(bot, _NOTHING, status, json.dumps(answer))
        except ClientDecodeError:
            raise refused_by_gateway("Telegram", status) from None
        raise Unknown("Telegram's answer makes no sense: the message may have arrived")

    async def _post(self, bot: Bot, method: TelegramMethod[Any]) -> tuple[ClientResponse, bytes]:
        """The answer and its body.

        Files go as files, not as streams as aiogram's do: so their length is told beforehand, which
        small servers need, and they are read beside the event loop.
        """
        session = await self.create_session()
        url = self.api.api_url(token=bot.token, method=method.__api_method__)
        fields, files = self._fields(bot, method)
        if not files:
            body = urlencode(fields).encode()
            async with session.post(url, data=body, headers=_FORM, allow_redirects=False) as response:
                return response, await response.read()
        form = FormData(fields, quote_fields=False)
        with ExitStack() as opened:
            for name, file in files.items():
                content = opened.enter_context(await asyncio.to_thread(Path(file.path).open, "rb"))
                form.add_field(name, content, filename=file.filename or name)
            async with session.post(url, data=form, allow_redirects=False) as response:
                return response, await response.read()

    def _fields(self, bot: Bot, method: TelegramMethod[Any]) -> tuple[dict[str, str], dict[str, FSInputFile]]:
        """What aiogram sends, without its dump of the whole model: a third of the cost of a call."""
        files: dict[str, FSInputFile] = {}
        fields = {}
        for name, value in vars(method).items():
            if type(value) not in _UNSET:
                plain = type(value) in (str, int)
                fields[name] = str(value) if plain else self.prepare_value(value, bot, files=files)
        return fields, files


def _status(status: int, answer: dict[str, Any]) -> int:
    """What a refusal is by its `error_code` where the HTTP status is silent: the API promises only that.

    https://core.telegram.org/bots/api#making-requests
    """
    code = answer.get("error_code")
    silent = status < HTTPStatus.MULTIPLE_CHOICES and answer["ok"] is not True
    return code if silent and isinstance(code, int) else status


def _json(content: bytes) -> Any:
    """JSON as Telegram may send it: Python's parser takes lone surrogates, orjson does not."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
