"""What is only happening now: wake-ups, typing, presence. Losing all of it loses nothing."""

from bridge.bus.base import Bus, Word
from bridge.bus.memory import MemoryBus

__all__ = ["Bus", "MemoryBus", "Word", "connect", "problem_with"]


def connect(url: str) -> Bus:
    """The bus behind `REDIS_URL`; in this process alone when it is empty."""
    if not url:
        return MemoryBus()
    from bridge.bus.redis import RedisBus  # its client is imported only where it is used

    return RedisBus(url)


async def problem_with(url: str) -> str:
    """Why the Redis behind `REDIS_URL` does not answer; empty when it does."""
    from bridge.bus.redis import problem_with

    return await problem_with(url)
