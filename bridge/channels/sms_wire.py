"""Calls to Twilio's REST API, through its own client: https://www.twilio.com/docs/messaging/api.

The only file that imports twilio, loaded when a number is set.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import BasicAuth, ClientError, ClientSession, ClientTimeout, TCPConnector
from twilio.base import deserialize
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance, MessagePage

from bridge.channels.base import Listed, SetUpError, header
from bridge.channels.http import LastCheck, lost, patience, refused_by_gateway, retry_after
from bridge.channels.sms_codes import is_of_the_account, reason, refusal
from bridge.channels.sms_match import Span, is_same
from bridge.errors import NotSent, Rejected, SendError, Throttled, Unknown
from bridge.models import Outbound, Sent
from bridge.timing import time_limit

# Of a customer's messages, the newest 250 are looked at.
_PAGES = 5
# Messages of a page: what it takes to read it shall not halt the others.
PAGE = 100
_TIMES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

# The client logs URLs with phone numbers in them; nobody has asked it to.
_SILENT = logging.getLogger("bridge.twilio.silent")
_SILENT.disabled = True

T = TypeVar("T")
Refusal = Callable[[int | None, int, str], Exception]


class _Http(AsyncTwilioHttpClient):  # type: ignore[misc]  # twilio's own is not typed
    """Twilio's HTTP client with time-outs that hold, `Retry-After`, and a server's faults told apart."""

    def __init__(self, timeout: ClientTimeout) -> None:
        super().__init__(pool_connections=False, logger=_SILENT)
        # `pace.MAX_BUSY` is the limit.
        self.session = ClientSession(
            timeout=timeout, connector=TCPConnector(limit=0), request_class=LastCheck
        )

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
            _demand_an_answer(response.status, text, retry_after(response))
            found = {name.lower(): value for name, value in response.headers.items()}
            return Response(response.status, text, found)


def _demand_an_answer(status: int, text: str, rest: float | None) -> None:
    """Raise what twilio's errors cannot say.

    503 says that nothing was taken. Any other 5xx leaves it open, with an error of the API's own too
    (https://www.twilio.com/docs/api/errors/20500): the look-up tells.
    """
    answer = _json(text)
    code = answer.get("code") if answer else None
    if status in _TIMES and rest is not None:
        raise Throttled(reason(code, "Twilio asks for a pause"), retry_after=rest)
    if status < HTTPStatus.MULTIPLE_CHOICES or (status < HTTPStatus.INTERNAL_SERVER_ERROR and answer):
        return
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise NotSent(reason(code, "Twilio is not available"))
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise refused_by_gateway("Twilio", status)
    what = reason(code) if code else f"Twilio gave no clear answer ({status})"
    raise Unknown(f"{what}: the message may have arrived")


class TwilioWire:
    """One account's calls. Made inside the running loop.

    Every failure is a `SendError`; of lists also a `SetUpError`, where Twilio refuses the account.
    """

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

    async def find(self, part: Outbound, ago: float, sender: str, service: str) -> list[Sent]:
        """What can be the part, oldest first: to the same number, from us, the same, and made in its time.

        Its call began `ago` seconds ago. The list is not filtered by `DateSent`, which what waits in
        Twilio's queue has not.
        """
        to, asked = part.urn.removeprefix("tel:"), time.monotonic()
        answer = await self.ask(_had(self._client.messages.page_with_http_info_async(to=to, page_size=50)))
        now = deserialize.rfc2822_datetime(header(answer.headers, "date")) or datetime.now(UTC)
        span = Span.of_call(now, ago, time.monotonic() - asked)
        found = [
            message for message in await self._back_to(span.first, answer.data)
            if message.date_created in span and message.to == to and _from_us(message, sender, service)
            and is_same(part.text, message.body or "") and _carries(message, len(part.files))
        ]  # fmt: skip
        return [Sent(external_id=message.sid or "") for message in sorted(found, key=_made)]

    async def _back_to(self, first: datetime, page: MessagePage | None) -> list[MessageInstance]:
        """The messages of a list that were sent since `first`, and some before them, oldest first."""
        found: list[MessageInstance] = []
        for _ in range(_PAGES):
            if page is None:
                break
            found += page
            if not found or (found[-1].date_sent or _made(found[-1])) < first:
                break
            page = await self.ask(_had(page.next_page_async()))
        return found[::-1]

    async def account_status(self) -> str:
        """`active`, `suspended` or `closed`."""
        return str((await self.ask(self._client.api.v2010.accounts(self._account_sid).fetch_async())).status)

    async def number_webhook(self, number: str) -> tuple[str, str] | None:
        """URL and method that Twilio calls for a number; `None` when the account has no such number."""
        numbers = self._client.incoming_phone_numbers
        page = await self.ask(_had(numbers.page_async(phone_number=number, page_size=20)))
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

    async def inbound(self, number: str, since: int, after: str) -> tuple[list[Listed], str]:
        """What customers wrote to a number of ours since then (ms), newest first; the next page's address.

        https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
        """
        return await self.ask(self._inbound(number, since, after), _no_list)

    async def _inbound(self, number: str, since: int, after: str) -> tuple[list[Listed], str]:
        messages, earliest = self._client.messages, datetime.fromtimestamp(since / 1000, UTC)
        page = await _had(
            messages.get_page_async(after) if after
            else messages.page_async(to=number, date_sent_after=earliest, page_size=PAGE)
        )  # fmt: skip
        # The filter is documented for whole days. So it is not relied on, and its other end is not used.
        recent = [(message, at) for message in page if (at := _time(message)) >= since]
        rows = [_listed(message, at) for message, at in recent if _came_in(message, number)]
        return rows, (page.next_page_url or "") if recent else ""

    async def files(self, message: str) -> list[tuple[str, str]]:
        """The files of a message, `(address, MIME type)`; none where Twilio has them no more."""
        try:
            found = await self.ask(_if_there(self._files(message)), _no_list)
        except Rejected:
            return []
        return found or []

    async def _files(self, message: str) -> list[tuple[str, str]]:
        media = await _had(self._client.messages(message).media.page_async(page_size=20))
        address = self._client.api.absolute_url
        return [(address(file.uri or "").removesuffix(".json"), file.content_type or "") for file in media]

    async def pool(self, service: str) -> list[str] | None:
        """The numbers and short codes of a Messaging Service; `None` when the account has none such."""
        context, all_of_it = self._client.messaging.v1.services(service), {"limit": 1000, "page_size": 1000}
        numbers = await self.ask(_if_there(_had(context.phone_numbers.list_async(**all_of_it))), _no_list)
        if numbers is None:
            return None
        codes = await self.ask(_had(context.short_codes.list_async(**all_of_it)), _no_list)
        return [str(entry.phone_number) for entry in numbers] + [str(entry.short_code) for entry in codes]

    async def ask(self, call: Awaitable[T], refused: Refusal = refusal) -> T:
        """A call that changes nothing when it is made twice: no answer means `NotSent`."""
        try:
            return await self._call(call, refused)
        except Unknown:
            raise NotSent("Twilio gave no answer") from None

    async def _call(self, call: Awaitable[T], refused: Refusal = refusal) -> T:
        try:
            async with time_limit(self._timeout):
                return await call
        except SendError:
            raise
        except TwilioRestException as error:
            raise refused(_number(error.code), error.status, error.msg) from None
        except TwilioServiceException as error:
            raise refused(_number(error.code), error.status, error.detail or error.title) from None
        except (TwilioException, ValueError, LookupError, TypeError, AttributeError):  # it is no answer
            raise Unknown("Twilio's answer makes no sense: the message may have arrived") from None
        except (ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise lost("Twilio", error) from None


def _no_list(code: int | None, status: int, message: str) -> Exception:
    """What it means that a list is refused: no message waits for it, so a person is told at once."""
    error = refusal(code, status, message)
    return SetUpError(error.reason) if is_of_the_account(code, status) else error


async def _had(call: Awaitable[T]) -> T:
    """A page of a list, or what is wrong: twilio itself only says that the page could not be had."""
    try:
        return await call
    except (TwilioRestException, TwilioServiceException):
        raise
    except TwilioException as error:
        response = error.args[-1] if error.args else None
        if not isinstance(response, Response):
            raise
        code, what = _json(response.text).get("code"), "Twilio does not show the list"
        raise TwilioRestException(response.status_code, "", msg=what, code=code) from None


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


def _time(message: MessageInstance) -> int:
    """When Twilio called the webhook, or had the message, in Unix ms; 0 if it does not say."""
    at = message.date_sent or message.date_created
    return int(at.timestamp() * 1000) if at else 0


def _came_in(message: MessageInstance, number: str) -> bool:
    """Whether a customer wrote it to this number, and Twilio has all of it."""
    return (message.direction, message.to) == ("inbound", number) and message.status != "receiving"


def _listed(message: MessageInstance, at: int) -> Listed:
    """A message of the list in the words of its webhook."""
    fields = {
        "MessageSid": message.sid or "", "AccountSid": message.account_sid or "",
        "From": message.from_ or "", "To": message.to or "", "Body": message.body or "",
        "NumMedia": str(_files(message)),
    }  # fmt: skip
    if message.messaging_service_sid:
        fields["MessagingServiceSid"] = message.messaging_service_sid
    return Listed(key=fields["MessageSid"], at=at, has_files=_files(message) > 0, row=fields)


def _from_us(message: MessageInstance, sender: str, service: str) -> bool:
    if message.direction and not str(message.direction).startswith("outbound"):
        return False
    if service:
        return message.messaging_service_sid in (service, None)
    return message.from_ in (sender, None)


def _made(message: MessageInstance) -> datetime:
    """When Twilio made it."""
    return message.date_created or datetime.max.replace(tzinfo=UTC)


def _carries(message: MessageInstance, files: int) -> bool:
    """Whether it has so many files, which Twilio may have still to fetch."""
    found = _files(message)
    return found == files or (not found and (message.sid or "").startswith("MM"))


def _files(message: MessageInstance) -> int:
    return _number(message.num_media) or 0


def _number(value: Any) -> int | None:
    """Twilio's API says some numbers as text; others who speak it say others so."""
    return int(value) if str(value).isdecimal() else None
