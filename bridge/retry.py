"""When to try again, and how fast one may send. Pure: time and chance come as arguments."""

from __future__ import annotations

LONGEST_PAUSE = 60.0
# Of what a vendor lets one address have at once, so much is left whatever was used before: the first reply
# after a start need not wait where many are allowed.
_LEFT = 0.1
# Sums of small times never quite make a whole token.
_ALMOST = 1e-6


def pause(tries: int, chance: float, retry_after: float | None = None) -> float:
    """Seconds until the next try after so many failed ones: 1, 2, 4 … 60, between half and all of it.

    `chance` is in [0, 1). A vendor's `retry_after` is never shortened.
    """
    longest = min(2.0 ** min(tries, 10), LONGEST_PAUSE)
    spread = longest / 2 + longest / 2 * chance
    return spread if retry_after is None else max(spread, retry_after)


class Bucket:
    """A token bucket: `rate` tokens per second, at most `burst` at once. It may go into debt.

    It begins empty: who used it before may have taken all there was.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._tokens = 0.0
        self._at = now

    def available(self, now: float) -> int:
        """How many whole tokens there are."""
        return max(int(self._refill(now) + _ALMOST), 0)

    def debt(self, now: float) -> float:
        """Seconds until what was taken beyond what there was is made up for."""
        missing = -self._refill(now)
        return missing / self._rate if missing > _ALMOST else 0.0

    def take(self, now: float, tokens: float = 1.0) -> None:
        """Take tokens, present or not."""
        self._tokens = self._refill(now) - tokens

    def wait(self, now: float) -> float:
        """Seconds until there is one whole token."""
        missing = 1.0 - self._refill(now)
        return missing / self._rate if missing > _ALMOST else 0.0

    def _refill(self, now: float) -> float:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return self._tokens


class AddressRates:
    """A bucket per address, forgotten when it is full again. It begins with what a burst surely leaves."""

    __slots__ = ("_buckets", "_burst", "_rate", "_since")

    def __init__(self, rate: float, burst: float, since: float) -> None:
        self._rate = rate
        self._burst = burst
        self._since = since
        self._buckets: dict[str, Bucket] = {}

    def take(self, urn: str, now: float) -> None:
        """Take one token of the address, present or not."""
        self._bucket(urn, now).take(now)

    def wait(self, urn: str, now: float) -> float:
        """Seconds until the address has a token."""
        return self._bucket(urn, now).wait(now)

    def give_back(self, urn: str, now: float) -> None:
        """A token that was taken was not used."""
        self._bucket(urn, now).take(now, -1)

    def _bucket(self, urn: str, now: float) -> Bucket:
        if len(self._buckets) > 10_000:
            self._forget(now)
        if urn not in self._buckets:
            self._buckets[urn] = Bucket(self._rate, self._burst, self._since)
            self._buckets[urn].take(self._since, -int(self._burst * _LEFT))
        return self._buckets[urn]

    def _forget(self, now: float) -> None:
        full = [urn for urn, bucket in self._buckets.items() if bucket.available(now) >= max(self._burst, 1)]
        for urn in full:
            del self._buckets[urn]
