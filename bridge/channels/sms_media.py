"""Customers' files of an MMS, fetched from Twilio without handing the credentials to anyone else.

Twilio's media addresses want HTTP Basic and answer with a redirect to a file server that must not
see it, and that may send on to another: https://www.twilio.com/docs/messaging/api/media-resource.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from http import HTTPStatus

from aiohttp import BasicAuth, ClientError, ClientResponse, ClientSession, TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bridge.channels.http import is_local, is_loopback, is_same_server, patience, retry_after
from bridge.errors import MediaError

LIMIT = 20_000_000  # Twilio takes at most 5 MB; a file server that sends without end is cut off
_CHUNK = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 3


class _PublicOnly(AbstractResolver):
    """Names that lead into a private network are refused where they are resolved, so that a name
    cannot change between the check and the connection.
    """

    def __init__(self) -> None:
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        public = [entry for entry in found if ipaddress.ip_address(entry["host"]).is_global]
        if not public:
            raise OSError("Only private addresses")
        return public

    async def close(self) -> None:
        await self._system.close()


class MediaFetcher:
    """Fetches `MediaUrl`s of one account. `base` is the API that the credentials belong to."""

    def __init__(self, base: str, account_sid: str, auth_token: str, *, send_timeout: float) -> None:
        self._base = URL(base)
        self._auth = BasicAuth(account_sid, auth_token)
        self._timeout = patience(send_timeout, read=30)

    async def fetch(self, ref: str) -> AsyncIterator[bytes]:
        """The bytes behind a `MediaUrl`, in chunks. `MediaError`."""
        try:
            async with AsyncExitStack() as stack:
                response = await self._open(stack, ref)
                size = 0
                async for chunk in response.content.iter_chunked(_CHUNK):
                    size += len(chunk)
                    if size > LIMIT:
                        raise MediaError("The file is too large", final=True)
                    yield chunk
        except (ClientError, OSError):  # a TimeoutError is an OSError
            raise MediaError("The file's server cannot be reached", final=False) from None

    async def _open(self, stack: AsyncExitStack, ref: str) -> ClientResponse:
        url = _url(ref)
        if not is_same_server(url, self._base):
            raise MediaError("The file is not on Twilio's host", final=True)
        session = await stack.enter_async_context(ClientSession(timeout=self._timeout))
        response = await stack.enter_async_context(session.get(url, auth=self._auth, allow_redirects=False))
        for _ in range(_MOST_REDIRECTS):
            if response.status not in _REDIRECTS:
                break
            url = _url(response.headers.get("Location", ""), url)
            session = await stack.enter_async_context(self._bare_session(url))
            response = await stack.enter_async_context(session.get(url, allow_redirects=False))
        return _good(response)

    def _bare_session(self, target: URL) -> ClientSession:
        """For a redirect: no credentials, and no private network unless the API is in ours."""
        if is_same_server(target, self._base) or (self._at_home and target.scheme == self._base.scheme):
            return ClientSession(timeout=self._timeout)
        if target.scheme != "https" or is_local(target.host or ""):
            raise MediaError("The file's server is not one that Bridge may ask", final=True)
        return ClientSession(timeout=self._timeout, connector=TCPConnector(resolver=_PublicOnly()))

    @property
    def _at_home(self) -> bool:
        """A stand-in on this machine: its file server is here too."""
        return is_loopback(self._base)


def _url(text: str, of: URL | None = None) -> URL:
    """An absolute address; a redirect's may be given in relation to the one it came `of`."""
    try:
        url = of.join(URL(text)) if of else URL(text)
        url.origin()
    except ValueError:
        raise MediaError("The file has no usable address", final=True) from None
    return url


def _good(response: ClientResponse) -> ClientResponse:
    """The response, if it is the file. Its webhook may overtake it by seconds: 404 is not the last word.

    https://help.twilio.com/articles/44750147594523
    """
    if response.status == HTTPStatus.OK:
        return response
    gone = response.status == HTTPStatus.GONE
    what = f"The file's server answers {response.status}"
    raise MediaError(what, final=gone, retry_after=retry_after(response))
