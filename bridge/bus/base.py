"""The bus between the parts of Bridge, in one process or in many."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

Word = Mapping[str, Any]
Listener = Callable[[str, Word], None]


class Bus(ABC):
    """Bells that wake, and words that are told once. Both may get lost: SQL is re-read anyway.

    A bell is named after what may be new: `changes`, `lanes:<channel id>`, `media`.
    A word is a small JSON object on a topic: `typing`, `presence`.
    """

    def __init__(self) -> None:
        self._bells: dict[str, list[asyncio.Event]] = {}
        self._listeners: list[Listener] = []

    @abstractmethod
    async def start(self) -> None:
        """Begin to hear what other processes say."""

    @abstractmethod
    async def close(self) -> None:
        """Stop, and give back connections."""

    @abstractmethod
    def ring(self, *bells: str) -> None:
        """Wake whoever waits for these bells, in every process. Never blocks, never fails."""

    @abstractmethod
    def tell(self, topic: str, word: Word) -> None:
        """Pass a word to every listener, in every process, this one included."""

    def bell(self, name: str) -> asyncio.Event:
        """An event of one's own that is set whenever the bell rings; clear it before looking."""
        event = asyncio.Event()
        self._bells.setdefault(name, []).append(event)
        return event

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear every word from now on; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _ring_here(self, *bells: str) -> None:
        for name in bells:
            for event in self._bells.get(name, ()):
                event.set()

    def _tell_here(self, topic: str, word: Word) -> None:
        for listener in tuple(self._listeners):
            listener(topic, word)


async def wait(bell: asyncio.Event, seconds: float) -> None:
    """Wait for a bell, at most so many seconds, and silence it."""
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        pass
    bell.clear()
