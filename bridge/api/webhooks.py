"""The way in: `POST /webhooks/{path}`. A 2xx means that everything in it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from aiohttp import hdrs, web

from bridge.api.context import Context
from bridge.api.metrics import Outcome
from bridge.channels.base import Answer, Answers
from bridge.channels.live import LiveChannel
from bridge.errors import BadRequest, BadWebhook, NotFound, TooLarge, Unavailable, WrongType
from bridge.models import Webhook

log = structlog.get_logger()

# Telegram's and Twilio's webhooks are a few kilobytes.
WEBHOOK_LIMIT = 1_000_000

_NO_ANSWER = Answer()


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a path after its first webhook: this runs thousands of times a second."""

    live: LiveChannel
    answer: Answer
    counts: dict[Outcome, Any]


class Webhooks:
    """The vendors' door."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._base = context.settings.public_url
        self._entries: dict[str, _Entry] = {}

    def routes(self) -> list[web.RouteDef]:
        """The paths of the channels that are on, which are found without a search, and all others."""
        paths = [path for live in self._context.channels.values() for path in live.channel.webhooks]
        return [
            *(web.post(f"/webhooks/{path}", partial(self._receive, path)) for path in paths),
            web.post("/webhooks/{path:.+}", self._receive_elsewhere),
            web.get("/webhooks/{path:.+}", self._not_by_get),
        ]

    async def _receive_elsewhere(self, request: web.Request) -> web.Response:
        return await self._receive(request.match_info["path"], request)

    async def _not_by_get(self, request: web.Request) -> web.Response:
        """These webhooks are posted: 405, and 404 for a channel that is off."""
        self._find(request.match_info["path"])
        raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_POST])

    async def _receive(self, path: str, request: web.Request) -> web.Response:
        """Parse a webhook, store what is in it, and answer after the commit."""
        entry = self._entries.get(path) or self._find(path)
        try:
            hook = Webhook(
                path=path, url=self._base + request.raw_path, headers=request.headers,
                body=await _read(request),
            )  # fmt: skip
            events = entry.live.channel.parse(hook)
            if events:
                await self._context.inbox.receive(entry.live.id, events)
        except Exception as error:
            entry.counts[_outcome(error)].inc()
            raise
        entry.counts["stored"].inc()
        answer = entry.answer
        return web.Response(text=answer.body, content_type=answer.content_type)

    def _find(self, path: str) -> _Entry:
        for live in self._context.channels.values():
            channel = live.channel
            if path in channel.webhooks:
                outcomes: tuple[Outcome, ...] = ("stored", "refused", "unreadable", "unavailable", "failed")
                counts = {name: self._context.metrics.webhooks(channel.type, name) for name in outcomes}
                answer = channel.answer(path) if isinstance(channel, Answers) else _NO_ANSWER
                self._entries[path] = _Entry(live, answer, counts)
                return self._entries[path]
        raise NotFound("No channel that is on has this webhook")


async def _read(request: web.Request) -> bytes:
    if (request.content_length or 0) > WEBHOOK_LIMIT:
        raise TooLarge(f"At most {WEBHOOK_LIMIT} bytes", limit=WEBHOOK_LIMIT)
    body = await request.read()
    if len(body) > WEBHOOK_LIMIT:
        raise TooLarge(f"At most {WEBHOOK_LIMIT} bytes", limit=WEBHOOK_LIMIT)
    return body


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, BadWebhook):
        return "refused"
    if isinstance(error, Unavailable):
        return "unavailable"
    unreadable = isinstance(error, BadRequest | WrongType | TooLarge | web.RequestPayloadError)
    return "unreadable" if unreadable else "failed"
