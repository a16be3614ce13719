"""Rules of the way in: what customers and vendors say, again, late, early and in any order."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from bridge.models import AddressState, Edit, Event, Inbound, Receipt, Standing
from bridge.store.inbound import Intake, receive
from tests.properties.stage import CUSTOMERS, Stage, step, urn_of


def hello(customer: int, number: int) -> Inbound:
    """A message; of the same number it is the same one again."""
    name = f"{customer}:{number}"
    return Inbound(key=f"said {name}", urn=urn_of(customer), external_id=name, text=f"text of {name}")


def edit(customer: int, number: int, version: int) -> Edit:
    """A message is changed, perhaps before it is here."""
    name = f"{customer}:{number}"
    key, text = f"changed {name} {version}", f"version {version} of {name}"
    return Edit(key=key, urn=urn_of(customer), external_id=name, text=text)


def standing(customer: int, number: int, state: AddressState) -> Standing:
    """An address is closed, or opened by its owner's word."""
    opt_in = state == "open"
    return Standing(key=f"stands {customer}:{number}", urn=urn_of(customer), state=state, opt_in=opt_in)


def receipt(number: int, status: str) -> Receipt:
    """The vendor's word on its part of this number, which may not have been sent yet."""
    return Receipt(external_id=f"X{number}", status=status)  # type: ignore[arg-type]  # one of them is drawn


_customer, _number = st.sampled_from(CUSTOMERS), st.integers(1, 5)
_state = st.sampled_from(["open", "open", "open", "blocked", "opted_out", "invalid"])
_word = st.sampled_from(["sent", "delivered", "read", "failed"])
_said = st.builds(hello, _customer, _number)
_events = st.one_of(
    _said,
    _said,
    st.builds(edit, _customer, _number, st.integers(1, 3)),
    st.builds(receipt, st.integers(1, 6), _word),
    st.builds(standing, _customer, st.integers(1, 9), _state),
    st.builds(receipt, st.integers(1, 6), _word),
)


WEBHOOKS = step(
    "webhooks", webhooks=st.lists(st.lists(_events, min_size=1, max_size=4), min_size=1, max_size=2)
)


class WaysIn(Stage):
    """Webhooks, one or several at once."""

    @initialize(writers=st.sampled_from([CUSTOMERS, CUSTOMERS, CUSTOMERS[:1], ()]))
    def begin(self, writers: Sequence[int]) -> None:
        """Who writes first."""
        self._receive([[hello(writer, 1) for writer in writers]])

    def webhooks(self, webhooks: list[list[Event]]) -> None:
        """Each brings a batch of events."""
        self._receive(webhooks)

    def _receive(self, webhooks: list[list[Event]]) -> None:
        self.world.together(receive, [Intake(self.world.channel, tuple(each)) for each in webhooks])
        self.model.receive([event for each in webhooks for event in each])
