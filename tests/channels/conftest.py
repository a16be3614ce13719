"""What several files of a channel's tests use."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.channels.sms import SmsChannel
from tests.channels.made import site, sms
from tests.channels.scripted import Scripted


@pytest.fixture
async def number(vendor: Scripted) -> AsyncIterator[SmsChannel]:
    """Twilio's number, whose calls go to the file's own `vendor`."""
    channel = sms(site(send_timeout=2), TWILIO_API_BASE=vendor.base)
    yield channel
    await channel.close()
