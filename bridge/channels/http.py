"""Whether a request may leave, and what a broken connection means: whether it can have reached its vendor."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus

from aiohttp import (
    ClientConnectorError,
    ClientRequest,
    ClientResponse,
    ClientTimeout,
    ConnectionTimeoutError,
    InvalidURL,
)
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from yarl import URL

from bridge.errors import NotSent, Rejected, SendError, Unknown

# Raised before a byte of the request was written: refused, no route, no such name, TLS refused,
# no connection in time. Whatever else goes wrong went wrong with the request on its way.
_NEVER_LEFT = (ClientConnectorError, ConnectionTimeoutError, InvalidURL)

Objection = Callable[[], SendError | None]
_objection: ContextVar[Objection | None] = ContextVar("objection", default=None)


@contextmanager
def unless(objection: Objection) -> Iterator[None]:
    """What is sent within asks `objection` once its connection is made, and raises what that returns."""
    before = _objection.set(objection)
    try:
        yield
    finally:
        _objection.reset(before)


class LastCheck(ClientRequest):
    """A request that may still be called off when its connection is there (`unless`).

    Making one takes as long as it takes, and longer on a machine that sleeps meanwhile.
    """

    async def send(self, conn: Connection) -> ClientResponse:
        error = _objects()
        if error:
            raise error
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Nothing has left before this: headers go with the body. It is the work of another task."""
        error = _objects()
        if error and conn.protocol is not None:
            conn.protocol.set_exception(error)  # which whoever waits for the answer gets instead
        else:
            await super().write_bytes(writer, conn, content_length)


def _objects() -> SendError | None:
    objection = _objection.get()
    return objection() if objection else None


def lost(vendor: str, error: BaseException) -> NotSent | Unknown:
    """The `SendError` for a call that got no answer: an aiohttp error, or a time-out around it.

    The error's own text is left out: aiohttp puts URLs into it, and Telegram's URLs hold the token.
    """
    if isinstance(error, _NEVER_LEFT):
        return NotSent(f"{vendor} cannot be reached")
    if isinstance(error, TimeoutError):
        return Unknown(f"{vendor} did not answer in time: the message may have arrived")
    return Unknown(f"The connection to {vendor} broke: the message may have arrived")


def refused_by_gateway(vendor: str, status: int) -> SendError:
    """The `SendError` for an answer that is not the API's own: a gateway's error page.

    A 5xx says that the vendor did not take the request, and outages look just like that for hours,
    so it is tried again. Only 504 is a time-out behind the gateway: the request was handed on. A 4xx
    of a proxy says nothing about message or customer, so nothing is given up but what is too big.
    """
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Rejected(f"{vendor} takes no file of this size")
    if status == HTTPStatus.GATEWAY_TIMEOUT or status < HTTPStatus.MULTIPLE_CHOICES:
        return Unknown(f"{vendor} gave no clear answer ({status}): the message may have arrived")
    return NotSent(f"{vendor} is not working ({status})")


def patience(send_timeout: float, *, read: float | None = None) -> ClientTimeout:
    """Time to connect, well within `send_timeout`, so that a slow connect is known to be not sent.

    The whole call is bounded by its caller; `read` bounds the silence between two reads.
    """
    return ClientTimeout(total=None, connect=min(10.0, send_timeout / 2), sock_read=read)


def retry_after(response: ClientResponse) -> float | None:
    """The seconds that an answer asks us to wait, if it does."""
    header = response.headers.get("Retry-After", "")
    return float(header) if header.isdecimal() else None


def is_local(host: str) -> bool:
    """Whether a name or address is only of this machine or its network, as far as it tells by itself."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.endswith(".localhost") or "." not in host


def is_same_server(url: URL, base: URL) -> bool:
    """Whether an address is on `base`'s server. A stand-in's may be spelled `localhost` or `127.0.0.1`."""
    same_door = (url.scheme, url.port) == (base.scheme, base.port)
    return url.origin() == base.origin() or (same_door and is_loopback(base) and is_loopback(url))


def is_loopback(url: URL) -> bool:
    """Whether an address is on this machine."""
    try:
        return ipaddress.ip_address(url.host or "").is_loopback
    except ValueError:
        return url.host == "localhost"
