"""Who asks: an agent's session by its cookie, or an API token as a bearer.

A cookie travels with every request that any page makes, so one that changes something must also
show by its `Origin`, which no page can forge, that a page of ours made it.
"""

from __future__ import annotations

from aiohttp import hdrs, web

from bridge.api.client import is_own_origin
from bridge.api.context import Context
from bridge.errors import NotAllowed, NotSignedIn
from bridge.ids import now_ms
from bridge.settings import Settings
from bridge.store import tokens
from bridge.store.tokens import SESSION_MS, Holder

COOKIE = "bridge_session"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# The lifetime of a session in use begins anew at most so often: a read should not be a write.
_RENEW_MS = 3600 * 1000


async def sign_in_of(request: web.Request, context: Context) -> tuple[Holder, str | None]:
    """Who asks, and the session to hand out again if its lifetime was renewed.

    `NotSignedIn` for nobody; `NotAllowed` when a page of another site asks with the cookie.
    """
    bearer = _bearer(request)
    cookie = request.cookies.get(COOKIE, "")
    if bearer is None and cookie and request.method not in _SAFE:
        if hdrs.ORIGIN not in request.headers:
            raise NotAllowed("A request that changes something needs an Origin beside the cookie")
        refuse_foreign_page(request, context)
    holder = await holder_of(request, context)
    if holder is None:
        raise NotSignedIn
    if now_ms() - holder.used_at < _RENEW_MS:
        return holder, None
    lifetime = SESSION_MS if holder.kind == "session" else None
    await context.database.write(lambda tx: tokens.renew(tx, holder.hash, lifetime))
    return holder, cookie if holder.kind == "session" else None


async def holder_of(request: web.Request, context: Context) -> Holder | None:
    """Whose bearer token or, without one, whose session this is."""
    bearer = _bearer(request)
    if bearer is not None:
        return await context.database.read(lambda tx: tokens.holder(tx, "api", bearer))
    cookie = request.cookies.get(COOKIE, "")
    if not cookie:
        return None
    return await context.database.read(lambda tx: tokens.holder(tx, "session", cookie))


def refuse_foreign_page(request: web.Request, context: Context) -> None:
    """`NotAllowed` for a request that a page of another site makes; safe methods are free."""
    origin = request.headers.get(hdrs.ORIGIN)
    if request.method in _SAFE or origin is None:
        return
    if not is_own_origin(origin, request, context.settings):
        raise NotAllowed("This request comes from a page of another site")


async def begin(context: Context, agent_id: str) -> str:
    """A new session of an agent."""
    return await context.database.write(
        lambda tx: tokens.issue(tx, "session", agent_id, lifetime_ms=SESSION_MS)
    )


def hand_out(response: web.StreamResponse, session: str, settings: Settings) -> None:
    """Put a session into the cookie; the empty one takes it away."""
    secure = settings.public_url.startswith("https:")
    max_age = SESSION_MS // 1000 if session else 0
    response.set_cookie(
        COOKIE, session, max_age=max_age, path="/", httponly=True, samesite="Lax", secure=secure
    )


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
