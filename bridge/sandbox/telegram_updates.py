"""A bot's updates: handed out by getUpdates, or POSTed to its webhook, as Telegram does it.

https://core.telegram.org/bots/api#getting-updates
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from bridge.sandbox.feed import Json, Wire, blanked
from bridge.sandbox.postman import Postman, Reply
from bridge.sandbox.telegram_chats import ApiError

_NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_BACK_OFF = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0)


@dataclass(slots=True)
class Hook:
    """A webhook that is set."""

    url: str
    secret: str
    connections: asyncio.Semaphore
    max_connections: int
    last_error: Json = field(default_factory=dict)


class Updates:
    """What waits for the bot. Confirmed by a later offset, or by the webhook's 2xx."""

    def __init__(self, wire: Wire, post: Postman, delivers: asyncio.Event) -> None:
        self._wire, self._post, self._delivers = wire, post, delivers
        self._next_id = secrets.randbelow(800_000_000) + 100_000_000
        self._pending: dict[int, tuple[int, Json]] = {}
        self._allowed: list[str] = []
        self._poll: asyncio.Future[str] | None = None
        self._hook: Hook | None = None
        self._lanes: dict[int, deque[int]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, chat_id: int, update: Json) -> Json:
        """A new update, numbered, unless it has a number; what the bot does not want is dropped."""
        self._next_id = int(update.get("update_id", self._next_id))
        made = {"update_id": self._next_id, **{k: v for k, v in update.items() if k != "update_id"}}
        self._next_id += 1
        kind = next((k for k in made if k != "update_id"), "")
        if kind not in self._allowed if self._allowed else kind in _NOT_BY_DEFAULT:
            return made
        self._pending[made["update_id"]] = (chat_id, made)
        self._empty.clear()
        if self._hook is not None:
            self._queue(chat_id, made["update_id"])
        self._wake("new")
        return made

    def dump(self) -> Json:
        """What to keep over a restart."""
        waiting = [[chat_id, update] for chat_id, update in self._pending.values()]
        return {"next": self._next_id, "allowed": self._allowed, "pending": waiting}

    def load(self, kept: Json, *, leap: int) -> None:
        """Go on from what was kept; new ids are `leap` further on."""
        self._allowed = kept["allowed"]
        for chat_id, update in kept["pending"]:
            self.add(chat_id, update)
        self._next_id = kept["next"] + leap

    @property
    def polled(self) -> bool:
        """Whether somebody waits in getUpdates."""
        return self._poll is not None and not self._poll.done()

    async def settled(self, within: float) -> None:
        """Wait until the bot has confirmed everything; `TimeoutError` when it does not."""
        await asyncio.wait_for(self._empty.wait(), within)

    async def poll(self, offset: int, limit: int, patience: float, allowed: list[str] | None) -> list[Json]:
        """Answer getUpdates. A second poller ends the first one's wait with 409, as at Telegram."""
        if self._hook is not None:
            raise ApiError(
                409, "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )  # fmt: skip
        self._allow(allowed)
        self._wake("terminated by other getUpdates request; make sure that only one bot instance is running")
        self._confirm(offset)
        if patience > 0 and not (self._pending and self._delivers.is_set()):
            await self._wait(patience)
        if not self._delivers.is_set():  # held back: what customers write does not come through
            return []
        return [update for _, update in list(self._pending.values())[: limit or 100]]

    async def _wait(self, patience: float) -> None:
        self._poll = mine = asyncio.get_running_loop().create_future()
        await asyncio.wait([mine], timeout=patience)
        if not mine.done():
            mine.cancel()
        elif mine.result() != "new":
            raise ApiError(409, f"Conflict: {mine.result()}")

    def _wake(self, why: str) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(why)

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            done = list(self._pending)[:offset]
        else:
            done = [update_id for update_id in self._pending if update_id < offset]
        for update_id in done:
            self._done(update_id)

    def _done(self, update_id: int) -> None:
        self._pending.pop(update_id, None)
        if not self._pending:
            self._empty.set()

    def _allow(self, allowed: list[str] | None) -> None:
        if allowed is not None:  # left out, the previous setting stays
            self._allowed = allowed

    def set_webhook(
        self, url: str, secret: str, *, connections: int, allowed: list[str] | None, drop: bool
    ) -> str:
        """Do setWebhook and, with an empty `url`, deleteWebhook; Telegram's description of it."""
        if secret and not _SECRET.fullmatch(secret):
            raise ApiError(400, "Bad Request: secret token contains unallowed characters")
        if url and not url.startswith(("https://", "http://")):
            raise ApiError(400, "Bad Request: bad webhook: invalid webhook URL specified")
        self._allow(allowed)
        if drop:
            self.clear()
        had = self._hook is not None
        self._lanes.clear()
        self._hook = Hook(url, secret, asyncio.Semaphore(connections), connections) if url else None
        if url:
            self._wake("terminated by setWebhook request")
            for update_id, (chat_id, _) in list(self._pending.items()):
                self._queue(chat_id, update_id)
            return "Webhook was set"
        return "Webhook was deleted" if had else "Webhook is already deleted"

    def info(self) -> Json:
        """Answer getWebhookInfo."""
        hook = self._hook
        found: Json = {
            "url": hook.url if hook else "", "has_custom_certificate": False,
            "pending_update_count": len(self._pending),
        }  # fmt: skip
        if hook:
            found |= {"max_connections": hook.max_connections, **hook.last_error}
        if self._allowed:
            found["allowed_updates"] = self._allowed
        return found

    def release(self) -> None:
        """What was held back may go now: end the wait of who polls."""
        if self._pending:
            self._wake("new")

    def clear(self) -> None:
        """Drop what waits."""
        self._pending.clear()
        self._lanes.clear()
        self._empty.set()

    async def close(self) -> None:
        """End all deliveries."""
        self._wake("terminated")
        self._lanes.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Telegram delivers the updates of one chat one after another, those of different chats side by side.
    def _queue(self, chat_id: int, update_id: int) -> None:
        self._lanes.setdefault(chat_id, deque()).append(update_id)
        if chat_id not in self._tasks:
            task = asyncio.create_task(self._run(chat_id))
            self._tasks[chat_id] = task
            task.add_done_callback(lambda _: self._ended(chat_id))

    def _ended(self, chat_id: int) -> None:
        del self._tasks[chat_id]
        if self._lanes.get(chat_id):  # the webhook was changed meanwhile
            self._queue(chat_id, self._lanes[chat_id].pop())

    async def _run(self, chat_id: int) -> None:
        hook, tries = self._hook, 0
        while hook is not None and self._hook is hook and (lane := self._lanes.get(chat_id)):
            await self._delivers.wait()
            update_id = lane[0]
            if update_id not in self._pending:
                lane.popleft()
            elif await self._deliver(hook, self._pending[update_id][1]):
                tries = 0
                self._done(update_id)
                if lane and lane[0] == update_id:
                    lane.popleft()
            else:
                await asyncio.sleep(_BACK_OFF[min(tries, len(_BACK_OFF) - 1)])
                tries += 1
        if not self._lanes.get(chat_id):
            self._lanes.pop(chat_id, None)

    async def _deliver(self, hook: Hook, update: Json) -> bool:
        headers = {"Content-Type": "application/json"}
        if hook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = hook.secret
        async with hook.connections:
            reply = await self._post.post(hook.url, orjson.dumps(update), headers, within=30)
        self._log(update, reply)
        if not reply.ok:
            hook.last_error = {"last_error_date": int(time.time()), "last_error_message": _complaint(reply)}
        return reply.ok

    def _log(self, update: Json, reply: Reply) -> None:
        kind = next((k for k in update if k != "update_id"), "update")
        self._wire.add(
            "telegram", "in", "POST webhook", reply.outcome, seconds=reply.seconds, note=kind,
            request=blanked(update), response=reply.body.decode(errors="replace")[:500],
        )  # fmt: skip


def _complaint(reply: Reply) -> str:
    if reply.status:
        return f"Wrong response from the webhook: {reply.status} {HTTPStatus(reply.status).phrase}"
    return {"connection refused": "Connection refused", "timed out": "Read timeout expired"}.get(
        reply.error, "Connection reset by peer"
    )


def allowed_updates(value: Any) -> list[str] | None:
    """`allowed_updates` as sent (JSON, or text that is JSON); `None` when left out."""
    if value is None or value == "":
        return None
    try:
        names = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        names = None
    if not isinstance(names, list):
        raise ApiError(400, "Bad Request: can't parse allowed updates: expected an Array of String")
    return [str(name) for name in names]
