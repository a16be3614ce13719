"""Cutting a reply into the parts that its channel can carry. Pure, and the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from bridge.models import Limits
from bridge.text import split, utf16_length

F = TypeVar("F")


def parts_of(text: str, files: Sequence[F], limits: Limits) -> list[tuple[str, tuple[F, ...]]]:
    """`[(text, files)]` in the order of sending.

    A text that fits travels with the first files; a longer one goes before them, in pieces.
    """
    size = limits.files_per_part
    bundles = [tuple(files[start : start + size]) for start in range(0, len(files), size)]
    if bundles and utf16_length(text) <= limits.caption:
        return [(text if index == 0 else "", bundle) for index, bundle in enumerate(bundles)]
    pieces: list[tuple[str, tuple[F, ...]]] = (
        [(piece, ()) for piece in split(text, limits.part)] if text else []
    )
    return pieces + [("", bundle) for bundle in bundles]
