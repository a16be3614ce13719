"""Whether a reply may go to an address, in a word that the page puts into a sentence."""

from __future__ import annotations

from typing import Final

# Address states that forbid a reply, and the words that the page translates.
_CLOSED: Final = {"blocked": "blocked", "opted_out": "opted_out", "invalid": "invalid"}


def why_not(*, state: str, consent_at: int | None, channel_state: str) -> str:
    """Empty if a reply may go there, else `blocked`, `opted_out`, `invalid`, `no_consent`, `channel_off`.

    What the customer decided comes before what is wrong with the channel: only that lasts.
    """
    if state in _CLOSED:
        return _CLOSED[state]
    if consent_at is None:
        return "no_consent"
    return "channel_off" if channel_state == "off" else ""
