"""Results as they are printed, and as `README.md` shows them."""

from __future__ import annotations

from collections.abc import Sequence


class Table:
    """A Markdown table, right-aligned where it has numbers."""

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self.title = title
        self._rows = [tuple(columns)]

    def add(self, *cells: str) -> None:
        """One row, as many cells as columns."""
        self._rows.append(cells)

    def __str__(self) -> str:
        widths = [max(len(cell) for cell in column) for column in zip(*self._rows, strict=True)]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in self._rows
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return f"### {self.title}\n\n" + "\n".join(lines) + "\n"


def spread(values: Sequence[float], form: str) -> str:
    """The least and the most of some measurements."""
    return f"{min(values):{form}}–{max(values):{form}}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many in a hundred do not exceed."""
    return sorted(values)[min(int(len(values) * share / 100), len(values) - 1)]
