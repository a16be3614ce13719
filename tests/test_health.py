"""When a channel is in doubt, down, and up again."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.health import Said, State, Thresholds, Watch

T = Thresholds()


class Traffic:
    """Calls to a channel, made when its watch lets them, on a clock of its own."""

    def __init__(self, watch: Watch | None = None) -> None:
        self.now = 1000.0
        self.watch = watch or Watch(T, self.now)
        self.changes: list[tuple[float, State]] = []

    def call(self, said: Said, urn: str = "a") -> State:
        """The next call that may be made, and what is known after it."""
        self.now += self.watch.wait(self.now)
        assert self.watch.room(self.now, 0) >= 1
        return self.told(said, urn)

    def told(self, said: Said, urn: str = "a") -> State:
        """A call ends, whenever it began."""
        if self.watch.heard(self.now, urn, said, 0.5):
            self.changes.append((self.now, self.watch.state))
        return self.watch.state

    def calls(self, said: Said, times: int, every: float = 0.0) -> State:
        """So many of them."""
        for _ in range(times):
            self.now += every
            self.call(said)
        return self.watch.state


def down() -> Traffic:
    """A channel that went down a moment ago."""
    traffic = Traffic()
    traffic.call("answered")
    traffic.calls("failed", T.row + T.confirm)
    assert traffic.watch.state == "down"
    return traffic


def test_five_in_a_row_are_a_doubt_and_four_more_are_an_outage() -> None:
    traffic = Traffic()
    traffic.call("answered")
    assert traffic.calls("failed", T.row - 1) == "up"
    assert traffic.call("failed") == "degraded"
    assert traffic.calls("failed", T.confirm - 1) == "degraded"
    assert traffic.call("failed") == "down"
    (doubt, _), (outage, _) = traffic.changes
    assert outage - doubt < 2  # an agent who has seen five replies fail is told at once


def test_one_answer_ends_a_row() -> None:
    traffic = Traffic()
    for _ in range(10):
        assert traffic.calls("failed", T.row - 1, every=10) == "up"
        assert traffic.calls("answered", T.row, every=10) == "up"


def test_half_of_the_calls_to_several_people_are_a_doubt() -> None:
    traffic = Traffic()
    for number in range(T.sends - 1):
        traffic.now += 1
        assert traffic.call("failed" if number % 2 else "answered", f"person {number % T.people}") == "up"
    traffic.now += 1
    assert traffic.call("failed", "person 0") == "degraded"


@pytest.mark.parametrize(("people", "every"), [(T.people - 1, 1.0), (T.people, 2 * T.window / T.sends)])
def test_failures_of_few_people_or_of_a_long_time_are_none(people: int, every: float) -> None:
    traffic = Traffic()
    for number in range(5 * T.sends):
        traffic.now += every
        said: Said = "failed" if number % 2 else "answered"
        assert traffic.call(said, f"person {number % people}") == "up"


def test_doubt_that_is_not_confirmed_ends() -> None:
    traffic = Traffic()
    traffic.call("answered")
    traffic.calls("failed", T.row)
    for _ in range(5):
        traffic.calls("failed", T.confirm - 1)
        assert traffic.call("answered") == "degraded"
    assert traffic.calls("answered", T.answers - 1) == "up"


def test_account_that_is_refused_is_no_outage_however_long() -> None:
    """It is for us to mend: an alarm, and nobody is moved. Calls become rare all the same."""
    traffic = Traffic()
    assert traffic.calls("refused", T.row) == "degraded"
    begun = traffic.now
    assert traffic.calls("refused", 50) == "degraded"
    assert traffic.now - begun > 20 * 60
    assert traffic.calls("answered", T.answers) == "up"


def test_vendor_that_refuses_the_account_now_and_then_does_not_hide_an_outage() -> None:
    traffic = Traffic()
    traffic.calls("failed", T.row)
    traffic.calls("refused", 2)
    assert traffic.calls("failed", T.confirm) == "down"


def test_before_the_first_answer_few_calls_are_under_way() -> None:
    watch = Watch(T, 0.0)
    assert [watch.room(0, busy) for busy in range(T.row + 2)] == [5, 4, 3, 2, 1, 0, 0]
    watch.heard(0, "a", "answered", 0.5)
    assert watch.room(0, 200) > 100


def test_in_doubt_and_when_down_there_is_one_call_at_a_time() -> None:
    traffic = Traffic()
    traffic.calls("failed", T.row)
    traffic.now += traffic.watch.wait(traffic.now)
    assert [traffic.watch.room(traffic.now, busy) for busy in (0, 1)] == [1, 0]
    away = down()
    assert away.watch.room(away.now, 0) == 0
    away.now += away.watch.wait(away.now)
    assert [away.watch.room(away.now, busy) for busy in (0, 1)] == [1, 0]


def test_probes_of_a_channel_that_stays_down_become_rare() -> None:
    traffic = down()
    rests = []
    for _ in range(8):
        rests.append(traffic.watch.wait(traffic.now))
        traffic.call("failed")
    assert rests == [5, 10, 20, 40, 80, 160, 300, 300]


def test_calls_from_before_the_outage_do_not_put_the_probes_off() -> None:
    """A hundred that hung end together, after it was known."""
    traffic = down()
    before = traffic.watch.wait(traffic.now)
    for _ in range(100):
        traffic.told("failed")
    assert traffic.watch.wait(traffic.now) == before


def test_three_answers_let_the_others_go_and_a_minute_without_fault_ends_the_outage() -> None:
    traffic = down()
    traffic.calls("failed", 3)
    assert traffic.calls("answered", T.answers - 1) == "down"
    assert traffic.call("answered") == "recovering"
    assert traffic.watch.room(traffic.now, 200) > 100
    traffic.now += T.calm - 1
    assert not traffic.watch.tick(traffic.now)
    traffic.now += 1
    assert traffic.watch.tick(traffic.now)
    assert traffic.watch.state == "up"


def test_one_failure_begins_the_return_anew() -> None:
    traffic = down()
    traffic.calls("answered", T.answers - 1)
    assert traffic.call("failed") == "down"
    assert traffic.calls("answered", T.answers - 1) == "down"
    assert traffic.call("answered") == "recovering"


def test_channel_that_is_down_again_has_to_be_well_for_longer() -> None:
    traffic, calms = down(), []
    for _ in range(6):
        assert traffic.calls("answered", T.answers) == "recovering"
        traffic.now += T.calm / 2
        assert not traffic.watch.tick(traffic.now)
        assert traffic.calls("failed", T.row) == "down"
        calms.append(traffic.watch.calm)
    assert calms == [120, 240, 480, 600, 600, 600]
    traffic.calls("answered", T.answers)
    traffic.now += 600
    assert traffic.watch.tick(traffic.now)
    assert traffic.watch.calm == T.calm


def test_next_owner_goes_on_where_the_last_one_stopped() -> None:
    traffic = Traffic(Watch(T, 1000.0, "recovering", since=900.0, calm=240))
    assert not traffic.watch.tick(traffic.now)
    traffic.now += 140
    assert traffic.watch.tick(traffic.now)
    away = Traffic(Watch(T, 1000.0, "down", since=900.0))
    assert away.watch.room(away.now, 0) == 1
    assert away.calls("answered", T.answers) == "recovering"


@pytest.mark.parametrize("blink", [10, 20, 30, 50])
def test_channel_that_blinks_goes_down_once(blink: float) -> None:
    """Well for so many seconds and away for so many, for hours, which are one outage."""
    traffic = Traffic()
    began = traffic.now
    while traffic.now < began + 4 * 3600:
        traffic.now += 0.5
        if traffic.watch.room(traffic.now, 0) >= 1:
            is_away = (traffic.now - began) // blink % 2 == 1
            traffic.told("failed" if is_away else "answered", f"person {int(traffic.now) % 20}")
        assert not traffic.watch.tick(traffic.now)
    states = [state for _, state in traffic.changes]
    assert states[:2] == ["degraded", "down"]
    assert "up" not in states


def noise(rng: random.Random, hours: float, per_hour: float, errors: float) -> Iterable[tuple[float, bool]]:
    """Calls at random times, of which a share fails; `(seconds to the next, whether it fails)`."""
    for _ in range(int(hours * per_hour)):
        yield rng.expovariate(per_hour / 3600), rng.random() < errors


@pytest.mark.parametrize("per_hour", [6, 60, 600])
def test_noise_is_no_outage(per_hour: float) -> None:
    """One call in twenty fails, for years. A benchmark goes on for longer."""
    rng = random.Random(per_hour)
    traffic = Traffic()
    for gap, fails in noise(rng, 60_000 / per_hour, per_hour, 0.05):
        traffic.now += gap
        traffic.call("failed" if fails else "answered", f"person {rng.randrange(50)}")
    assert "down" not in [state for _, state in traffic.changes]


@given(
    st.lists(st.tuples(st.floats(0, 400), st.sampled_from(["answered", "failed", "refused"])), max_size=60)
)
def test_there_is_always_a_next_call(calls: list[tuple[float, Said]]) -> None:
    """Whatever is heard, in whatever order: no channel is forgotten, none waits for more than its most."""
    traffic = Traffic()
    for gap, said in calls:
        traffic.now += gap
        traffic.told(said)
        wait = traffic.watch.wait(traffic.now)
        assert 0 <= wait <= T.probe_most
        assert traffic.watch.room(traffic.now + wait, 0) >= 1


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["answered", "refused"])), max_size=60))
def test_nothing_is_down_without_a_failure(calls: list[tuple[float, Said]]) -> None:
    traffic = Traffic()
    for gap, said in calls:
        traffic.now += gap
        assert traffic.told(said) != "down"
