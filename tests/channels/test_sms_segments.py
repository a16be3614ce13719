"""How many segments a text costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.channels.base import Costs
from bridge.channels.gsm import segments
from bridge.models import Rates
from tests.channels.made import reply, sms, stored


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("è" * 160, 1),  # in the basic alphabet
        ("€" * 80, 1),  # escaped: two septets
        ("€" * 81, 2),
        ("a" * 151 + "€" + "a" * 153, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # 306 septets too, and an escape that may not be cut
        ("ß" * 160, 1),
        ("ç" * 70, 1),  # only the capital is in the alphabet
        ("ç" * 71, 2),
        ("я" * 134, 2),
        ("я" * 135, 3),
        ("👜" * 35, 1),  # two units each
        ("👜" * 36, 2),
        ("👜" * 66, 2),  # 33 pairs a segment: the 67th unit stays free
        ("👜" * 67, 3),
        ("\r\n" * 80, 1),
    ],
)
def test_segments_are_counted_as_twilio_counts(text: str, count: int) -> None:
    """The rate is in segments, and each is billed."""
    assert segments(text) == count


def test_rate_is_paid_in_segments() -> None:
    """F35: a long text takes its share of the pace, so Twilio's queue never overflows because of us."""
    channel = sms(TWILIO_RATE=3)
    assert isinstance(channel, Costs)
    assert channel.rates == Rates(overall=3, burst=3, address=3, address_burst=3)
    assert channel.cost(reply("tel:+39333", "a" * 161)) == 2


def test_file_is_paid_as_one(tmp_path: Path) -> None:
    """An MMS goes as one message whatever its text."""
    file = stored(tmp_path, "a.jpg", "image/jpeg", "image")
    assert sms().cost(reply("tel:+39333", "a" * 500, file)) == 1
