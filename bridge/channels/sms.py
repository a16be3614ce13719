"""SMS and MMS through Twilio: a number, or a Messaging Service.

https://www.twilio.com/docs/messaging
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, model_validator
from yarl import URL

from bridge.channels import gsm, sms_hooks
from bridge.channels.base import Answer, Listed, SetUpError, Site
from bridge.channels.http import is_local
from bridge.channels.sms_media import MediaFetcher
from bridge.errors import Rejected, SendError
from bridge.models import Event, Finding, Limits, Outbound, Rates, Sent, Webhook
from bridge.settings import EnvSettings, HttpUrl, setting

if TYPE_CHECKING:
    from bridge.channels.sms_wire import TwilioWire

TWILIO = "https://api.twilio.com"


def _account_sid(value: str) -> str:
    if not re.fullmatch(r"AC[0-9A-Za-z]+", value):
        raise ValueError("is not an account's SID: it starts with AC")
    return value


def _sender(value: str) -> str:
    """A number as people write it becomes E.164; a short code or a name stays as it is."""
    number = re.sub(r"[\s().-]", "", value)
    if re.fullmatch(r"\+[1-9]\d{6,14}|\d{3,8}", number):
        return number
    if re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}", value):
        return value
    raise ValueError("is not a number with + and country code, a short code, or a sender's name")


def _service(value: str) -> str:
    if not re.fullmatch(r"MG[0-9A-Za-z]+", value):
        raise ValueError("is not a Messaging Service's SID: it starts with MG")
    return value


class SmsSettings(EnvSettings):
    """A Twilio account with a number or a Messaging Service. With none of them the channel is off."""

    account_sid: Annotated[str, AfterValidator(_account_sid)] | None = setting(
        None, env="TWILIO_ACCOUNT_SID", example="AC0123456789abcdef0123456789abcdef",
        description="The account's SID, from Twilio's console. Empty: no SMS.",
    )  # fmt: skip
    auth_token: str | None = setting(
        None, env="TWILIO_AUTH_TOKEN", example="0123456789abcdef0123456789abcdef",
        description="The account's auth token, from Twilio's console. It signs webhooks too.", repr=False,
    )  # fmt: skip
    sender: Annotated[str, AfterValidator(_sender)] | None = setting(
        None, env="TWILIO_FROM", example="+390546010200",
        description="The number that messages come from, with + and country code. Not needed with a "
        "Messaging Service.",
    )  # fmt: skip
    service: Annotated[str, AfterValidator(_service)] | None = setting(
        None, env="TWILIO_MESSAGING_SERVICE_SID", example="MG0123456789abcdef0123456789abcdef",
        description="The Messaging Service whose pool of numbers is used.",
    )  # fmt: skip
    api_base: HttpUrl = setting(
        TWILIO, env="TWILIO_API_BASE", example="http://localhost:8082",
        description="Another server that speaks Twilio's API, such as a stand-in.",
    )  # fmt: skip
    rate: float = setting(
        1, env="TWILIO_RATE", example="1", gt=0, allow_inf_nan=False,
        description="Segments per second that may be sent: 1 from a long code, 3 toll-free, 100 from a short "
        "code.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """All of it or nothing of it."""
        given = {
            "TWILIO_ACCOUNT_SID": self.account_sid, "TWILIO_AUTH_TOKEN": self.auth_token,
            "TWILIO_FROM": self.sender or self.service,
        }  # fmt: skip
        missing = [name for name, value in given.items() if not value]
        if missing and len(missing) < len(given):
            fields = {field.validation_alias: field for field in type(self).model_fields.values()}
            raise ValueError("\n".join(
                f"{name}: is missing{_OR.get(name, '')}. Example: {name}={(fields[name].examples or [''])[0]}"
                for name in missing
            ))  # fmt: skip
        return self

    @property
    def off(self) -> str:
        """Why there is no such channel, or the empty string."""
        return "" if self.account_sid else "set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM"


_OTHER_SERVICE = "Set TWILIO_MESSAGING_SERVICE_SID to one of Messaging > Services, or use TWILIO_FROM"
_OR = {"TWILIO_FROM": ", and TWILIO_MESSAGING_SERVICE_SID too: one of them is needed"}


class SmsChannel:
    """One number or Messaging Service."""

    type: ClassVar[str] = "sms"
    label: ClassVar[str] = "SMS"
    webhooks: ClassVar[tuple[str, ...]] = ("twilio", "twilio/status")
    pulled: ClassVar[bool] = False
    # https://www.twilio.com/docs/messaging/api/message-resource: body 1600, ten files of 5 MB in all.
    limits = Limits(
        text=1600, part=1600, caption=1600, files=10, files_per_part=10,
        file_size=5_000_000, part_size=5_000_000, highest="delivered", segments=True,
    )  # fmt: skip

    def __init__(self, settings: SmsSettings, site: Site) -> None:
        self._settings, self._site = settings, site
        self._sid, self._token = settings.account_sid or "", settings.auth_token or ""
        self._sender, self._service = settings.sender or "", settings.service or ""
        self.identity = self._sender or self._service
        burst = max(1.0, settings.rate)
        self.rates = Rates(overall=settings.rate, burst=burst, address=settings.rate, address_burst=burst)
        self._media = MediaFetcher(settings.api_base, self._sid, self._token, send_timeout=site.send_timeout)
        self._loaded: TwilioWire | None = None
        self._loading = asyncio.Lock()

    def parse(self, hook: Webhook) -> list[Event]:
        """An inbound message, or a status of one of ours. Both are signed alike."""
        form = sms_hooks.read_form(hook)
        sms_hooks.verify(hook, form, self._sid, self._token)
        raw = hook.body.decode(errors="replace")
        return sms_hooks.status(form, raw) if hook.path == "twilio/status" else sms_hooks.inbound(form, raw)

    def reread(self, key: str, raw: str) -> list[Event]:
        """A form as it was kept. Its key says on which path it came."""
        form = sms_hooks.fields_of(raw)
        return sms_hooks.status(form, raw) if sms_hooks.is_status(key) else sms_hooks.inbound(form, raw)

    def answer(self, path: str) -> Answer:  # noqa: ARG002 - both paths get the same
        """TwiML that does nothing: replies are sent by themselves."""
        return Answer(body="<Response/>", content_type="text/xml")

    def cost(self, part: Outbound) -> int:
        """Twilio counts segments; an MMS goes as one."""
        return 1 if part.files else gsm.segments(part.text)

    async def load(self) -> None:
        await self._wire()

    async def send(self, part: Outbound) -> Sent:
        """https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource."""
        message: dict[str, Any] = {"to": part.urn.removeprefix("tel:")}
        if part.text or not part.files:
            message["body"] = part.text
        if self._sender:
            message["from_"] = self._sender
        if self._service:
            message["messaging_service_sid"] = self._service
        if part.files:
            message["media_url"] = [file.url for file in part.files]
        if self._called_back:
            message["status_callback"] = f"{self._site.public_url}/webhooks/twilio/status"
        elif part.files:
            raise Rejected("Twilio fetches files from a public address: set BRIDGE_PUBLIC_URL")
        return await (await self._wire()).send(**message)

    async def look_up(self, part: Outbound, ago: float) -> Sequence[Sent]:
        """Ask Twilio's list of what was sent to the number."""
        return await (await self._wire()).find(part, ago, self._sender, self._service)

    async def lists(self) -> Sequence[str]:
        """Our number, and those of the service's pool: Twilio's list is asked by recipient."""
        numbers = [self._sender] if re.fullmatch(r"\+?\d+", self._sender) else []  # a name gets no replies
        if self._service:
            pool = await (await self._wire()).pool(self._service)
            if pool is None:
                raise SetUpError(f"The account has no Messaging Service {self._service}. {_OTHER_SERVICE}")
            numbers += pool
        return [*dict.fromkeys(numbers)]

    async def listed(self, name: str, since: int, after: str) -> tuple[Sequence[Listed], str]:
        """What customers wrote to one number; the cursor is the next page's address."""
        return await (await self._wire()).inbound(name, since, after)

    async def read(self, found: Listed) -> Sequence[Event]:
        """As from the webhook. The list says only how many files there are, so they are asked for."""
        fields = dict(found.row)
        if found.has_files:
            files = await (await self._wire()).files(found.key)
            for index, (address, mime) in enumerate(files):
                fields |= {f"MediaUrl{index}": address, f"MediaContentType{index}": mime}
        return sms_hooks.listed(fields, found.at)

    def fetch(self, ref: str) -> AsyncIterator[bytes]:
        """The file behind a `MediaUrl`."""
        return self._media.fetch(ref)

    async def check(self) -> list[Finding]:
        """What Twilio thinks of the account, and whom it calls when a message comes in."""
        try:
            wire = await self._wire()
            state = await wire.account_status()
        except SendError as error:
            todo = "Check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and that this machine reaches Twilio"
            return [Finding(level="error", what=f"SMS: {error.reason}", todo=todo)]
        active = state == "active"
        account = Finding(
            level="ok" if active else "error", todo="" if active else "See the notices in Twilio's console",
            what=f"SMS: the Twilio account of {self.identity} is {state}",
        )  # fmt: skip
        return [account, await self._found_webhook(wire)]

    async def close(self) -> None:
        if self._loaded:
            await self._loaded.close()

    async def _wire(self) -> TwilioWire:
        """The calls, made inside the running loop as twilio's client demands."""
        async with self._loading:
            if self._loaded is None:
                wire = await asyncio.to_thread(_load)
                base = "" if self._settings.api_base == TWILIO else self._settings.api_base
                self._loaded = wire(self._sid, self._token, base, send_timeout=self._site.send_timeout)
        return self._loaded

    @property
    def _called_back(self) -> bool:
        """Whether Twilio can reach us: the real one refuses a message whose callback is on localhost."""
        return self._settings.api_base != TWILIO or not is_local(URL(self._site.public_url).host or "")

    @property
    def api(self) -> str:
        return self._settings.api_base

    @property
    def near(self) -> bool:
        """Whether Twilio's stand-in is on this machine or beside it."""
        return is_local(URL(self._settings.api_base).host or "")

    async def _found_webhook(self, wire: TwilioWire) -> Finding:
        wanted = f"{self._site.public_url}/webhooks/twilio"
        try:
            return await self._look_at_webhook(wire, wanted)
        except SendError:
            what = "SMS: Twilio does not say whom it calls when a message comes in"
            return Finding(level="warning", what=what, todo=f"See in Twilio's console that it is {wanted}")

    async def _look_at_webhook(self, wire: TwilioWire, wanted: str) -> Finding:
        if self._service:
            service = await wire.service_webhook(self._service)
            if service is None:
                what = f"SMS: the account has no Messaging Service {self._service}"
                return Finding(level="error", what=what, todo=_OTHER_SERVICE)
            url, on_number = service
            if not on_number:
                where = "Messaging > Services > Integration > Send a webhook"
                return _webhook(url, wanted, f"the Messaging Service {self._service}", where)
        if not self._sender:
            what = "SMS: the Messaging Service leaves incoming messages to each number's own webhook"
            return Finding(level="warning", what=what, todo=f"Set the service's webhook to {wanted}")
        found = await wire.number_webhook(self._sender)
        if found is None:
            todo = "Set TWILIO_FROM to a number of this account, or use the service's"
            return Finding(level="error", what=f"SMS: {self._sender} is no number of this account", todo=todo)
        url, method = found
        where = "Phone Numbers > Manage > Active numbers > Messaging > A message comes in (HTTP POST)"
        return _webhook(url if method == "POST" else f"{url} ({method})", wanted, self._sender, where)


def _webhook(url: str, wanted: str, whose: str, where: str) -> Finding:
    if url == wanted:
        return Finding(level="ok", what=f"SMS: Twilio calls {wanted}")
    what = f"SMS: for {whose} Twilio calls {url or 'nothing'} instead of {wanted}"
    return Finding(level="error", what=what, todo=f"In Twilio's console, set {where} to {wanted}")


def _load() -> type[TwilioWire]:
    from bridge.channels.sms_wire import TwilioWire

    return TwilioWire
