"""Rules of agents who decide what becomes of a reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import strategies as st

from bridge.errors import Conflict
from bridge.store import handling
from bridge.store.engine import Work
from tests.properties.model import LIFETIME, Reply
from tests.properties.stage import Stage, step
from tests.properties.ways_out import CARRIER, picked

_pick = st.integers(0, 9)


Verdict = Literal["arrived", "again", "retry", "cancel", "give up"]
DECISIONS = step(
    "decide", pick=_pick, verdict=st.sampled_from(["arrived", "again", "retry", "cancel", "give up"])
)


class People(Stage):
    """An agent takes one of the replies that there are."""

    def _decide(
        self, pick: int, states: tuple[str, ...], act: Callable[[str], Work[object]],
        follow: Callable[[Reply], None],
    ) -> None:  # fmt: skip
        """It is done where the reply is in one of these states, and refused otherwise."""
        replies = [*self.model.replies()]
        if not replies:
            return
        fitting = [reply for reply in replies if reply.status in states]
        reply = picked(pick, fitting if fitting and pick else replies)
        if reply.status in states:
            self.world.write(act(reply.id))
            self.decided.add(reply.id)
            self.excused |= {attempt.id for attempt in reply.attempts}
            follow(reply)
        else:
            with pytest.raises(Conflict):
                self.world.write(act(reply.id))

    def decide(self, pick: int, verdict: Verdict) -> None:
        """What is to become of it."""
        retry, cancel, give_up = handling.retry, handling.cancel, handling.give_up
        gone = ("rejected", "failed", "expired")
        match verdict:
            case "retry":
                self._decide(pick, gone, lambda m: lambda tx: retry(tx, m, LIFETIME), self.model.retry)
            case "cancel":
                self._decide(pick, ("queued",), lambda m: lambda tx: cancel(tx, m), self.model.give_up)
            case "give up":
                waits = ("queued", "unknown")
                self._decide(pick, waits, lambda m: lambda tx: give_up(tx, m), self.model.give_up)
            case _:
                self._settle(pick, verdict)

    def _settle(self, pick: int, verdict: Literal["arrived", "again"]) -> None:
        """The customer was asked whether it is there."""
        carriers = {self.world.channel: CARRIER}

        def act(message: str) -> Work[object]:
            return lambda tx: handling.settle(
                tx, message, self.world.agent, verdict, carriers=carriers, lifetime=LIFETIME
            )

        follow = self.model.again if verdict == "again" else self.model.arrived
        self._decide(pick, ("unknown",), act, follow)
