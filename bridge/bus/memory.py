"""The bus of a single process."""

from __future__ import annotations

from bridge.bus.base import Bus, Word


class MemoryBus(Bus):
    """Bells and words that stay in this process."""

    def ring(self, *bells: str) -> None:
        self._ring_here(*bells)

    def tell(self, topic: str, word: Word) -> None:
        self._tell_here(topic, word)
