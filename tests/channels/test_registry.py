"""Which channels there are, from the environment."""

from __future__ import annotations

import pytest

from bridge.channels import SETTINGS, configured
from bridge.errors import SettingsError
from bridge.settings import read_all
from tests.channels.made import TOKEN, site


def test_channels_without_credentials_are_off_and_say_what_turns_them_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The site chat is always there; the others name the settings that they miss."""
    channels, off = configured(site())
    assert [channel.type for channel in channels] == ["webchat"]
    assert [line.partition(" is off: ")[0] for line in off] == ["Telegram", "SMS", "WhatsApp"]
    assert "TELEGRAM_BOT_TOKEN" in off[0]
    assert "TWILIO_ACCOUNT_SID" in off[1]
    assert "WHATSAPP_PHONE_NUMBER_ID" in off[2]
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    channels, off = configured(site())
    assert [channel.type for channel in channels] == ["telegram", "webchat"]
    assert len(off) == 2


def test_problems_of_all_channels_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody likes to start a program five times to find five mistakes."""
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "nonsense")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "nonsense")
    with pytest.raises(SettingsError) as raised:
        read_all(*SETTINGS)
    names = [line.partition(":")[0] for line in raised.value.problems]
    assert names == ["TELEGRAM_BOT_TOKEN", "TWILIO_ACCOUNT_SID"]
