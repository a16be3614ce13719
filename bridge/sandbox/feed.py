"""What happens in the sandbox, told to whoever looks: live changes and the wire log."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

Json = dict[str, Any]
Direction = Literal["out", "in"]

_SECRETS = frozenset({"secret_token", "token", "authtoken", "auth_token", "authorization"})
_LONGEST = 2_000


class Feed:
    """Frames for the pages that watch. A watcher that does not keep up is cut off (gets `None`)."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Json | None]] = set()

    def tell(self, kind: str, **data: Any) -> None:
        """Hand `{"type": kind, **data}` to every watcher."""
        for queue in tuple(self._queues):
            if queue.full():
                self._cut_off(queue)
            else:
                queue.put_nowait({"type": kind, **data})

    def end(self) -> None:
        """Cut everybody off: a server does not end while sockets are open."""
        for queue in tuple(self._queues):
            self._cut_off(queue)

    def _cut_off(self, queue: asyncio.Queue[Json | None]) -> None:
        self._queues.discard(queue)
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(None)

    @property
    def watched(self) -> bool:
        """Whether anybody looks: what costs time to tell need not be made otherwise."""
        return bool(self._queues)

    @contextmanager
    def watch(self, size: int = 1_000) -> Iterator[asyncio.Queue[Json | None]]:
        """A queue of all frames from now on."""
        queue: asyncio.Queue[Json | None] = asyncio.Queue(size)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)


class Wire:
    """The last calls to and from the stand-ins, oldest first.

    An entry: `{id, at (RFC 3339), channel, direction, call, outcome, note, ms, payload}`. `out` is
    a call of the gateway, `in` a webhook to it. Secrets in `payload` are blanked.
    """

    def __init__(self, feed: Feed, *, size: int) -> None:
        self._feed = feed
        self._ids = itertools.count(1)
        self._entries: deque[Json] = deque(maxlen=size)

    @property
    def on(self) -> bool:
        """Whether it records; a size of 0 is off."""
        return self._entries.maxlen != 0

    def add(
        self, channel: str, direction: Direction, call: str, outcome: str, *,
        seconds: float, note: str = "", request: Any = None, response: Any = None,
    ) -> None:  # fmt: skip
        """Record one call; `outcome` is a status code, or a word where there was no answer."""
        if not self.on:
            return
        entry = {
            "id": next(self._ids), "at": now(), "channel": channel, "direction": direction,
            "call": call, "outcome": outcome, "note": note, "ms": round(seconds * 1000, 1),
            "payload": {"request": blanked(request), "response": blanked(response)},
        }  # fmt: skip
        self._entries.append(entry)
        self._feed.tell("wire", entry=entry)

    def entries(self) -> list[Json]:
        """All that is kept, oldest first."""
        return list(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


def now() -> str:
    """The time, RFC 3339 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def blanked(value: Any) -> Any:
    """`value` without secrets and without the bulk of long texts."""
    if isinstance(value, dict):
        return {k: "•••" if str(k).lower() in _SECRETS else blanked(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [blanked(item) for item in value]
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}… ({len(value)} characters)"
    return value
