"""Signatures of our own: visitors' tokens and links that expire. The first secret signs, all verify."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence


def sign(secrets: Sequence[str], purpose: str, value: str) -> str:
    """A signature of `value` that is good for this purpose only: 43 characters, safe in a URL."""
    return _signature(secrets[0], purpose, value)


def verify(secrets: Sequence[str], purpose: str, value: str, signature: str) -> bool:
    """Whether one of the secrets made `signature`; takes as long whichever it was."""
    given = signature.encode()
    good = [hmac.compare_digest(_signature(s, purpose, value).encode(), given) for s in secrets]
    return any(good)


def signed_link(secrets: Sequence[str], path: str, lifetime: float) -> str:
    """`path` with an expiry and a signature: `/media/x?e=1795380000&s=…`; `lifetime` in seconds."""
    expires = int(time.time() + lifetime)
    return f"{path}?e={expires}&s={sign(secrets, 'link', f'{path}|{expires}')}"


def link_is_good(secrets: Sequence[str], path: str, expires: str, signature: str) -> bool:
    """Whether a signed link is ours and has not expired."""
    if not verify(secrets, "link", f"{path}|{expires}", signature):
        return False
    return int(expires) >= time.time()


def _signature(secret: str, purpose: str, value: str) -> str:
    digest = hmac.new(secret.encode(), f"{purpose}\n{value}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
