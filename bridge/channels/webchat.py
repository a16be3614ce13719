"""The chat on the business's own site.

Visitors fetch their messages from us, so nothing is sent: a reply is there at its commit, and the
visitor's page says when it has it and when it was looked at. HTTP is in `bridge/api/widget.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode
from yarl import URL

from bridge.channels.base import Site
from bridge.channels.http import is_local
from bridge.errors import BadWebhook
from bridge.ids import new_id
from bridge.models import Event, Finding, Inbound, Limits, MessageKind, Outbound, Rates, Sent, Webhook
from bridge.settings import EnvSettings, comma_separated, setting
from bridge.signing import sign, verify

_PURPOSE = "visitor"


def _origins(values: list[str]) -> list[str]:
    return [_origin(value) for value in values]


def _origin(value: str) -> str:
    """`https://shop.example` in the form that browsers send: lower case, no default port, no path."""
    url = URL(value)
    if url.scheme not in ("http", "https") or not url.host or url.path not in ("", "/") or "*" in value:
        raise ValueError("takes sites as browsers name them: https://shop.example.com, without a path or a *")
    return str(url.origin())


class WebchatSettings(EnvSettings):
    """Where the chat may stand, and how much a visitor may write."""

    allowed_origins: Annotated[
        list[str], NoDecode, BeforeValidator(comma_separated), AfterValidator(_origins)
    ] = setting(
        [], env="WIDGET_ALLOWED_ORIGINS", example="https://www.example.com,https://shop.example.com",
        description="The sites that may show the chat, separated by commas. Empty: only `BRIDGE_PUBLIC_URL`. "
        "Pages of the gateway itself always may.",
    )  # fmt: skip
    visitor_rate: int = setting(
        30, env="WIDGET_VISITOR_RATE", example="30", ge=1,
        description="Messages and files that one visitor may send in a minute. On the machine itself "
        "(loopback) all three limits are a hundred times higher.",
    )  # fmt: skip
    address_rate: int = setting(
        600, env="WIDGET_ADDRESS_RATE", example="600", ge=1,
        description="Requests of visitors that one network address may make in a minute. Behind proxies set "
        "`BRIDGE_TRUSTED_PROXIES`, or all visitors share the proxy's address.",
    )  # fmt: skip
    new_visitors: int = setting(
        30, env="WIDGET_NEW_VISITORS", example="30", ge=1,
        description="New visitors that may come from one network address in a minute.",
    )  # fmt: skip

    @property
    def off(self) -> str:
        """The site chat needs nothing and is always on."""
        return ""


class WebchatChannel:
    """One site. Its visitors are customers with an id and a signed token, and nothing else."""

    type: ClassVar[str] = "webchat"
    label: ClassVar[str] = "Site chat"
    webhooks: ClassVar[tuple[str, ...]] = ()
    pulled: ClassVar[bool] = True
    limits = Limits(text=4000, part=4000, caption=4000, files=10, files_per_part=10, highest="read")
    # Nothing is sent, so nothing is to be slowed down.
    rates = Rates(overall=1000, address=1000)
    identity = "site"

    def __init__(self, settings: WebchatSettings, site: Site) -> None:
        self.settings, self._site = settings, site
        self.origins = settings.allowed_origins or [str(URL(site.public_url).origin())]

    def parse(self, _hook: Webhook) -> list[Event]:
        """No webhook leads here."""
        raise BadWebhook("The site chat has no webhook")

    async def send(self, part: Outbound) -> Sent:
        """The visitor's page fetches it: there is nobody to hand it to."""
        return Sent(external_id=part.message_id)

    async def close(self) -> None:
        """There is no connection to give back."""

    async def check(self) -> list[Finding]:
        """What `bridge check` says: where the chat may stand, and the tag that puts it there."""
        tag = f'<script async src="{self._site.public_url}/widget.js"></script>'
        where = ", ".join(self.origins)
        found = [Finding(level="ok", what=f"{self.label}: may stand on {where}; the tag is {tag}")]
        url = URL(self._site.public_url)
        secure_sites = [origin for origin in self.origins if origin.startswith("https:")]
        if secure_sites and url.scheme == "http" and not is_local(url.host or ""):
            what = f"{secure_sites[0]} is https: browsers load nothing into it from {self._site.public_url}"
            found.append(Finding(level="error", what=what, todo="give the gateway https (BRIDGE_PUBLIC_URL)"))
        return found


def new_visitor() -> str:
    """The id of a visitor who was never here."""
    return new_id()


def token_for(secrets: Sequence[str], visitor: str) -> str:
    """What shows that a page is this visitor's: `<visitor>.<signature>`."""
    return f"{visitor}.{sign(secrets, _PURPOSE, visitor)}"


def visitor_of(secrets: Sequence[str], token: str) -> str | None:
    """The visitor whose token this is; none for a forged one."""
    visitor, _, signature = token.partition(".")
    if not token.isascii():  # a header may hold bytes that are no text at all
        return None
    return visitor if verify(secrets, _PURPOSE, visitor, signature) else None


def urn_of(visitor: str) -> str:
    """The visitor's address."""
    return f"webchat:{visitor}"


def key_of(visitor: str, client_id: str) -> str:
    """What makes a visitor's message unique: the page's own id for it."""
    return f"msg:{visitor}:{client_id}"


def message(
    visitor: str, client_id: str, text: str, *,
    uploads: Iterable[str] = (), kind: MessageKind = "text", page: str = "",
) -> Inbound:  # fmt: skip
    """What a visitor wrote, under the page's own id for it. `uploads` are files they own."""
    data: Mapping[str, str] = {"page": page} if page else {}
    return Inbound(
        key=key_of(visitor, client_id), urn=urn_of(visitor), external_id=client_id, kind=kind, text=text,
        uploads=tuple(uploads), data=data,
    )  # fmt: skip
