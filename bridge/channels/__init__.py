"""The channels: one line each. A vendor's SDK is loaded by its channel, and only when that is on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.channels.base import Channel, Site
from bridge.channels.sms import SmsChannel, SmsSettings
from bridge.channels.telegram import TelegramChannel, TelegramSettings
from bridge.channels.webchat import WebchatChannel, WebchatSettings
from bridge.channels.whatsapp import WhatsAppChannel, WhatsAppSettings
from bridge.settings import EnvSettings, read_all


class Maker(Protocol):
    """A channel's class, as far as its registration goes."""

    pulled: bool

    def __call__(self, settings: Any, site: Site, /) -> Channel: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of channel: its settings, and how it is made from them.

    The settings' `off` says why there is no such channel, in words for the person who starts Bridge.
    """

    settings: type[EnvSettings]
    channel: Maker
    label: str


KINDS = (
    Kind(TelegramSettings, TelegramChannel, TelegramChannel.label),
    Kind(SmsSettings, SmsChannel, SmsChannel.label),
    Kind(WhatsAppSettings, WhatsAppChannel, WhatsAppChannel.label),
    Kind(WebchatSettings, WebchatChannel, WebchatChannel.label),
)

# For `read_all(Settings, *SETTINGS)`: so that the problems of all settings are said at once.
SETTINGS = tuple(kind.settings for kind in KINDS)


def has_credentials() -> bool:
    """Whether a vendor's account is configured, so that real customers may be reached."""
    return any(
        not kind.channel.pulled and not getattr(settings, "off", "")
        for kind, settings in zip(KINDS, read_all(*SETTINGS), strict=True)
    )


def configured(site: Site, given: Sequence[EnvSettings] | None = None) -> tuple[list[Channel], list[str]]:
    """The channels that are configured, and a line for each that is off, with what would turn it on.

    `given` are settings read already, in the order of `SETTINGS`; without them the environment is
    read. `SettingsError` with a line for each setting that is wrong.
    """
    channels: list[Channel] = []
    off: list[str] = []
    for kind, settings in zip(KINDS, given or read_all(*SETTINGS), strict=True):
        why = getattr(settings, "off", "")
        if why:
            off.append(f"{kind.label} is off: {why}")
        else:
            channels.append(kind.channel(settings, site))
    return channels, off
