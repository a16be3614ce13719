"""Where replies go in an outage: every case there is, against the five conditions as they are written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from bridge.failover import Condition, Decision, Hold, Move, Patience, Stay, Way, decide, may_return
from bridge.models import AddressState

CONDITIONS: tuple[Condition, ...] = get_args(Condition)
STATES: tuple[AddressState, ...] = get_args(AddressState)
FLAGS = ("agreed", "proven", "tried", "fits", "open", "there", "paid")


def way(name: str = "sms", condition: Condition = "up", **more: Any) -> Way:
    return Way(address_id=name, channel_id=1, network=more.pop("network", name), condition=condition, **more)


WHATSAPP = way("whatsapp", "down")


def every_way() -> Iterator[Way]:
    """One other address, in every condition in which it can be: 5 x 4 x 2^7 x 2."""
    for condition, state, network in itertools.product(CONDITIONS, STATES, ("sms", "whatsapp")):
        for flags in itertools.product((False, True), repeat=len(FLAGS)):
            more: dict[str, Any] = dict(zip(FLAGS, flags, strict=True))
            yield way(condition=condition, state=state, network=network, **more)


def is_allowed(other: Way) -> bool:
    """The conditions of DESIGN.md, section 6, each by itself."""
    return all((
        other.proven,  # verified as the same person
        other.agreed, other.state == "open",  # consent on that address, and no opt-out
        not other.tried,  # that route was not used for this message
        other.fits,  # its content fits
        other.condition not in ("down", "setup", "off"),
        other.network != WHATSAPP.network,  # what fails together helps nobody
        other.open, other.there,
    ))  # fmt: skip


def test_one_other_way_in_every_case() -> None:
    """Whatever it is like, a reply moves exactly where all conditions hold."""
    seen = set()
    for other, unclear, may_spend in itertools.product(every_way(), (False, True), (False, True)):
        decision = decide(WHATSAPP, [other], unclear=unclear, may_spend=may_spend)
        assert decision == _wanted(other, unclear=unclear, may_spend=may_spend)
        seen.add(type(decision))
    assert seen == {Move, Hold}


def _wanted(other: Way, *, unclear: bool, may_spend: bool) -> Decision:
    if unclear:
        return Hold("unclear")  # what may have arrived is never sent a second way
    if not is_allowed(other):
        return Hold("no_other")
    return Hold("too_much") if other.paid and not may_spend else Move(other)


def test_nothing_moves_from_a_channel_that_is_not_down() -> None:
    """Neither a doubt nor our own mistake is an outage."""
    for condition in CONDITIONS:
        own = way("whatsapp", condition)
        for other in every_way():
            decision = decide(own, [other], unclear=False, may_spend=True)
            assert isinstance(decision, Stay) == (condition != "down")


def test_of_two_ways_the_one_that_is_allowed_is_taken() -> None:
    """A second address never lets anything happen that neither would alone, and hinders nothing."""
    some = [other for number, other in enumerate(every_way()) if number % 7 == 0]
    for first, second in itertools.product(some, some):
        decision = decide(WHATSAPP, [first, second], unclear=False, may_spend=False)
        allowed = [other for other in (first, second) if is_allowed(other) and not other.paid]
        if isinstance(decision, Move):
            assert decision.way in allowed
            assert decision.way.condition == "up" or all(other.condition != "up" for other in allowed)
        else:
            assert not allowed


def test_order_of_the_operator_counts_among_those_that_work() -> None:
    slow = way("telegram", "degraded", rank=0)
    second, third = way("sms", rank=1), way("other", rank=2)
    for ways in itertools.permutations((slow, second, third)):
        assert decide(WHATSAPP, ways, unclear=False, may_spend=True) == Move(second)
    assert decide(WHATSAPP, [slow], unclear=False, may_spend=True) == Move(slow)


def test_of_equal_ways_the_customers_last_one_is_taken() -> None:
    before, last = way("sms", used_at=1), way("telegram", used_at=2)
    for ways in itertools.permutations((before, last)):
        assert decide(WHATSAPP, ways, unclear=False, may_spend=True) == Move(last)


def test_nobody_is_known_elsewhere() -> None:
    assert decide(WHATSAPP, [], unclear=False, may_spend=True) == Hold("no_other")


PATIENCE = Patience()
LONG_AGO, NOW = 0, 10 * 24 * 3600_000


def returns(home: Way | None = None, **more: Any) -> bool:
    calm: dict[str, Any] = {"well_since": LONG_AGO, "last_message_at": LONG_AGO, "waiting": False, "now": NOW}
    return may_return(home or way("whatsapp"), patience=PATIENCE, **{**calm, **more})


def test_conversation_comes_back_when_all_is_quiet() -> None:
    assert returns()
    assert returns(well_since=NOW - PATIENCE.well, last_message_at=NOW - PATIENCE.quiet)


@pytest.mark.parametrize(
    "more",
    [
        {"well_since": None},
        {"well_since": NOW - PATIENCE.well + 1},
        {"last_message_at": NOW - PATIENCE.quiet + 1},
        {"waiting": True},
        {"home": way("whatsapp", open=False)},
        {"home": way("whatsapp", agreed=False)},
        *({"home": way("whatsapp", state=state)} for state in STATES if state != "open"),
        *({"home": way("whatsapp", condition)} for condition in CONDITIONS if condition != "up"),
    ],
)
def test_nobody_is_moved_back_too_early_or_to_where_nothing_goes(more: dict[str, Any]) -> None:
    assert not returns(**more)
