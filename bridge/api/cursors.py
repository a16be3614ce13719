"""Where the next page of a list begins: text that means something to that list alone."""

from __future__ import annotations

import base64
import binascii
import re

from bridge.errors import BadRequest

ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MS = r"\d{1,16}"


def cursor_of(*parts: object) -> str:
    """The cursor that says these parts."""
    return base64.urlsafe_b64encode(" ".join(map(str, parts)).encode()).decode().rstrip("=")


def parts_of(cursor: str, pattern: str) -> tuple[str, ...]:
    """The groups of `pattern` in a cursor of ours; anything else is a `BadRequest`."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (ValueError, binascii.Error):
        text = ""
    found = re.fullmatch(pattern, text, re.ASCII)
    if not found:
        raise BadRequest("This cursor is not from a page of this list")
    return found.groups()
