"""The resources that Twilio's REST API shows, apart from sending.

https://www.twilio.com/docs/messaging/api and https://www.twilio.com/docs/phone-numbers/api
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from bridge.sandbox.feed import Json
from bridge.sandbox.twilio_account import Account
from bridge.sandbox.twilio_messages import ApiError, Message
from bridge.sandbox.vendor import Answer, Call


class Api:
    """Reads and small changes of one account. `url` and `file_host` are asked when needed."""

    def __init__(self, account: Account, url: Callable[[], str], file_host: Callable[[], str]) -> None:
        self._account, self._url, self._file_host = account, url, file_host
        base, services = rf"/2010-04-01/Accounts/{account.sid}", f"/v1/Services/{account.service}"
        routes: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
            ("GET", rf"{base}/Messages\.json", self._list),
            ("GET", rf"{base}/Messages/(\w+)\.json", self._fetch),
            ("GET", rf"{base}/Messages/(\w+)/Media\.json", self._media_list),
            ("GET", rf"{base}/Messages/(\w+)/Media/(\w+)", self._media),
            ("DELETE", rf"{base}/Messages/(\w+)(?:/Media/(\w+))?\.json", self._delete),
            ("GET", rf"{base}\.json", self._own_account),
            ("GET", rf"{base}/IncomingPhoneNumbers\.json", self._numbers),
            ("GET", rf"{base}/IncomingPhoneNumbers/(\w+)\.json", self._one_number),
            ("POST", rf"{base}/IncomingPhoneNumbers/(\w+)\.json", self._set_number),
            ("GET", services, self._service),
            ("GET", f"{services}/PhoneNumbers", self._service_numbers),
            ("GET", f"{services}/ShortCodes", self._service_short_codes),
        )
        self._routes = [(verb, re.compile(pattern), handler) for verb, pattern, handler in routes]

    def answer(self, call: Call) -> Answer:
        """The resource; `ApiError` where there is none."""
        for verb, pattern, handler in self._routes:
            match = pattern.fullmatch(call.target)
            if verb == call.method and match:
                return handler(call, *match.groups())
        raise _missing(call)

    def _list(self, call: Call) -> Answer:
        found = [message for message in self._account.newest_first() if _matches(message, call.params)]
        return _page(call, "messages", found, lambda message: message.resource(self._account.sid))

    def _fetch(self, call: Call, sid: str) -> Answer:
        message = self._known(call, sid)
        return Answer(body=message.resource(self._account.sid), note=message.status)

    def _media_list(self, call: Call, sid: str) -> Answer:
        account, media = self._account.sid, self._known(call, sid).media
        items = [
            {"sid": media_sid, "account_sid": account, "parent_sid": sid, "content_type": upload.mime,
             "uri": f"/2010-04-01/Accounts/{account}/Messages/{sid}/Media/{media_sid}.json"}
            for media_sid, upload in media
        ]  # fmt: skip
        return _page(call, "media_list", items)

    def _media(self, call: Call, sid: str, media_sid: str) -> Answer:
        """The file itself is on another host, behind a redirect, as with Twilio."""
        if not any(media_sid == known for known, _ in self._known(call, sid).media):
            raise _missing(call)
        location = {"Location": f"{self._file_host()}/{media_sid}"}
        return Answer(status=307, headers=location, note="to the file host")

    def _delete(self, call: Call, sid: str, media_sid: str | None) -> Answer:
        message = self._known(call, sid)
        message.media = [item for item in message.media if media_sid and item[0] != media_sid]
        message.body = message.body if media_sid else ""
        return Answer(status=204)

    def _own_account(self, _: Call) -> Answer:
        sid = self._account.sid
        body = {
            "sid": sid, "friendly_name": "Sandbox", "status": "active", "type": "Full",
            "owner_account_sid": sid, "uri": f"/2010-04-01/Accounts/{sid}.json",
        }  # fmt: skip
        return Answer(body=body)

    def _numbers(self, call: Call) -> Answer:
        ours = call.params.get("PhoneNumber") in (None, self._account.number)
        return _page(call, "incoming_phone_numbers", [self._number()] if ours else [])

    def _one_number(self, call: Call, sid: str) -> Answer:
        if sid != self._account.number_sid:
            raise _missing(call)
        return Answer(body=self._number())

    def _set_number(self, call: Call, sid: str) -> Answer:
        self._account.webhook = str(call.params.get("SmsUrl", self._account.webhook))
        return self._one_number(call, sid)

    def _number(self) -> Json:
        account = self._account
        return {
            "sid": account.number_sid, "account_sid": account.sid, "phone_number": account.number,
            "friendly_name": account.number, "sms_url": account.webhook, "sms_method": "POST",
            "sms_fallback_url": "", "sms_fallback_method": "POST", "sms_application_sid": "",
            "status_callback": "", "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
            "uri": f"/2010-04-01/Accounts/{account.sid}/IncomingPhoneNumbers/{account.number_sid}.json",
        }  # fmt: skip

    def _service(self, call: Call) -> Answer:
        account = self._account
        body = {
            "sid": account.service, "account_sid": account.sid, "friendly_name": "Sandbox",
            "inbound_request_url": account.webhook or None, "inbound_method": "POST", "fallback_url": None,
            "status_callback": account.status_webhook or None, "use_inbound_webhook_on_number": False,
            "url": f"{self._url()}{call.target}",
        }  # fmt: skip
        return Answer(body=body)

    def _service_numbers(self, call: Call) -> Answer:
        account = self._account
        items = [
            {"sid": account.number_sid, "account_sid": account.sid, "service_sid": account.service,
             "phone_number": account.number, "country_code": "IT", "capabilities": ["SMS", "MMS"]}
        ]  # fmt: skip
        return self._all(call, "phone_numbers", items)

    def _service_short_codes(self, call: Call) -> Answer:
        return self._all(call, "short_codes", [])

    def _all(self, call: Call, key: str, items: list[Json]) -> Answer:
        """The only page of a list, as those of the newer APIs are shaped."""
        url = f"{self._url()}{call.target}"
        meta = {
            "page": 0, "page_size": 50, "first_page_url": url, "previous_page_url": None,
            "url": url, "next_page_url": None, "key": key,
        }  # fmt: skip
        return Answer(body={key: items, "meta": meta})

    def _known(self, call: Call, sid: str) -> Message:
        message = self._account.get(sid)
        if message is None:
            raise _missing(call)
        return message


def _page(
    call: Call, key: str, items: Sequence[Any], show: Callable[[Any], Json] = lambda item: item
) -> Answer:
    """A page of a list, as all lists of the 2010 API are shaped.

    `Page` only counts: where a page begins is in its token, after a SID (or before one), so that what
    comes meanwhile moves nothing.
    """
    size = min(max(int(call.params.get("PageSize") or 50), 1), 1000)
    page, sids = int(call.params.get("Page") or 0), [_sid(item) for item in items]
    first = _place(str(call.params.get("PageToken") or ""), sids, size)
    last = min(first + size, len(items))
    body = {
        key: [show(item) for item in items[first:last]], "page": page, "page_size": size,
        "start": page * size, "end": page * size + max(last - first - 1, 0),
        "uri": _page_uri(call, size, page), "first_page_uri": _page_uri(call, size, 0),
        "next_page_uri": _page_uri(call, size, page + 1, f"PA{sids[last - 1]}") if last < len(sids) else None,
        "previous_page_uri": _page_uri(call, size, page - 1, f"PB{sids[first]}") if page and sids else None,
    }  # fmt: skip
    return Answer(body=body, note=f"{len(items)} found")


def _sid(item: Message | Json) -> str:
    return item.sid if isinstance(item, Message) else str(item["sid"])


def _place(token: str, sids: list[str], size: int) -> int:
    """Where the page of a token begins."""
    if not token:
        return 0
    if token[2:] not in sids:
        raise ApiError(20001, "Invalid PageToken")
    place = sids.index(token[2:])
    return place + 1 if token.startswith("PA") else max(place - size, 0)


def _page_uri(call: Call, size: int, page: int, token: str = "") -> str:
    """Another page of the same list, filters and all."""
    asked = {name: value for name, value in call.params.items() if not name.startswith("Page")}
    query = {**asked, "PageSize": size, "Page": page, **({"PageToken": token} if token else {})}
    return f"{call.target}?{urlencode(query)}"


def _matches(message: Message, wanted: Json) -> bool:
    if wanted.get("To", message.to) != message.to or wanted.get("From", message.sender) != message.sender:
        return False
    at = (message.sent or message.created).replace(microsecond=0)  # Twilio's dates have whole seconds
    exactly, before, after = (_moment(wanted.get(name)) for name in ("DateSent", "DateSent<", "DateSent>"))
    day = exactly is None or at.date() == exactly.date()
    return day and (before is None or at <= before) and (after is None or at >= after)


def _moment(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ApiError(20001, f"Invalid date: {value}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _missing(call: Call) -> ApiError:
    return ApiError(20404, f"The requested resource {call.target} was not found")
