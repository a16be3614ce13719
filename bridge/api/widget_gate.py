"""Who may talk to the widget's routes: pages of the allowed sites, visitors with their token.

Browsers apply no same-origin rule to WebSockets, and CORS only hides answers: so the `Origin` is
looked at before anything is done, and the token besides.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from bridge.api.client import client_address, is_own_origin
from bridge.api.context import Context
from bridge.api.problems import answer_errors
from bridge.api.throttle import Throttle
from bridge.channels import webchat
from bridge.channels.webchat import WebchatChannel, WebchatSettings
from bridge.errors import NotAllowed, NotSignedIn

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MINUTE = 60.0
# On the machine itself there is nobody to be kept out, and tests and demos are in a hurry.
_ON_LOOPBACK = 100
_HOURS_OF_PREFLIGHT = 2
# Providers give a whole /64 to one customer.
_V6_NETWORK = 64


class Allowance:
    """How much may come from one visitor, and from one network address, in a minute."""

    def __init__(self, settings: WebchatSettings, factor: int = 1) -> None:
        self.visitor = Throttle(settings.visitor_rate * factor, _MINUTE)
        self.address = Throttle(settings.address_rate * factor, _MINUTE)
        self.new = Throttle(settings.new_visitors * factor, _MINUTE)


class Gate:
    """Stands before every route of the widget."""

    def __init__(self, context: Context, channel: WebchatChannel) -> None:
        self._context = context
        self._channel = channel
        self._abroad = Allowance(channel.settings)
        self._here = Allowance(channel.settings, _ON_LOOPBACK)

    def guard(self, handler: Handler) -> Handler:
        """A handler that only allowed sites reach, and whose answers, refusals too, they may read."""

        async def count(request: web.Request) -> web.StreamResponse:
            self.allowance(request).address.take(self.network(request))
            return await handler(request)

        async def guarded(request: web.Request) -> web.StreamResponse:
            origin = self.admit(request)
            return _readable(await answer_errors(request, count), origin)

        return guarded

    async def preflight(self, request: web.Request) -> web.StreamResponse:
        """What a browser asks before a request with a token or JSON crosses sites."""
        origin = self.admit(request)
        response = web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Allow-Headers": "authorization, content-type",
                "Access-Control-Max-Age": str(_HOURS_OF_PREFLIGHT * 3600),
            },
        )
        return _readable(response, origin)

    def admit(self, request: web.Request) -> str:
        """The origin that asks; `NotAllowed` for a site that is not allowed, or that hides it.

        A browser leaves the origin out of a page's reads of its own host, so those need none.
        """
        origin = request.headers.get(hdrs.ORIGIN, "")
        if not origin and request.method == "GET" and request.headers.get(hdrs.UPGRADE) is None:
            return ""
        settings = self._context.settings
        if origin in self._channel.origins or (origin and is_own_origin(origin, request, settings)):
            return origin
        raise NotAllowed("This site may not show the chat: add it to WIDGET_ALLOWED_ORIGINS")

    def visitor(self, request: web.Request) -> str:
        """Whose bearer token this is; `NotSignedIn` for none or a forged one."""
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        visitor = webchat.visitor_of(self._context.site.secrets, token.strip())
        if scheme.lower() != "bearer" or visitor is None:
            raise NotSignedIn("Ask for a new visitor's token")
        return visitor

    def allowance(self, request: web.Request) -> Allowance:
        """What holds for where a request comes from."""
        address = _ip(client_address(request, self._context.settings))
        return self._here if address and address.is_loopback else self._abroad

    def network(self, request: web.Request) -> str:
        """What is counted as one place: an address, or the /64 of an IPv6 one."""
        text = client_address(request, self._context.settings)
        address = _ip(text)
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((address, _V6_NETWORK), strict=False))
        return text


def _readable(response: web.StreamResponse, origin: str) -> web.StreamResponse:
    """Let the page that asked read the answer; caches keep sites apart."""
    if not response.prepared:
        response.headers["Vary"] = "Origin"
        if origin:
            response.headers["Access-Control-Allow-Origin"] = origin
    return response


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
