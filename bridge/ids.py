"""Ids: UUIDv7 as text (RFC 9562), so that rows of one time lie together in an index."""

from __future__ import annotations

import random
import time

_random = random.SystemRandom()


def new_id() -> str:
    """A fresh UUIDv7. Unique, roughly in order of time; never sort by it, never take it as a secret."""
    milliseconds = time.time_ns() // 1_000_000
    bits = milliseconds << 80 | 7 << 76 | _random.getrandbits(12) << 64 | 2 << 62 | _random.getrandbits(62)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def now_ms() -> int:
    """This machine's clock in Unix milliseconds. Leases and due times use the database's instead."""
    return time.time_ns() // 1_000_000
