"""The bus between processes: a doorbell that nothing can break for long."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from bridge.bus.redis import RedisBus
from tests import servers
from tests.gateways import until


async def test_what_is_no_word_of_ours_is_not_heard(redis_url: str) -> None:
    """A Redis is shared: another program's messages, or a newer version's, must not deafen us."""
    ours, theirs = RedisBus(redis_url), RedisBus(redis_url)
    bell = ours.bell("changes")
    await ours.start()
    await theirs.start()
    async with Redis.from_url(redis_url) as redis:
        await until(lambda: redis.publish("bridge", b"no JSON"))
        for odd in ("[]", "{}", '{"bells": 7}', '{"bells": [[]]}', '{"topic": "typing", "word": 7}'):
            await redis.publish("bridge", odd)

    async def rings() -> bool:
        theirs.ring("changes")
        return bell.is_set()

    await until(rings)
    await ours.close()
    await theirs.close()


async def test_what_was_said_while_redis_hung_is_not_said_later() -> None:
    """Somebody was writing a minute ago: told now, it would be wrong."""
    heard: list[Any] = []
    with servers.valkey() as redis:
        ours, theirs = RedisBus(redis.url), RedisBus(redis.url)
        ours.listen(lambda _, word: heard.append(word["said"]))
        await ours.start()
        await theirs.start()

        async def is_heard(said: str) -> bool:
            theirs.tell("typing", {"said": said})
            return said in heard

        async def nothing_waits() -> bool:
            return theirs._outgoing.empty()

        await until(lambda: is_heard("before"))
        with redis.frozen():
            for number in range(3):
                theirs.tell("typing", {"said": f"meanwhile {number}"})
            await until(nothing_waits)
        await until(lambda: is_heard("after"))
        await ours.close()
        await theirs.close()
    # Of the first one nobody knows whether it had left.
    assert not {"meanwhile 1", "meanwhile 2"} & set(heard)
