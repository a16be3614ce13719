"""Passwords: argon2id, away from the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 8
LONGEST = 1000

# OWASP's second choice of parameters: 19 MiB and about 20 ms each.
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# At most two at a time: a flood of sign-ins must not take the machine's memory.
_threads = ThreadPoolExecutor(2, thread_name_prefix="password")


def hash_password(password: str) -> str:
    """The hash to keep, with its parameters and salt in it."""
    return _hasher.hash(password)


def is_right(password_hash: str, password: str) -> bool:
    """Whether this is the password; takes as long for an agent who does not exist (empty hash)."""
    try:
        _hasher.verify(password_hash or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return bool(password_hash)


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


async def hash_aside(password: str) -> str:
    """`hash_password`, while the loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_threads, hash_password, password)


async def check_aside(password_hash: str, password: str) -> bool:
    """`is_right`, while the loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_threads, is_right, password_hash, password)


@cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")
