"""Counting attempts, so that nobody guesses passwords by the thousand."""

from __future__ import annotations

import time
from collections import deque

from bridge.errors import TooMany

_MOST_KEYS = 10_000


class Throttle:
    """At most `limit` attempts per key within `window` seconds, remembered by this process."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._attempts: dict[str, deque[float]] = {}

    def take(self, key: str) -> None:
        """Count an attempt; `TooMany` says when the next one is allowed."""
        now = time.monotonic()
        attempts = self._attempts.setdefault(key, deque())
        while attempts and attempts[0] <= now - self._window:
            attempts.popleft()
        if len(attempts) >= self._limit:
            wait = attempts[0] + self._window - now
            raise TooMany("Too many attempts. Wait a little, then try again", retry_after=int(wait) + 1)
        attempts.append(now)
        if len(self._attempts) > _MOST_KEYS:
            self._forget_old(now)

    def give_back(self, key: str) -> None:
        """The last attempt was rightful: it does not count."""
        attempts = self._attempts.get(key)
        if attempts:
            attempts.pop()

    def forget(self, key: str) -> None:
        """Whoever this is has shown who they are."""
        self._attempts.pop(key, None)

    def _forget_old(self, now: float) -> None:
        self._attempts = {
            key: attempts
            for key, attempts in self._attempts.items()
            if attempts and attempts[-1] > now - self._window
        }
