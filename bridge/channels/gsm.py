"""How many SMS segments a text takes: GSM 03.38 where it can be written in it, else UCS-2.

https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
"""

from __future__ import annotations

from bridge.text import utf16_length

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # an escape and a character: two septets


def fits(text: str) -> bool:
    """Whether `text` can be written in GSM-7."""
    return all(char in _BASIC or char in _EXTENDED for char in text)


def segments(text: str) -> int:
    """Segments that `text` takes, at least 1.

    One segment holds 160 septets (GSM-7) or 70 UTF-16 units (UCS-2); in a longer text each holds
    153 or 67. An escaped character or a surrogate pair is not cut in two.
    """
    gsm = fits(text)
    sizes = [_size(char, gsm=gsm) for char in text]
    whole, piece = (160, 153) if gsm else (70, 67)
    if sum(sizes) <= whole:
        return 1
    count, room = 1, piece
    for size in sizes:
        if size > room:
            count, room = count + 1, piece
        room -= size
    return count


def _size(char: str, *, gsm: bool) -> int:
    if gsm:
        return 2 if char in _EXTENDED else 1
    return utf16_length(char)
