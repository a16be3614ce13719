"""Which message of Twilio's list is ours: its text as Twilio may have changed it, and its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.channels.sms_match import Span, is_same

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)

# https://www.twilio.com/docs/messaging/services/smart-encoding-char-list
RECODED = [
    ("L’ordine è pronto", "L'ordine è pronto"),
    ("«Sì» – “domani”…", '"Sì" - "domani"...'),
    ("½ kg\u00a0di pane", "1/2 kg  di pane"),
    ("Ｏｋ！ 10÷2", "Ok! 10/2"),
    ("L’ordine", "Sent from your Twilio trial account - L'ordine"),
]
OTHERS = [
    ("L’ordine è pronto", "L'ordine era pronto"),
    ("Ok 👍", "Ok 🙏"),
    ("👍", "🙏"),
    ("No", "No!"),
    ("", "Ok"),
    ("Sì", ""),
]


@pytest.mark.parametrize(("text", "body"), RECODED)
def test_text_that_twilio_put_into_its_own_letters_is_the_same(text: str, body: str) -> None:
    """A Messaging Service does so unless told not to; else no such message would ever be found."""
    assert is_same(text, body)


@pytest.mark.parametrize(("text", "body"), OTHERS)
def test_text_that_says_something_else_is_another(text: str, body: str) -> None:
    """A reply that was lost must not be taken for one that looks like it."""
    assert not is_same(text, body)


def test_span_is_of_twilios_clock() -> None:
    """Ten seconds ago; the answer took three more, of which nobody knows when it looked at its clock."""
    span = Span.of_call(NOON, 10, waited=3)
    inside = [seconds for seconds in range(-60, 60) if NOON + timedelta(seconds=seconds) in span]
    assert (inside[0], inside[-1]) == (-10 - 3 - 2, -10 - 3 + 55)
    assert None not in span


@pytest.mark.parametrize("waited", [0, 20])
@pytest.mark.parametrize("looked", [0, 1])
def test_span_ends_before_the_lane_goes_on(waited: int, looked: int) -> None:
    """What is sent next, 60 seconds later at the earliest, is never taken for it (I5)."""
    began, ago = NOON, 90
    asked = began + timedelta(seconds=ago)
    says = (asked + timedelta(seconds=waited * looked)).replace(microsecond=0)
    listed_as = began + timedelta(seconds=60 - 1)  # less than a second is cut off
    assert listed_as not in Span.of_call(says, ago, waited)
