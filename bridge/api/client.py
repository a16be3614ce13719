"""Where a request comes from: its address, and whether a page of ours made it."""

from __future__ import annotations

from aiohttp import hdrs, web
from yarl import URL

from bridge.settings import Settings


def client_address(request: web.Request, settings: Settings) -> str:
    """The caller's IP address, for counting: the entry of `X-Forwarded-For` that our own proxy wrote.

    Each proxy appends the address it was called from, so with `BRIDGE_TRUSTED_PROXIES=1` the last
    entry is believed and all that the caller may have written before it is not.
    """
    if settings.trusted_proxies:
        hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")]
        trusted = hops[-settings.trusted_proxies :]
        if trusted and trusted[0]:
            return trusted[0]
    return request.remote or ""


def is_own_origin(origin: str, request: web.Request, settings: Settings) -> bool:
    """Whether an `Origin` is this gateway: the public URL's, or the very host that was asked."""
    try:
        page, public = URL(origin), URL(settings.public_url)
        asked = URL(f"{page.scheme}://{request.headers.get(hdrs.HOST, '')}")
    except ValueError:
        return False
    if page.scheme not in ("http", "https") or not page.host:
        return False
    is_public = (page.scheme, page.host, page.port) == (public.scheme, public.host, public.port)
    return is_public or (page.host, page.port) == (asked.host, asked.port)
