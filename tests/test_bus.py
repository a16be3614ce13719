"""The bus between processes: a doorbell that nothing can break for long."""

from __future__ import annotations

from redis.asyncio import Redis

from bridge.bus.redis import RedisBus
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
