"""WhatsApp: a number, through the Cloud API of Meta.

https://developers.facebook.com/documentation/business-messaging/whatsapp
"""

from __future__ import annotations

import hmac
import re
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, model_validator
from pydantic_settings import NoDecode
from yarl import URL

from bridge.channels import whatsapp_check, whatsapp_hooks, whatsapp_outbound
from bridge.channels.base import Answer, Site, header
from bridge.channels.http import is_local
from bridge.channels.whatsapp_wire import META, WhatsAppWire
from bridge.errors import BadWebhook, Rejected, SendError, WrongType
from bridge.models import Event, Finding, Limits, Outbound, Rates, Sent, Webhook
from bridge.settings import EnvSettings, HttpUrl, comma_separated, setting


def _id(value: str) -> str:
    if not re.fullmatch(r"\d{5,20}", value):
        raise ValueError("is not a phone number's id: digits, from API Setup, and not the number itself")
    return value


class WhatsAppSettings(EnvSettings):
    """A number at Meta. With nothing set the channel is off."""

    number_id: Annotated[str, AfterValidator(_id)] | None = setting(
        None, env="WHATSAPP_PHONE_NUMBER_ID", example="106540352242922",
        description="The number's id (not the number), from Meta's App Dashboard, WhatsApp > API Setup. "
        "Empty: no WhatsApp.",
    )  # fmt: skip
    token: str | None = setting(
        None, env="WHATSAPP_ACCESS_TOKEN", example="EAAGm0PX4ZCpsBAExampleExampleExample",
        description="The access token of a system user with `whatsapp_business_messaging`: that of API Setup "
        "ends after a day.", repr=False,
    )  # fmt: skip
    app_secrets: Annotated[list[str], NoDecode, BeforeValidator(comma_separated)] = setting(
        [], env="WHATSAPP_APP_SECRET", example="0123456789abcdef0123456789abcdef",
        description="The app's secret, from App settings > Basic: it signs webhooks. Several separated by "
        "commas are all accepted.", repr=False,
    )  # fmt: skip
    verify_token: str | None = setting(
        None, env="WHATSAPP_VERIFY_TOKEN", example="any-words-of-yours",
        description="Any words of yours: Meta's console asks for them beside the callback URL.", repr=False,
    )  # fmt: skip
    api_base: HttpUrl = setting(
        META, env="WHATSAPP_API_BASE", example="http://localhost:8083",
        description="Another server that speaks the Cloud API, such as a stand-in.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """All of it or nothing of it."""
        fields = type(self).model_fields
        needed = ("number_id", "token", "app_secrets", "verify_token")
        missing = [fields[name] for name in needed if not getattr(self, name)]
        if missing and len(missing) < len(needed):
            raise ValueError("\n".join(
                f"{field.validation_alias}: is missing. "
                f"Example: {field.validation_alias}={(field.examples or [''])[0]}"
                for field in missing
            ))  # fmt: skip
        return self

    @property
    def off(self) -> str:
        """Why there is no such channel, or the empty string."""
        names = (
            "WHATSAPP_PHONE_NUMBER_ID, WHATSAPP_ACCESS_TOKEN, WHATSAPP_APP_SECRET and WHATSAPP_VERIFY_TOKEN"
        )
        return "" if self.number_id else f"set {names}"


class WhatsAppChannel:
    """One number."""

    type: ClassVar[str] = "whatsapp"
    label: ClassVar[str] = "WhatsApp"
    webhooks: ClassVar[tuple[str, ...]] = ("whatsapp",)
    pulled: ClassVar[bool] = False
    # https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
    webhook_limit: ClassVar[int] = 3 * 1024 * 1024
    limits = Limits(text=20_480, part=4096, caption=1024, file_size=100_000_000, highest="read")
    # 80 messages a second; one in six seconds to a person, after 45 at once.
    # https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput
    rates = Rates(overall=80, burst=80 / 30, address=1 / 6, address_burst=45)

    def __init__(self, settings: WhatsAppSettings, site: Site) -> None:
        self._settings, self._site = settings, site
        self.identity = settings.number_id or ""
        self._secrets = [secret.encode() for secret in settings.app_secrets]
        self._made: WhatsAppWire | None = None

    def greet(self, query: Mapping[str, str]) -> Answer:
        """https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint."""
        given = query.get("hub.verify_token", "").encode("utf-8", "replace")
        known = hmac.compare_digest(given, str(self._settings.verify_token).encode())
        if not known or query.get("hub.mode") != "subscribe":
            raise BadWebhook("The verify token is missing or wrong")
        return Answer(body=query.get("hub.challenge", ""))

    def parse(self, hook: Webhook) -> list[Event]:
        """Messages, and what became of ours, of this number. Meta signs the bytes with the app's secret."""
        whatsapp_hooks.verify(hook, self._secrets)
        if header(hook.headers, "content-type").partition(";")[0].strip().lower() not in (
            "",
            "application/json",
        ):
            raise WrongType("WhatsApp sends application/json")
        return whatsapp_hooks.read(hook.body, self.identity)

    def reread(self, key: str, raw: str) -> list[Event]:  # noqa: ARG002 - it says what it is
        """A message or a status as it was kept."""
        return whatsapp_hooks.reread(raw)

    async def send(self, part: Outbound) -> Sent:
        """One call; before it, one that nobody sees where there is a file to upload."""
        wire = self._wire()
        if not part.files:
            return await wire.send(whatsapp_outbound.message(part))
        file = part.files[0]
        kind = whatsapp_outbound.shown_as(part, file)
        if kind:
            return await wire.send(whatsapp_outbound.message(part, kind, {"id": await wire.upload(file)}))
        if not self._reaches_us:
            raise Rejected("WhatsApp fetches such a file from a public address: set BRIDGE_PUBLIC_URL")
        return await wire.send(whatsapp_outbound.message(part, "document", {"link": file.url}))

    async def fetch(self, ref: str) -> AsyncIterator[bytes]:
        """The file with this media id."""
        async for chunk in self._wire().download(ref):
            yield chunk

    async def check(self) -> list[Finding]:
        """What WhatsApp thinks of the number, and whom it calls when a message comes in."""
        try:
            number = await self._wire().number(whatsapp_check.FIELDS)
        except SendError as error:
            todo = "Check WHATSAPP_PHONE_NUMBER_ID, WHATSAPP_ACCESS_TOKEN and that this machine reaches "
            what = f"WhatsApp: {error.reason}"
            return [Finding(level="error", what=what, todo=todo + self._settings.api_base)]
        return whatsapp_check.findings(number, f"{self._site.public_url}/webhooks/whatsapp")

    async def close(self) -> None:
        if self._made:
            await self._made.close()

    def _wire(self) -> WhatsAppWire:
        """The calls, made inside the running loop as aiohttp demands."""
        if self._made is None:
            self._made = WhatsAppWire(
                self._settings.token or "", self.api, self.identity,
                send_timeout=self._site.send_timeout, user_agent=self._site.user_agent,
            )  # fmt: skip
        return self._made

    @property
    def _reaches_us(self) -> bool:
        """Whether WhatsApp can fetch a file from us."""
        return self.api != META or not is_local(URL(self._site.public_url).host or "")

    @property
    def api(self) -> str:
        return self._settings.api_base

    @property
    def near(self) -> bool:
        """Whether the stand-in is on this machine or beside it."""
        return is_local(URL(self.api).host or "")
