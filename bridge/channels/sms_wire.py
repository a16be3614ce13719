"""Calls to Twilio's REST API, through its own client: https://www.twilio.com/docs/messaging/api.

The only file that imports twilio, loaded when a number is set.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import BasicAuth, ClientError, ClientSession, ClientTimeout, TCPConnector
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from bridge.channels.http import lost, patience, refused_by_gateway
from bridge.channels.sms_codes import reason, refusal
from bridge.errors import NotSent, SendError, Throttled, Unknown
from bridge.models import Outbound, Sent

# Clocks differ, and Twilio's times have whole seconds.
_SLACK = timedelta(seconds=2)
_TRIAL = "Sent from your Twilio trial account - "
_TIMES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

# The client logs URLs with phone numbers in them; nobody has asked it to.
_SILENT = logging.getLogger("bridge.twilio.silent")
_SILENT.disabled = True

T = TypeVar("T")


class _Http(AsyncTwilioHttpClient):  # type: ignore[misc]  # twilio's own is not typed
    """Twilio's HTTP client with time-outs that hold, `Retry-After`, and a server's faults told apart."""

    def __init__(self, timeout: ClientTimeout) -> None:
        super().__init__(pool_connections=False, logger=_SILENT)
        # `outbox.MAX_BUSY` is the limit.
        self.session = ClientSession(timeout=timeout, connector=TCPConnector(limit=0))

    async def request(
        self,
        method: str,
        url: str,
        params: dict[str, Any] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - twilio's; `TwilioWire` bounds the call
        allow_redirects: bool = False,
    ) -> Response:
        body = urlencode(data, doseq=True).encode() if data else None
        async with self.session.request(
            method.upper(), url, params=params or None, data=body, headers=headers,
            auth=BasicAuth(*auth) if auth else None, allow_redirects=allow_redirects,
        ) as response:  # fmt: skip
            text = await response.text(errors="replace")
            _demand_an_answer(response.status, text, response.headers.get("Retry-After", ""))
            return Response(response.status, text, dict(response.headers))


def _demand_an_answer(status: int, text: str, retry_after: str) -> None:
    """Raise what twilio's errors cannot say.

    A 5xx with an error of the API itself says that the message was not taken, and 503 that nothing
    was. Any other comes from something in between, so it stays open: the look-up tells.
    """
    answer = _json(text)
    code = answer.get("code") if answer else None
    if status in _TIMES and retry_after.isdecimal():
        raise Throttled(reason(code, "Twilio asks for a pause"), retry_after=float(retry_after))
    if status < HTTPStatus.MULTIPLE_CHOICES or (status < HTTPStatus.INTERNAL_SERVER_ERROR and answer):
        return
    if status == HTTPStatus.SERVICE_UNAVAILABLE or (code and status != HTTPStatus.GATEWAY_TIMEOUT):
        raise NotSent(reason(code, "Twilio is not available"))
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise refused_by_gateway("Twilio", status)
    raise Unknown(f"Twilio gave no clear answer ({status}): the message may have arrived")


class TwilioWire:
    """One account's calls. Every failure is a `SendError`. Made inside the running loop."""

    def __init__(self, account_sid: str, auth_token: str, base: str, *, send_timeout: float) -> None:
        self._timeout = send_timeout
        self._http = _Http(patience(send_timeout))
        self._client = Client(account_sid, auth_token, http_client=self._http)
        if base:
            self._client.api.base_url = base
            self._client.messaging.base_url = base
        self._account_sid = account_sid

    async def close(self) -> None:
        await self._http.close()

    async def send(self, **message: Any) -> Sent:
        """`messages.create` once: it has no idempotency key, so it is never repeated here."""
        created = await self._call(self._client.messages.create_async(**message))
        if created.status in ("failed", "undelivered") and created.error_code:
            raise refusal(created.error_code, HTTPStatus.BAD_REQUEST, created.error_message or "")
        if not created.sid:
            raise Unknown("Twilio took the message and did not say which it is")
        return Sent(external_id=created.sid)

    async def find(self, part: Outbound, since: int, sender: str, service: str) -> Sent | None:
        """The newest message to the same number with the same text, from us, since that time (ms)."""
        to = part.urn.removeprefix("tel:")
        earliest = datetime.fromtimestamp(since / 1000, UTC) - _SLACK
        page = await self.ask(self._client.messages.page_async(to=to, page_size=50))
        for message in page:
            same = message.to == to and (message.body or "") in (part.text, _TRIAL + part.text)
            ours = _from_us(message, sender, service)
            made = message.date_created or message.date_sent
            if same and ours and (made is None or made >= earliest) and _files(message) == len(part.files):
                return Sent(external_id=message.sid or "")
        return None

    async def account_status(self) -> str:
        """`active`, `suspended` or `closed`."""
        return str((await self.ask(self._client.api.v2010.accounts(self._account_sid).fetch_async())).status)

    async def number_webhook(self, number: str) -> tuple[str, str] | None:
        """URL and method that Twilio calls for a number; `None` when the account has no such number."""
        numbers = self._client.incoming_phone_numbers
        page = await self.ask(numbers.page_async(phone_number=number, page_size=20))
        found = next((entry for entry in page if entry.phone_number == number), None)
        return (found.sms_url or "", found.sms_method or "POST") if found else None

    async def service_webhook(self, sid: str) -> tuple[str, bool] | None:
        """URL that Twilio calls for a Messaging Service, and whether each number's own is used instead.

        `None` when the account has no such service.
        """
        service = await self.ask(_if_there(self._client.messaging.v1.services(sid).fetch_async()))
        if service is None:
            return None
        return service.inbound_request_url or "", bool(service.use_inbound_webhook_on_number)

    async def ask(self, call: Awaitable[T]) -> T:
        """A call that changes nothing when it is made twice: no answer means `NotSent`."""
        try:
            return await self._call(call)
        except Unknown:
            raise NotSent("Twilio gave no answer") from None

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await call
        except SendError:
            raise
        except TwilioRestException as error:
            raise refusal(_number(error.code), error.status, error.msg) from None
        except TwilioServiceException as error:
            raise refusal(_number(error.code), error.status, error.detail or error.title) from None
        except (TwilioException, ValueError, KeyError, TypeError):  # an answer that is none
            raise Unknown("Twilio's answer makes no sense: the message may have arrived") from None
        except (ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise lost("Twilio", error) from None


async def _if_there(call: Awaitable[T]) -> T | None:
    """What a call finds, or nothing where Twilio has no such thing."""
    try:
        return await call
    except (TwilioRestException, TwilioServiceException) as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def _json(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _from_us(message: MessageInstance, sender: str, service: str) -> bool:
    if message.direction and not str(message.direction).startswith("outbound"):
        return False
    if service:
        return message.messaging_service_sid in (service, None)
    return message.from_ in (sender, None)


def _files(message: MessageInstance) -> int:
    return _number(message.num_media) or 0


def _number(value: Any) -> int | None:
    """Twilio's API says some numbers as text; others who speak it say others so."""
    return int(value) if str(value).isdecimal() else None
