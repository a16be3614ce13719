"""Calls to WhatsApp's Cloud API.

https://developers.facebook.com/documentation/business-messaging/whatsapp/reference
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, FormData, TCPConnector
from yarl import URL

from bridge.channels.http import (
    LastCheck,
    is_same_server,
    lost,
    patience,
    refused_by_gateway,
    retry_after,
)
from bridge.channels.whatsapp_codes import PARAMETER, refusal
from bridge.errors import MediaError, NotSent, Rejected, SendError, Throttled, Unknown
from bridge.models import File, Sent
from bridge.timing import time_limit

META = "https://graph.facebook.com"
_VERSION = "v25.0"
# Where Meta keeps files: https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
_FILE_HOSTS = (".fbsbx.com", ".fbcdn.net", ".facebook.com", ".whatsapp.net")
_CHUNK = 64 * 1024
# Of the time that a reply has, so much is for its file: what is left is for the message itself.
_FOR_THE_FILE = 2 / 3

# As `whatsapp_codes.refusal`.
Refusal = Callable[[int | None, int | None, int, str, float | None], Exception]


class WhatsAppWire:
    """One number's calls. Made inside the running loop. Every failure is a `SendError` or a `MediaError`."""

    def __init__(
        self, token: str, base: str, number_id: str, *, send_timeout: float, user_agent: str
    ) -> None:
        self._base, self._number_id, self._timeout = base, number_id, send_timeout
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session = ClientSession(
            timeout=patience(send_timeout), connector=TCPConnector(limit=0), request_class=LastCheck,
            headers={"User-Agent": user_agent},
        )  # fmt: skip

    async def close(self) -> None:
        await self._session.close()

    async def send(self, message: dict[str, Any]) -> Sent:
        """`POST /messages` once: it has no idempotency key, so it is never repeated here."""
        body = {"messaging_product": "whatsapp", "recipient_type": "individual", **message}
        answer = await self._call("POST", f"{self._number_id}/messages", self._timeout, json=body)
        messages = answer.get("messages")
        first = messages[0] if isinstance(messages, list) and messages else None
        if not isinstance(first, dict) or not isinstance(first.get("id"), str) or not first["id"]:
            raise Unknown("WhatsApp took the message and did not say which it is")
        return Sent(external_id=first["id"])

    async def upload(self, file: File) -> str:
        """The id under which WhatsApp has the file for 30 days. Nobody sees it, so it may be repeated."""
        try:
            content = await asyncio.to_thread(Path(file.path).open, "rb")
        except OSError:
            raise Rejected("The file is no longer in the data folder") from None
        with content:
            form = FormData({"messaging_product": "whatsapp", "type": file.mime})
            form.add_field("file", content, filename=file.name or "file", content_type=file.mime)
            answer = await self._ask(
                "POST", f"{self._number_id}/media", self._timeout * _FOR_THE_FILE, data=form
            )
        found = answer.get("id")
        if not found:
            raise NotSent("WhatsApp took the file and did not say which it is")
        return str(found)

    async def number(self, fields: str) -> dict[str, Any]:
        """What WhatsApp says of the number."""
        return await self._ask("GET", self._number_id, self._timeout, params={"fields": fields})

    async def download(self, media_id: str) -> AsyncIterator[bytes]:
        """A customer's file. Its address holds for five minutes, so it is asked for each time."""
        url = await self._file_url(media_id)
        timeout = patience(self._timeout, read=30)
        try:
            async with self._session.get(
                url, headers=self._headers, allow_redirects=False, timeout=timeout
            ) as response:
                if response.status != HTTPStatus.OK:
                    what = f"WhatsApp answers {response.status} for this file"
                    raise MediaError(what, final=False, retry_after=retry_after(response))
                async for chunk in response.content.iter_chunked(_CHUNK):
                    yield chunk
        except (ClientError, OSError):  # a TimeoutError is an OSError
            raise MediaError("WhatsApp's file server cannot be reached", final=False) from None

    async def _file_url(self, media_id: str) -> URL:
        params = {"phone_number_id": self._number_id}
        try:
            answer = await self._ask("GET", media_id, self._timeout, _no_file, params=params)
        except Rejected as error:
            raise MediaError(error.reason, final=True) from None
        except Throttled:
            raise
        except SendError as error:
            raise MediaError(error.reason, final=False, retry_after=error.retry_after) from None
        try:
            found = answer.get("url")
            url = URL(found if isinstance(found, str) else "")
            url.origin()
        except ValueError:
            raise MediaError("WhatsApp gave no usable address for this file", final=False) from None
        if not self._may_see_the_token(url):
            raise MediaError("The file is not on WhatsApp's host", final=True)
        return url

    def _may_see_the_token(self, url: URL) -> bool:
        if is_same_server(url, URL(self._base)):
            return True
        return self._base == META and url.scheme == "https" and str(url.host).endswith(_FILE_HOSTS)

    async def _ask(
        self, method: str, path: str, seconds: float, refused: Refusal = refusal, **more: Any
    ) -> dict[str, Any]:
        """A call that changes nothing when it is made twice: no answer means `NotSent`."""
        try:
            return await self._call(method, path, seconds, refused, **more)
        except Unknown:
            raise NotSent("WhatsApp gave no answer") from None

    async def _call(
        self, method: str, path: str, seconds: float, refused: Refusal = refusal, **more: Any
    ) -> dict[str, Any]:
        url = URL(f"{self._base}/{_VERSION}") / path
        try:
            async with (
                time_limit(seconds),
                self._session.request(
                    method, url, headers=self._headers, allow_redirects=False, **more
                ) as response,
            ):
                return _understood(response.status, await response.read(), retry_after(response), refused)
        except (ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise lost("WhatsApp", error) from None


def _understood(status: int, raw: bytes, rest: float | None, refused: Refusal) -> dict[str, Any]:
    """The answer of a call that went well, or what went wrong."""
    answer = _json(raw)
    error = answer.get("error")
    if isinstance(error, dict):
        data = error.get("error_data")
        details = data.get("details") if isinstance(data, dict) else None
        words = next((word for word in (details, error.get("message")) if isinstance(word, str)), "")
        raise refused(_number(error.get("code")), _number(error.get("error_subcode")), status, words, rest)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Throttled("WhatsApp asks for a pause", retry_after=rest)
    if status >= HTTPStatus.MULTIPLE_CHOICES or not answer:
        raise refused_by_gateway("WhatsApp", status)
    return answer


def _no_file(
    code: int | None, subcode: int | None, status: int, message: str, rest: float | None
) -> Exception:
    """What it means that a file is refused: where there is none, the number and the token are well."""
    if code == PARAMETER:
        return MediaError(f"WhatsApp has this file no more ({code})", final=True)
    return refusal(code, subcode, status, message, rest)


def _json(raw: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _number(value: Any) -> int | None:
    return int(value) if str(value).isdecimal() else None
