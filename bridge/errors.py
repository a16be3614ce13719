"""Every error Bridge raises on purpose.

BridgeError                 what HTTP answers (`api/problems.py` turns it into problem+json)
├── BadRequest      400     ├── TooLarge        413
├── NotSignedIn     401     ├── WrongType       415
├── NotAllowed      403     ├── Invalid         422
├── BadWebhook      403     ├── TooMany         429
├── NotFound        404     └── Unavailable     503
└── Conflict        409
SendError                   what a vendor's answer means (`delivery.py` decides once)
├── NotSent                 never left: try again, after `retry_after` if given
│   └── AccountRefused      and it is for us to mend
├── Throttled               the vendor asks for a pause
├── Rejected                refused for good: this message
├── Unreachable             refused for good: this address
└── Unknown                 it may have arrived: never sent again blindly
MediaError                  a customer's file that cannot be had
SettingsError               the process cannot start
"""

from __future__ import annotations

from typing import Literal

_DAY = 24 * 3600.0


def _bounded(retry_after: float | None) -> float | None:
    """No vendor means more than a day; a number without end would stop the channel for ever."""
    return None if retry_after is None else min(_DAY, retry_after)


class BridgeError(Exception):
    """Something the caller of the API did or must wait for."""

    status = 500
    title = "Something went wrong"

    def __init__(self, detail: str = "", **extra: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.extra = extra


class BadRequest(BridgeError):
    """The request cannot be read."""

    status, title = 400, "The request cannot be read"


class NotSignedIn(BridgeError):
    """No session and no token, or one that has ended."""

    status, title = 401, "Sign in first"


class NotAllowed(BridgeError):
    """Known, but not allowed."""

    status, title = 403, "Not allowed"


class BadWebhook(BridgeError):
    """A webhook that its vendor did not sign."""

    status, title = 403, "This webhook is not signed by its vendor"


class NotFound(BridgeError):
    """There is nothing under this address."""

    status, title = 404, "Not found"


class Conflict(BridgeError):
    """The state of things does not allow it now."""

    status, title = 409, "This cannot be done now"


class TooLarge(BridgeError):
    """A body or file over its limit."""

    status, title = 413, "Too large"


class WrongType(BridgeError):
    """A body of a type that is not taken here."""

    status, title = 415, "This content type is not taken here"


class Invalid(BridgeError):
    """Readable, but wrong; `fields` lists what and where.

    Pass `fields=[{"field": "text", "problem": "is empty"}]`.
    """

    status, title = 422, "Some fields are not right"


class TooMany(BridgeError):
    """Too many requests; pass `retry_after` in seconds."""

    status, title = 429, "Too many requests"


class Unavailable(BridgeError):
    """The database is away, or the queue before it is full: ask again."""

    status, title = 503, "Not ready, try again shortly"


class SendError(Exception):
    """Why a part of a message was not accepted by its vendor."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = _bounded(retry_after)


class NotSent(SendError):
    """Known not to have reached the vendor's queue: safe to try again."""


class AccountRefused(NotSent):
    """The vendor refuses our account: a person has to mend it, and what is to be sent waits for that."""


class Throttled(SendError):
    """The vendor asks for a pause of `retry_after` seconds, for the whole channel."""


class Rejected(SendError):
    """The vendor refused this message for good."""


class Unreachable(Rejected):
    """The vendor refused this address for good; `state` is what the address becomes."""

    def __init__(self, reason: str, *, state: Literal["blocked", "opted_out", "invalid"]) -> None:
        super().__init__(reason)
        self.state = state


class Unknown(SendError):
    """The request left, no answer came: it may have arrived."""


class MediaError(Exception):
    """A customer's file that could not be had; `final` says that asking again does not help."""

    def __init__(self, reason: str, *, final: bool, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.retry_after = _bounded(retry_after)


class SettingsError(Exception):
    """Settings that are wrong: one line each, name, problem, example."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
