"""Cutting a reply into the parts that its channel can carry. Pure, and the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bridge.models import Limits
from bridge.text import split, utf16_length


class Weighed(Protocol):
    """A file, as far as its size in bytes goes."""

    @property
    def size(self) -> int: ...


F = TypeVar("F", bound=Weighed)


def parts_of(text: str, files: Sequence[F], limits: Limits) -> list[tuple[str, tuple[F, ...]]]:
    """`[(text, files)]` in the order of sending.

    A text that fits travels with the first files; a longer one goes before them, in pieces.
    """
    bundles = _bundles(files, limits)
    if bundles and utf16_length(text) <= limits.caption:
        return [(text if index == 0 else "", bundle) for index, bundle in enumerate(bundles)]
    pieces: list[tuple[str, tuple[F, ...]]] = (
        [(piece, ()) for piece in split(text, limits.part)] if text else []
    )
    return pieces + [("", bundle) for bundle in bundles]


def _bundles(files: Sequence[F], limits: Limits) -> list[tuple[F, ...]]:
    """As many files in each as one call may carry, by number and by weight; their order stays."""
    bundles: list[tuple[F, ...]] = []
    for file in files:
        last = bundles[-1] if bundles else ()
        fits = sum(each.size for each in last) + file.size <= limits.part_size
        if last and len(last) < limits.files_per_part and fits:
            bundles[-1] = (*last, file)
        else:
            bundles.append((file,))
    return bundles
