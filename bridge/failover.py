"""Where a reply goes when its channel is down, and when its conversation comes back. Pure decisions.

Times are Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bridge.models import AddressState

# How a channel is, for who wants to send there: `off` and `setup` are ours to mend, and no outage.
Condition = Literal["up", "degraded", "down", "setup", "off"]
Why = Literal["unclear", "no_other", "too_much"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """An address of the customer, with its channel, as a way for one reply.

    `network` names who fails together: WhatsApp is one, whoever carries it. `proven`: it is the same
    person's. `tried`: the reply has been on it. `fits`: it carries the reply, whole, in pieces or as a
    link. `open`: it may be written to now (a 24-hour window). `there`: where customers fetch their messages,
    this one looks. `paid`: a message costs money. `rank` is the operator's order, lowest first; of equals,
    the one on which the customer wrote last, at `used_at`, comes first.
    """

    address_id: str
    channel_id: int
    network: str
    condition: Condition
    state: AddressState = "open"
    agreed: bool = True
    proven: bool = True
    tried: bool = False
    fits: bool = True
    open: bool = True
    there: bool = True
    paid: bool = False
    rank: int = 0
    used_at: int = 0


@dataclass(frozen=True, slots=True)
class Stay:
    """It leaves the way it was to leave."""


@dataclass(frozen=True, slots=True)
class Move:
    """It takes another way."""

    way: Way


@dataclass(frozen=True, slots=True)
class Hold:
    """It waits for its channel: what became of it is `unclear`, there is no other way (`no_other`), or there
    is one that costs more than may be spent unasked (`too_much`).
    """

    why: Why


Decision = Stay | Move | Hold


def decide(way: Way, others: Sequence[Way], *, unclear: bool, may_spend: bool) -> Decision:
    """Where a reply goes that waits on `way`. `unclear`: a part of it may be at the customer's already."""
    if way.condition != "down":
        return Stay()
    if unclear:
        return Hold("unclear")
    usable = [other for other in others if _is_usable(other) and other.network != way.network]
    affordable = [other for other in usable if may_spend or not other.paid]
    if not affordable:
        return Hold("too_much" if usable else "no_other")
    return Move(min(affordable, key=_preference))


def _is_usable(way: Way) -> bool:
    has_leave = way.state == "open" and way.agreed and way.proven
    works = way.condition in ("up", "degraded")
    return has_leave and works and way.open and way.there and way.fits and not way.tried


def _preference(way: Way) -> tuple[bool, int, int, str]:
    """What works before what is in doubt, then the operator's order, then what the customer used last."""
    return way.condition != "up", way.rank, -way.used_at, way.address_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a channel has to be well, and a conversation quiet, before it goes back (ms)."""

    well: int = 5 * 60_000
    quiet: int = 15 * 60_000


def may_return(
    home: Way, *, well_since: int | None, last_message_at: int, waiting: bool, now: int, patience: Patience
) -> bool:
    """Whether a conversation that was moved goes back to its own channel: never in the middle of an exchange.

    `well_since` is when the channel was up again, `None` while it is not. `waiting`: replies of it have
    still to leave.
    """
    if well_since is None or waiting or not home.open:
        return False
    if home.condition != "up" or home.state != "open" or not home.agreed:
        return False
    return now - well_since >= patience.well and now - last_message_at >= patience.quiet
