"""The stand-ins together, on free ports of this process."""

from __future__ import annotations

from dataclasses import asdict
from types import TracebackType
from typing import Protocol, Self

from bridge.sandbox.feed import Feed, Json, Wire
from bridge.sandbox.postman import Postman
from bridge.sandbox.telegram import Telegram
from bridge.sandbox.twilio import Twilio
from bridge.sandbox.vendor import Knobs, Mode, Vendor
from bridge.sandbox.whatsapp import WhatsApp


class Switched(Protocol):
    """What has knobs: the stand-ins, and in the demo the site chat."""

    knobs: Knobs

    async def turn(
        self, mode: Mode = "ok", *, delay: float | None = None, retry_after: int | None = None,
        drop_webhooks: bool | None = None, times: int | None = None,
    ) -> None:  # fmt: skip
        """Turn the knobs; what is not given stays, except `times`."""
        ...

    def state(self) -> Json:
        """What the page shows of it."""
        ...


class Vendors:
    """Telegram, Twilio and WhatsApp as stand-ins: `async with Vendors() as vendors: ...`.

    `quiet` keeps no wire log (for benchmarks). `keep` bounds what `sent` remembers per vendor.
    `known_only`: the bot may write only to chats that wrote first. `pace`: seconds between the states of
    a message by SMS or WhatsApp. `tunnel`: `(public URL, loopback URL)` of a gateway that is addressed by
    another name. Empty credentials are made up.
    """

    def __init__(
        self, *, telegram_port: int = 0, twilio_port: int = 0, whatsapp_port: int = 0,
        business: str = "Bottega Lume", telegram_token: str = "", account_sid: str = "", auth_token: str = "",
        number: str = "+390546010200", whatsapp_token: str = "", phone_number_id: str = "",
        app_secret: str = "", whatsapp_number: str = "+390546010300",
        quiet: bool = False, keep: int = 20_000, known_only: bool = True, pace: float = 0.1,
        tunnel: tuple[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.feed = Feed()
        self.wire = Wire(self.feed, size=0 if quiet else 1_000)
        self.post = Postman(tunnel)
        self.telegram = Telegram(
            self.feed, self.wire, self.post, port=telegram_port, keep=keep,
            business=business, token=telegram_token, known_only=known_only,
        )  # fmt: skip
        self.sms = Twilio(
            self.feed, self.wire, self.post, port=twilio_port, keep=keep,
            number=number, account_sid=account_sid, auth_token=auth_token, pace=pace,
        )  # fmt: skip
        self.whatsapp = WhatsApp(
            self.feed, self.wire, self.post, port=whatsapp_port, keep=keep, business=business,
            number=whatsapp_number, token=whatsapp_token, phone_number_id=phone_number_id,
            app_secret=app_secret, pace=pace,
        )  # fmt: skip
        self.all: dict[str, Vendor] = {
            "telegram": self.telegram, "sms": self.sms, "whatsapp": self.whatsapp,
        }  # fmt: skip
        self.switches: dict[str, Switched] = {**self.all}

    @property
    def telegram_base(self) -> str:
        """For TELEGRAM_API_BASE."""
        return self.telegram.door.url

    @property
    def twilio_base(self) -> str:
        """For TWILIO_API_BASE."""
        return self.sms.door.url

    @property
    def whatsapp_base(self) -> str:
        """For WHATSAPP_API_BASE."""
        return self.whatsapp.door.url

    def environment(self) -> dict[str, str]:
        """The settings that make a gateway use these stand-ins."""
        return {
            "TELEGRAM_BOT_TOKEN": self.telegram.token, "TELEGRAM_API_BASE": self.telegram_base,
            "TWILIO_ACCOUNT_SID": self.sms.account.sid, "TWILIO_AUTH_TOKEN": self.sms.account.token,
            "TWILIO_FROM": self.sms.account.number, "TWILIO_API_BASE": self.twilio_base,
        }  # fmt: skip

    def whatsapp_environment(self) -> dict[str, str]:
        """The settings that make a gateway use the stand-in for WhatsApp."""
        account = self.whatsapp.account
        return {
            "WHATSAPP_PHONE_NUMBER_ID": account.phone_number_id, "WHATSAPP_ACCESS_TOKEN": account.token,
            "WHATSAPP_APP_SECRET": account.app_secret, "WHATSAPP_VERIFY_TOKEN": account.verify_token,
            "WHATSAPP_API_BASE": self.whatsapp_base,
        }  # fmt: skip

    def serve_webhooks_of(self, public_url: str) -> None:
        """Point the number's webhooks to a gateway, as its owner does in Twilio's console."""
        self.sms.account.webhook = f"{public_url}/webhooks/twilio"

    def state(self) -> Json:
        """`{telegram: {knobs, chats, ...}, sms: {knobs, phones, ...}, whatsapp: {...}, wire: [...]}`."""
        state: Json = {"wire": self.wire.entries()}
        for name, one in self.switches.items():
            state[name] = {"mode": one.knobs.mode, "knobs": asdict(one.knobs), **one.state()}
        return state

    async def restore(self) -> None:
        """All vendors well again."""
        for switched in self.switches.values():
            await switched.turn("ok", drop_webhooks=False)
        self.whatsapp.fail()

    async def reset(self) -> None:
        """All vendors well, all messages forgotten; accounts and webhooks stay."""
        await self.restore()
        for vendor in self.all.values():
            vendor.reset()
        self.wire.clear()
        self.feed.tell("reset")

    async def __aenter__(self) -> Self:
        await self.post.open()
        for vendor in self.all.values():
            await vendor.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for vendor in self.all.values():
            await vendor.close()
        await self.post.close()
