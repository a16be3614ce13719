"""Text as it may be stored: cleaned once, at every entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# SQLite's JSON silently cuts at NUL and stores a lone surrogate as text that cannot be read back;
# PostgreSQL refuses both. U+FFFD is what Unicode offers for "there was something here".
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` with NUL and lone surrogates replaced by U+FFFD; all else stays as it is."""
    if text.isascii() and "\x00" not in text:  # most raw bodies: a hundred times faster than the search
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def clean_all(value: Any) -> Any:
    """Every string in a JSON value cleaned, keys too; other values stay as they are."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): clean_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_all(item) for item in value]
    return value


def split(text: str, limit: int) -> list[str]:
    """`text` in pieces of at most `limit` UTF-16 units, cut after a line, else after a word.

    Vendors count as JavaScript does: a character outside the BMP is two. Such a pair, and a word
    that fits a piece, is never cut in two. A piece of blanks alone is left out: vendors refuse it.
    """
    pieces: list[str] = []
    rest = text
    while utf16_length(rest) > limit:
        head = _fitting(rest, limit)
        cut = max(head.rfind("\n"), -1)
        if cut < len(head) // 2:
            cut = max(head.rfind(" "), cut)
        end = cut + 1 if cut > 0 else len(head)
        pieces.append(rest[:end].rstrip())
        rest = rest[end:]
    return [piece for piece in [*pieces, rest] if piece.strip()] or [text[:limit]]


def utf16_length(text: str) -> int:
    """How long vendors and browsers think `text` is: UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _fitting(text: str, limit: int) -> str:
    """The longest head of `text` within `limit` UTF-16 units, one unit of look-ahead allowed."""
    units = 0
    for index, char in enumerate(text):
        units += 2 if char > "\uffff" else 1
        if units > limit:
            return text[:index]
    return text
