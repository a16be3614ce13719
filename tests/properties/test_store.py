"""Whatever happens in whatever order, the store holds what its model says and keeps the laws (`laws.py`)."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.properties.people import DECISIONS, People
from tests.properties.stage import Step
from tests.properties.takeovers import LATE_WORDS, STRAYS, TAKEOVERS, TIME, Takeovers
from tests.properties.ways_in import WEBHOOKS, WaysIn
from tests.properties.ways_out import SEND
from tests.properties.worlds import World

# More than enough for each reply to be tried, part by part.
_TURNS = 60
_ENDED = {"sent", "delivered", "read", "failed", "rejected", "expired", "unknown"}


# One rule for all: where there are several, half of the examples do without any given one, and most of what
# can go wrong needs a reply, its call, and something in between.
_OFTEN = [SEND] * 12 + [TAKEOVERS] * 2 + [TIME, LATE_WORDS, DECISIONS] * 3 + [WEBHOOKS, STRAYS]
_STEPS = st.integers(0, len(_OFTEN) - 1).flatmap(_OFTEN.__getitem__)


class Store(WaysIn, Takeovers, People):
    """Customers, vendors, nodes and agents before one store."""

    @rule(step=_STEPS)
    def happens(self, step: Step) -> None:
        """One of all things that can."""
        name, how = step
        getattr(self, name)(**how)

    def teardown(self) -> None:
        """In the end all is well again, and nothing is left waiting."""
        for node in (0, 1):
            self.crash(node)
        self.take(0, looks=True, recovers=True)
        self.holds()
        for _ in range(_TURNS):
            if not any(reply.waits for reply in self.model.replies()):
                break
            self.claim(0, at_once=True)
            while self.nodes[0].calls:
                self.answer(0, "accepted", repeated=False)
            self.holds()
            if not self.nodes[0].hands:
                self.time_goes_by()
                self.holds()
        assert {row.status for row in self.sight.messages.values() if row.direction == "outbound"} <= _ENDED


@pytest.mark.timeout(600)  # what fails is made smaller
def test_f01_f02_f05_f10_f12_f23_f24_f29_f31_store_does_as_its_model_does(
    world: World, chance: dict[str, settings]
) -> None:
    """Events, replies, calls, take-overs, receipts and decisions in any order."""
    machine = type("Store", (Store,), {"world": world})
    run_state_machine_as_test(machine, settings=chance["store"])
