"""Ids: UUIDv7 as text (RFC 9562), so that rows of one time lie together in an index."""

from __future__ import annotations

import os
import random
import time

# Seeded by the system; asking the system for each id would be most of its cost. No id is a secret.
_random = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_random.seed)

_VARIANT = 2 << 62
_NOT_VARIANT = ~(3 << 62)


def new_id() -> str:
    """A fresh UUIDv7. Unique, roughly in order of time; never sort by it, never take it as a secret."""
    chance = _random.getrandbits(76) & _NOT_VARIANT | _VARIANT
    text = f"{time.time_ns() // 1_000_000:012x}7{chance:019x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def first_id(ms: int) -> str:
    """The least id of a moment, to find rows of a time at one end of an index."""
    text = f"{ms:012x}"
    return f"{text[:8]}-{text[8:12]}-7000-8000-000000000000"


def now_ms() -> int:
    """This machine's clock in Unix milliseconds. Leases and due times use the database's instead."""
    return time.time_ns() // 1_000_000
