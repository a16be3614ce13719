"""What channels of telephones share: numbers as people write them, and the words that close and open one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import phonenumbers

# Twilio acts on these single words itself: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out.
# YES is an answer to many questions too, but a customer who gets no messages is asked none there: for a
# number that is opted out it means what Twilio takes it for, for an open one it changes nothing.
_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_START = frozenset({"START", "YES", "UNSTOP"})
# What may stand around the word: blanks of any script, marks that nobody sees, a sentence's signs.
_EDGE = "[\\s\\u200b-\\u200f\\u2060\\ufeff.,!\"'“”]+"
_AROUND = re.compile(f"^{_EDGE}|{_EDGE}$")


def consent(text: str) -> Literal["stop", "start"] | None:
    """What a text says of the wish for messages, where it is one of the words that do."""
    word = _AROUND.sub("", text).upper()
    if word in _STOP:
        return "stop"
    return "start" if word in _START else None


@lru_cache(maxsize=4096)
def address(sender: str) -> tuple[str, str]:
    """A sender as E.164 and as people write it. Short codes and names stay as they are."""
    sender = sender.strip()
    try:
        number = phonenumbers.parse(sender, None)
    except phonenumbers.NumberParseException:
        return sender, sender
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    shown = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return e164, shown
