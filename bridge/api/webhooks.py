"""The way in: `POST /webhooks/{path}`. A 2xx means that everything in it is stored.

Some vendors ask by `GET` first whether the address is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from aiohttp import hdrs, web

from bridge.api.context import Context
from bridge.api.metrics import Outcome
from bridge.channels.base import Answer, Answers, Greets, SendsMuch
from bridge.channels.live import LiveChannel
from bridge.errors import BadRequest, BadWebhook, NotFound, TooLarge, Unavailable, WrongType
from bridge.models import Webhook

log = structlog.get_logger()

# Telegram's and Twilio's webhooks are a few kilobytes.
WEBHOOK_LIMIT = 1_000_000

_NO_ANSWER = Answer()


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a path beforehand: this runs thousands of times a second."""

    live: LiveChannel
    answer: Answer
    limit: int
    counts: dict[Outcome, Any]


class Webhooks:
    """The vendors' door."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._base = context.settings.public_url
        self._entries = {
            path: self._entry(live, path)
            for live in context.channels.values()
            for path in live.channel.webhooks
        }

    def routes(self) -> list[web.RouteDef]:
        """The webhooks of the channels that are on, and an answer for all others."""
        return [
            *(web.post(f"/webhooks/{path}", partial(self._receive, path)) for path in self._entries),
            *(
                web.get(f"/webhooks/{path}", partial(self._greet, entry), allow_head=False)
                for path, entry in self._entries.items()
                if isinstance(entry.live.channel, Greets)
            ),
            web.route("*", "/webhooks/{path:.+}", self._refuse),
        ]

    async def _refuse(self, request: web.Request) -> web.Response:
        """These webhooks are posted: 405, and 404 for a channel that is off."""
        entry = self._entries.get(request.match_info["path"])
        if entry:
            greets = [hdrs.METH_GET] if isinstance(entry.live.channel, Greets) else []
            raise web.HTTPMethodNotAllowed(request.method, [*greets, hdrs.METH_POST])
        raise NotFound("No channel that is on has this webhook")

    def _entry(self, live: LiveChannel, path: str) -> _Entry:
        outcomes: tuple[Outcome, ...] = ("stored", "refused", "unreadable", "unavailable", "failed")
        counts = {name: self._context.metrics.webhooks(live.channel.type, name) for name in outcomes}
        answer = live.channel.answer(path) if isinstance(live.channel, Answers) else _NO_ANSWER
        limit = live.channel.webhook_limit if isinstance(live.channel, SendsMuch) else WEBHOOK_LIMIT
        return _Entry(live, answer, limit, counts)

    async def _greet(self, entry: _Entry, request: web.Request) -> web.Response:
        """Answer the vendor's question whether this address is ours; nothing is stored."""
        assert isinstance(entry.live.channel, Greets)
        try:
            answer = entry.live.channel.greet(request.query)
        except BadWebhook:
            entry.counts["refused"].inc()
            raise
        return web.Response(text=answer.body, content_type=answer.content_type)

    async def _receive(self, path: str, request: web.Request) -> web.Response:
        """Parse a webhook, store what is in it, and answer after the commit."""
        entry = self._entries[path]
        try:
            hook = Webhook(
                path=path, url=self._base + request.raw_path, headers=request.headers,
                body=await _read(request, entry.limit),
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


async def _read(request: web.Request, limit: int) -> bytes:
    if (request.content_length or 0) > limit:
        raise TooLarge(f"At most {limit} bytes", limit=limit)
    body = await request.read()
    if len(body) > limit:
        raise TooLarge(f"At most {limit} bytes", limit=limit)
    return body


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, BadWebhook):
        return "refused"
    if isinstance(error, Unavailable):
        return "unavailable"
    unreadable = isinstance(error, BadRequest | WrongType | TooLarge | web.RequestPayloadError)
    return "unreadable" if unreadable else "failed"
