"""The bus between processes: Redis pub/sub, as a doorbell only.

A message published while a subscriber is away is lost, and redis-py reconnects silently, so nothing
here is relied on: every reader looks into SQL again at least once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import orjson
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bridge.bus.base import Bus, Word

log = structlog.get_logger()

_CHANNEL = "bridge"
# Once more at once, for a connection that Redis had closed. More would only keep what is said from being new.
_AGAIN = Retry(NoBackoff(), 1)


async def problem_with(url: str) -> str:
    """Why the Redis behind a URL does not answer; empty when it does."""
    try:
        async with Redis.from_url(url, socket_connect_timeout=2, socket_timeout=5, retry=_AGAIN) as redis:
            await redis.ping()
    except (RedisError, OSError, ValueError) as error:
        return type(error).__name__
    return ""


class RedisBus(Bus):
    """Every process hears every bell and word; its own at once, also without Redis."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._redis = Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2, retry=_AGAIN)
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1000)
        self._tasks: list[asyncio.Task[None]] = []
        # Our own messages come back from Redis: they were heard at once and are told apart by this.
        self._me = secrets.token_hex(6)

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._publish()), asyncio.create_task(self._subscribe())]

    async def close(self) -> None:
        pending = set(self._tasks)
        while pending:  # redis-py swallows a cancellation that comes while it connects
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=0.1)
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()

    def ring(self, *bells: str) -> None:
        self._ring_here(*bells)
        self._send({"bells": bells})

    def tell(self, topic: str, word: Word) -> None:
        self._tell_here(topic, word)
        self._send({"topic": topic, "word": dict(word)})

    def _send(self, message: dict[str, object]) -> None:
        # With a Redis that hangs the queue fills up and the rest is dropped: it is only about being quick.
        with contextlib.suppress(asyncio.QueueFull):
            self._outgoing.put_nowait(orjson.dumps({"from": self._me, **message}))

    async def _publish(self) -> None:
        while True:
            message = await self._outgoing.get()
            try:
                await self._redis.publish(_CHANNEL, message)
            except (RedisError, OSError):
                self._forget()
                await asyncio.sleep(0.5)

    def _forget(self) -> None:
        """Say nothing of what waits: others have seen it by now, or it is not so any more."""
        while not self._outgoing.empty():
            self._outgoing.get_nowait()

    async def _subscribe(self) -> None:
        heard = True
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(_CHANNEL)
                    if not heard:
                        log.info("redis is back")
                    heard = True
                    while True:
                        message = await pubsub.get_message(timeout=2)
                        if message:
                            self._hear(message["data"])
            except (RedisError, OSError) as error:
                if heard:
                    log.warning("redis away, going on without it", error=type(error).__name__)
                heard = False
                await asyncio.sleep(1)
            except Exception:  # whoever listens has stumbled over a word; bells must go on ringing
                log.exception("a word was not understood")

    def _hear(self, data: bytes) -> None:
        """What is no message of ours is not heard: a Redis is shared, with newer versions as well."""
        try:
            message = orjson.loads(data)
        except ValueError:
            return
        match message:
            case {"from": self._me}:
                return
            case {"bells": [*bells]}:
                self._ring_here(*map(str, bells))
            case {"topic": str(topic), "word": dict(word)}:
                self._tell_here(topic, word)
