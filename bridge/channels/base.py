"""What a channel is: one file behind two methods, and extras that are asked for by type."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from bridge.models import Event, Finding, Limits, Outbound, Rates, Sent, Webhook


class Channel(Protocol):
    """One account through which messages travel: a bot, a number, a site.

    `identity` is the account's lasting name at the vendor (bot id, number), never its token.
    `webhooks` are the paths under `/webhooks/` it answers. `pulled` says that customers fetch
    their messages from us, so nothing is sent (the site chat).
    """

    type: ClassVar[str]
    label: ClassVar[str]
    webhooks: ClassVar[tuple[str, ...]]
    pulled: ClassVar[bool]
    identity: str
    limits: Limits
    rates: Rates

    def parse(self, hook: Webhook) -> list[Event]:
        """The events in a webhook. Pure: no I/O, no clock. Forged: `BadWebhook`.

        Unreadable: `BadRequest`, `WrongType`. One event that makes no sense becomes an `Inbound`
        of kind `unsupported` (or `Ignored`), with `parked`: the others of its batch go on.
        """
        ...

    async def send(self, part: Outbound) -> Sent:
        """Hand one part to the vendor; raises a `SendError` that says whether to try again."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook's caller gets with its 2xx, where the vendor cares about the body."""

    body: str = ""
    content_type: str = "text/plain"


@runtime_checkable
class Answers(Protocol):
    """A channel whose vendor reads the answer to a webhook (Twilio: `<Response/>`)."""

    def answer(self, path: str) -> Answer: ...


@runtime_checkable
class Greets(Protocol):
    """A channel whose vendor makes sure that a webhook is ours before it uses it, by `GET`."""

    def greet(self, query: Mapping[str, str]) -> Answer:
        """The answer that proves it. Pure, like `parse`. `BadWebhook` for whoever is not the vendor."""
        ...


@runtime_checkable
class SendsMuch(Protocol):
    """A channel whose vendor puts so much into a webhook that the limit of the others is too low."""

    webhook_limit: ClassVar[int]  # bytes


@runtime_checkable
class Polls(Protocol):
    """A channel that fetches its events itself."""

    @property
    def polling(self) -> bool:
        """Whether it is set to poll (a bot may use webhooks instead)."""
        ...

    async def poll(self, after: str) -> tuple[Sequence[Event], str]:
        """Wait for events after the cursor (empty at first); the next call confirms the last.

        The caller commits what it got before it calls again, so a crash in between repeats events
        and loses none. `NotSent` and `Throttled` when the vendor cannot be asked now, `SetUpError`
        with what to do when it refuses.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A customer's message as its vendor lists it.

    `key` is that of the event that its webhook makes, `at` the vendor's time (Unix ms). With
    `has_files` reading it costs a question more. `row` is its channel's own.
    """

    key: str
    at: int
    has_files: bool = False
    row: Any = None


@runtime_checkable
class Sweeps(Protocol):
    """A channel whose vendor lists what customers wrote: what a webhook lost is found there.

    Every question may raise `NotSent` and `Throttled` when the vendor cannot be asked now, `Rejected`
    when it will not answer this one, `SetUpError` with what to do when it refuses the account.
    """

    async def lists(self) -> Sequence[str]:
        """The names of the lists: one for each number of ours that customers write to."""
        ...

    async def listed(self, name: str, since: int, after: str) -> tuple[Sequence[Listed], str]:
        """A page of a list, newest first: none that is older than `since` (Unix ms), and the next cursor.

        The cursor is empty for the first page, and after the last one that reaches back so far.
        """
        ...

    async def read(self, found: Listed) -> Sequence[Event]:
        """The events that its webhook would have brought, under the same keys."""
        ...


@runtime_checkable
class MayBeNear(Protocol):
    """A channel whose vendor may be a server of one's own, or a stand-in, where `localhost` leads to us."""

    @property
    def near(self) -> bool: ...


@runtime_checkable
class HasServer(Protocol):
    """A channel whose vendor's API is at a fixed address: `api` is its URL."""

    @property
    def api(self) -> str: ...


@runtime_checkable
class SetsUp(Protocol):
    """A channel that must tell its vendor something at start, or ask who it is."""

    async def set_up(self) -> Sequence[Finding]:
        """What a person should know although it works.

        Raises `SetUpError` with what to do; `NotSent` when the vendor cannot be reached.
        """
        ...


class SetUpError(Exception):
    """The vendor refuses this account as it is configured; the text says what to do."""


class InUse(SetUpError):
    """Somebody else uses this account at the same time: it works now and then, for each of them."""


@runtime_checkable
class Loads(Protocol):
    """A channel whose vendor's SDK takes seconds to load: not on the time of the first message."""

    async def load(self) -> None: ...


@runtime_checkable
class ShowsTyping(Protocol):
    """A channel that can show the customer that an agent is writing."""

    async def typing(self, urn: str) -> None:
        """Best effort: raises nothing but `Throttled`, which is for the whole channel."""
        ...


@runtime_checkable
class FetchesMedia(Protocol):
    """A channel whose customers' files are fetched from the vendor afterwards."""

    def fetch(self, ref: str) -> AsyncIterator[bytes]:
        """The bytes behind `Media.ref`, in chunks. `MediaError` says whether asking again helps, and when.

        `Throttled` when the vendor asks for a pause of the whole channel.
        Only the vendor's own hosts are asked; credentials never cross to another.
        """
        ...


@runtime_checkable
class LooksUp(Protocol):
    """A channel whose vendor can be asked whether a message was sent."""

    async def look_up(self, part: Outbound, ago: float) -> Sequence[Sent]:
        """All that the vendor has which can be the part, oldest first. Its call began `ago` seconds ago.

        The same words may have been sent twice, before and after: what was made when this call had not
        begun, or had ended, is none of it, by one clock (the vendor's). The rest is sorted out by who
        asks. `NotSent` or `Throttled` when the vendor cannot be asked now: then nobody knows.
        """
        ...


@runtime_checkable
class Rereads(Protocol):
    """A channel that can read again what it could not read when it came: `raw` says all there is to say."""

    def reread(self, key: str, raw: str) -> list[Event]:
        """The events in what was kept as `raw` under `key`. As `parse`; it has proved itself already.

        `BadRequest` for what still cannot be read, or an event with `parked`.
        """
        ...


@runtime_checkable
class Costs(Protocol):
    """A channel whose rate counts something finer than parts (SMS: segments)."""

    def cost(self, part: Outbound) -> int:
        """How many tokens of `rates` the part takes, at least 1. It may exceed the burst."""
        ...


@runtime_checkable
class Checks(Protocol):
    """A channel that `bridge check` can examine."""

    async def check(self) -> list[Finding]: ...


@dataclass(frozen=True, slots=True)
class Site:
    """What every channel may know of the installation: where it is reached, and its secrets.

    `public_url` has no trailing slash. `secrets`: the first signs, all verify. `send_timeout` is
    how many seconds a vendor has to answer a send.
    """

    public_url: str
    secrets: tuple[str, ...]
    user_agent: str = "bridge"
    send_timeout: float = 20.0


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value, or the empty string."""
    return headers.get(name.lower(), "")
