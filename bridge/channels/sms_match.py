"""Whether a message that Twilio lists can be a part of a reply. Pure.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from bridge.channels import gsm

_TRIAL = "Sent from your Twilio trial account - "
# Twilio's times have whole seconds, and come from more than one of its machines.
_SLACK = timedelta(seconds=2)
# A slow Twilio may make the message of a call that was given up. The next one to the same number is sent
# 60 seconds later at the earliest (`delivery.UNKNOWN_WAIT_MS`).
_LASTS = timedelta(seconds=55)


@dataclass(frozen=True, slots=True)
class Span:
    """Within what time Twilio can have made the message of a call, by Twilio's own clock."""

    first: datetime
    last: datetime

    @classmethod
    def of_call(cls, now: datetime, ago: float, waited: float) -> Self:
        """That of a call which was begun so many seconds before its list was asked for.

        `now` is what Twilio says in its answer, at whatever moment of the seconds for which it was `waited`.
        """
        began = now - timedelta(seconds=ago + waited)
        return cls(began - _SLACK, began + _LASTS)

    def __contains__(self, moment: datetime | None) -> bool:
        return moment is not None and self.first <= moment <= self.last


def is_same(text: str, body: str) -> bool:
    """Whether Twilio's `body` is our `text`, with what Twilio changes in it.

    A trial account's messages have a preface. A Messaging Service writes what it can in GSM-7 ("Smart
    Encoding"): then letters and digits must be the same, not quotation marks, dashes and blanks.
    """
    if body in (text, _TRIAL + text):
        return True
    recoded = gsm.fits(body) and not gsm.fits(text)
    return recoded and _letters(body.removeprefix(_TRIAL)) == _letters(text)


def _letters(text: str) -> str:
    """The letters and digits alone, without their accents."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if _is_letter(char))


def _is_letter(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "LN" and category != "Lm"  # of these many are written as apostrophes
