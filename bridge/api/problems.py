"""Refusals as problem+json (RFC 9457), made in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.errors import BadRequest, BridgeError, NotSignedIn, TooMany, Unavailable
from bridge.store.failures import BadData, Contended

log = structlog.get_logger()

# What every answer to a program carries: nothing is kept by caches, nothing is guessed by browsers.
PLAIN_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def problem(
    status: int, title: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **extra: object
) -> web.Response:
    """A refusal; `extra` stands beside the standard members."""
    body = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    return web.Response(
        status=status,
        body=orjson.dumps(body | extra, default=str),
        content_type="application/problem+json",
        headers={**PLAIN_HEADERS, **(headers or {})},
    )


def of_error(error: BridgeError) -> web.Response:
    """The refusal that an error of ours stands for."""
    headers: dict[str, str] = {}
    retry_after = error.extra.get("retry_after")
    if isinstance(retry_after, int | float):
        headers["Retry-After"] = str(math.ceil(retry_after))
    elif isinstance(error, Unavailable | TooMany):
        headers["Retry-After"] = "1"
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(error.status, error.title, error.detail, headers=headers, **error.extra)


def of_http(error: web.HTTPException) -> web.Response:
    """The refusal for what aiohttp itself refuses: unknown paths, wrong methods, large bodies."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return problem(error.status, HTTPStatus(error.status).phrase.capitalize(), headers=headers)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into its refusal; what nobody expected is logged, and told to nobody."""
    try:
        return await handler(request)
    except BridgeError as error:
        return of_error(error)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return of_http(error)
    except web.RequestPayloadError:  # not what its Content-Encoding or Transfer-Encoding says
        response = of_error(BadRequest("The body is broken"))
        response.force_close()  # nobody knows where the next request would begin
        return response
    except Contended:
        return of_error(Unavailable("The database is too busy"))
    except BadData:
        return problem(422, "A value cannot be stored")
    except ConnectionError:
        raise
    except Exception:
        resource = request.match_info.route.resource
        log.exception("request failed", method=request.method, path=resource and resource.canonical)
        return problem(500, BridgeError.title)
