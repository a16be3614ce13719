"""How fast one channel may send, and whether at all: its vendor's limits, pauses and outages.

All of it is of the one node that sends there, so it holds over all nodes.
"""

from __future__ import annotations

import asyncio
import random

import structlog

from bridge import pauses
from bridge.channels.base import Costs
from bridge.channels.live import LiveChannel
from bridge.duty import steady_clock
from bridge.errors import AccountRefused, NotSent, SendError, Throttled, Unknown
from bridge.health import Said, Thresholds, Watch
from bridge.models import Outbound, Sent
from bridge.retry import AddressRates, Bucket
from bridge.store.health import Known

log = structlog.get_logger()

# Lanes on their way at once. A vendor's client opens as many connections, and has no limit of its own.
MAX_BUSY = 256
# Lanes are taken so many seconds ahead of their turn: it shall not wait for the look at the lanes, and a
# fresh reply not for a long queue.
_AHEAD = 0.5
# What a vendor allows is not used to the last: it counts by its own clock, behind an uneven network.
_CAUTION = 0.965
# A turn that comes late, as each does a little, is made up for by so much of the next one's rest.
_CREDIT = 0.3
# A node that reaches nobody for so many seconds lets another one try.
STEPS_ASIDE = 120.0
_ALL_WELL = Known()


class Pace:
    """The turns of one channel's messages."""

    def __init__(self, live: LiveChannel) -> None:
        self._live = live
        self._cost = live.channel.cost if isinstance(live.channel, Costs) else _one
        self._ahead = max(int(live.channel.rates.overall * _AHEAD), 1)
        self._next = asyncio.Lock()
        self.begin()

    def begin(self, known: Known = _ALL_WELL) -> None:
        """Start anew: what an earlier owner of the duty used is not known, only how it found the channel."""
        rates, now = self._live.channel.rates, steady_clock()
        # Since when no call of this node was answered.
        self._unheard_since: float | None = None
        self._tokens = Bucket(rates.overall * _CAUTION, rates.burst + _CREDIT, now)
        self._addresses = AddressRates(rates.address * _CAUTION, rates.address_burst, now)
        self.watch = Watch(Thresholds(), now, known.state, since=now - known.age, calm=known.calm)

    @property
    def paused_for(self) -> float:
        """Seconds that the vendor still wants to be left alone."""
        return max(self._live.paused_until - steady_clock(), 0.0)

    @property
    def is_stopped(self) -> bool:
        """Whether the vendor answers nothing, and one call at a time finds out whether it does again."""
        return not self.watch.is_open

    @property
    def is_hopeless(self) -> bool:
        """Whether it may be this node that reaches nobody, not the vendor that is away."""
        since = self._unheard_since
        return self.is_stopped and since is not None and steady_clock() - since > STEPS_ASIDE

    @property
    def debt(self) -> float:
        """For how many seconds more is used than there is, which the next owner of the duty will not know."""
        return self._tokens.debt(steady_clock())

    def room(self, busy: int, waiting: int) -> int:
        """How many more lanes may be taken, beside those that are busy, of which some wait for their turn."""
        if self.paused_for or self._live.switched_off:
            return 0
        return int(min(MAX_BUSY - busy, self._ahead - waiting, self.watch.room(steady_clock(), busy)))

    def rest_of(self, urn: str) -> float:
        """Seconds until an address may be written to again."""
        return self._addresses.wait(urn, steady_clock())

    def reserve(self, part: Outbound) -> bool:
        """Keep a turn for a part if it may leave now."""
        now, cost = steady_clock(), self._cost(part)
        if self._addresses.wait(part.urn, now) > 0 or cost > self._tokens.available(now):
            return False
        self._tokens.take(now, cost)
        self._addresses.take(part.urn, now)
        return True

    def give_back(self, part: Outbound) -> None:
        """What was kept is not used."""
        now = steady_clock()
        self._tokens.take(now, -self._cost(part))
        self._addresses.give_back(part.urn, now)

    async def turn(self, part: Outbound) -> None:
        """Return when it is the turn of a part: its customer's first, then the channel's."""
        await asyncio.sleep(max(self.rest_of(part.urn), self.paused_for))
        async with self._next:  # one after another, each counted when it goes: a delay makes no crowd
            while True:
                rest = max(self._tokens.wait(steady_clock()), self.paused_for)
                if not rest:
                    break
                await asyncio.sleep(rest)
            self._tokens.take(steady_clock(), self._cost(part))
            self._addresses.take(part.urn, steady_clock())

    def heard(self, urn: str, result: Sent | SendError) -> bool:
        """Learn from the outcome of a call to an address; whether that changes how the channel is."""
        if isinstance(result, Throttled):
            pauses.rest(self._live, result)
        now, said = steady_clock(), _said(result)
        self._unheard_since = None if said == "answered" else self._unheard_since or now
        changed = self.watch.heard(now, urn, said, random.random())  # noqa: S311  # jitter
        if changed and isinstance(result, SendError):
            log.warning(
                "channel does not answer", channel=self._live.channel.type, state=self.watch.state,
                reason=result.reason,
            )  # fmt: skip
        return changed


def _said(result: Sent | SendError) -> Said:
    """What an outcome says of the channel: a vendor that refuses a message, or asks for a pause, is there."""
    if isinstance(result, AccountRefused):
        return "refused"
    return "failed" if isinstance(result, NotSent | Unknown) else "answered"


def _one(_: Outbound) -> int:
    """What a part costs where all cost the same."""
    return 1
