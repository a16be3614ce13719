"""The bus of a single process."""

from __future__ import annotations

from bridge.bus.base import Bus, Word


class MemoryBus(Bus):
    """Bells and words that stay in this process."""

    async def start(self) -> None:
        """Nobody else to hear."""

    async def close(self) -> None:
        """Nothing to give back."""

    def ring(self, *bells: str) -> None:
        self._ring_here(*bells)

    def tell(self, topic: str, word: Word) -> None:
        self._tell_here(topic, word)
